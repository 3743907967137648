"""Runs as a user starts them: settings in, run directory out."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import evaluation.__main__ as quiz
import run_pretrain
from command_line import UserError
from modeling import cpu
from run_directory.config import read_config
from run_directory.records import load_run
from sweeps.directories import is_finished, read_progress
from tests.helpers.pretraining import NANO, ROOT, SEEN, TIMES, pretrain, records, same, weights


def test_a_run_is_a_directory_that_stock_transformers_loads_with_the_promised_metrics(finished):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(finished), AutoTokenizer.from_pretrained(finished)
    output = model.generate(**tokenizer("The birthplace of", return_tensors="pt"), max_new_tokens=3)
    assert output.shape == (1, 7)
    assert {path.name for path in finished.glob("checkpoint-*")} == {"checkpoint-10", "checkpoint-20"}
    assert (finished / "figures" / "learning_curve.png").exists()
    assert (finished / "dataset" / "source" / "settings.yaml").exists()
    assert [path.name for path in finished.glob(".*")] == [".lock"]
    lines = records(finished)
    assert [line["step"] for line in lines] == [0, 10, 20]
    always = {"step", "tokens", "biographies", *TIMES, "learning_rate", "loss", "train_attribute_loss", "n_drawable"}
    groups = {f"{g}_attribute_{m}" for g in ("seen", "unseen") for m in ("loss", "accuracy")}
    assert all(always | groups | {"no_knowledge_baseline"} <= line.keys() for line in lines)
    assert [line["biographies"] for line in lines] == [0, 80, 160]
    assert lines[0]["loss"] is None
    assert lines[2]["loss"] < lines[1]["loss"]
    assert lines[0][SEEN] >= lines[0]["no_knowledge_baseline"]  # before training a model knows nothing
    assert lines[0]["seen_attribute_accuracy"] == 0


def test_config_is_a_recipe_that_makes_the_same_run(finished, tmp_path):
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert {"torch", "transformers", "commit", "device"} <= config["environment"].keys()
    run_pretrain.main([str(finished / "config.yaml"), "--output_dir", str(tmp_path / "again")])
    assert same(weights(finished), weights(tmp_path / "again"))
    assert records(finished, *TIMES) == records(tmp_path / "again", *TIMES)


def test_mixed_precision_runs_and_is_close(finished, tmp_path):
    AcceleratorState._reset_state()  # a process has one precision
    run = pretrain(tmp_path / "run", "--mixed_precision", "bf16")
    AcceleratorState._reset_state()
    assert run.curve("loss")[1] == pytest.approx(load_run(finished).curve("loss")[1], rel=0.02)


def test_the_quiz_asks_every_attribute_of_people_in_words_new_for_them(finished, tmp_path, capsys):
    quiz.main([str(finished), "--people", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert sum("(in the training data)" in line for line in lines) == 2
    assert sum("NOT in the training data" in line for line in lines) == 1
    assert sum(line.startswith(("  right  ", "  WRONG  ")) for line in lines) == 3 * 6
    (tmp_path / "dataset").symlink_to(finished / "dataset")
    with pytest.raises(UserError, match="holds no final model"):
        quiz.main([str(tmp_path)])


def test_a_run_from_a_saved_dataset_even_its_own_is_the_same_run(tmp_path, finished):
    run = shutil.copytree(finished, tmp_path / "run")
    pretrain(run, "--dataset", run / "dataset", "--overwrite_output_dir")
    assert same(weights(finished), weights(run))
    assert records(finished, *TIMES) == records(run, *TIMES)


def test_accumulated_gradients_give_the_same_curve(finished, tmp_path):
    options = ("--per_device_train_batch_size", 2, "--gradient_accumulation_steps", 4)
    run = pretrain(tmp_path / "run", *options)
    for key in ("loss", SEEN):
        assert run.curve(key)[1] == pytest.approx(load_run(finished).curve(key)[1], rel=1e-4)
    assert run.records[-1]["tokens"] == load_run(finished).records[-1]["tokens"]


def test_without_what_makes_a_cpu_faster_a_run_differs_in_last_bits(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "_on", True)  # and is so again afterwards
    run = pretrain(tmp_path / "run", "--cpu_tricks", "false")
    for key in ("loss", SEEN, "unseen_entropy", "layer_2_sharpness"):
        assert run.curve(key)[1] == pytest.approx(load_run(finished).curve(key)[1], rel=1e-4)
    assert not same(weights(finished), weights(run.path))
    with pytest.raises(UserError, match="cpu_tricks is True now, but the run has False"):
        pretrain(run.path, "--resume_from_checkpoint", "latest")


def test_a_file_that_hides_a_part_of_the_program_is_named_before_a_run_begins(tmp_path):
    """It is not run, and does not end a training after its last step."""
    (tmp_path / "analysis.py").write_text("print('a study of my own')")
    call = [sys.executable, "-m", "run_pretrain", NANO, "--output_dir", "run"]
    done = subprocess.run(
        call, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    own = tmp_path / "analysis.py"
    expected = f"error: {own} hides this program's own `analysis`; rename it, or start in another directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
    assert not (tmp_path / "run").exists()


def test_resume_passes_over_a_damaged_checkpoint_and_says_so(finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "run")
    with (tmp_path / "run" / "checkpoint-20" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    (tmp_path / "run" / "model.safetensors").unlink()
    pretrain(tmp_path / "run", "--resume_from_checkpoint", "latest")
    said = capsys.readouterr().out
    assert "checkpoint-20 is damaged" in said
    assert "resuming from" in said
    assert same(weights(finished), weights(tmp_path / "run"))


@pytest.mark.parametrize("name", ["individuals.json", "hallucination.json", "ablation.json", "metrics.jsonl"])
def test_what_is_damaged_at_the_end_of_a_run_is_made_again(finished, tmp_path, name):
    run = shutil.copytree(finished, tmp_path / "run")
    (run / name).write_text("")
    pretrain(run, "--resume_from_checkpoint", "auto")
    again = load_run(run)
    assert again.individuals == load_run(finished).individuals
    assert again.records[-1]["seen_attribute_loss"] == load_run(finished).records[-1]["seen_attribute_loss"]
    assert (again.records == load_run(finished).records) == (name != "metrics.jsonl")


def test_going_on_in_another_environment_is_said_and_recorded_each_time(finished, tmp_path, capfd):
    run = shutil.copytree(finished, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoint-20"))
    config = yaml.safe_load((run / "config.yaml").read_text())
    environment = config["environment"]
    now = environment["torch"]
    changes = {"torch": "0.1", "commit": "abc", "cores": 10_000, "command": "another"}
    (run / "config.yaml").write_text(yaml.safe_dump(config | {"environment": environment | changes}))
    resumed = [{"step": 10, "torch": now, "commit": environment["commit"]}]
    for said in (True, False):
        pretrain(run, "--resume_from_checkpoint", run / "checkpoint-10")
        assert (f"the run had another environment; now torch {now}, commit" in capfd.readouterr().err) == said
        recorded = yaml.safe_load((run / "config.yaml").read_text())["environment"]
        assert recorded == environment | changes | {"resumed": resumed}
    pretrain(run, "--resume_from_checkpoint", run / "checkpoint-10", "--num_threads", environment["threads"] + 1)
    recorded = yaml.safe_load((run / "config.yaml").read_text())["environment"]
    assert recorded["resumed"] == [*resumed, {"step": 10, "threads": environment["threads"] + 1}]


def test_a_batch_may_be_shared_otherwise_when_a_run_is_resumed(tmp_path, finished):
    shutil.copytree(finished, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoint-20"))
    options = ("--per_device_train_batch_size", 4, "--gradient_accumulation_steps", 2)
    run = pretrain(tmp_path / "run", "--resume_from_checkpoint", "latest", *options)
    assert run.curve(SEEN)[1] == pytest.approx(load_run(finished).curve(SEEN)[1], rel=1e-4)


def test_a_run_begun_before_a_setting_existed_had_its_default(finished, tmp_path):
    old = shutil.copytree(finished, tmp_path / "old")
    (old / "model.safetensors").unlink()
    config = yaml.safe_load((old / "config.yaml").read_text())
    del config["quasi_random"]
    config["text_weight"] = config.pop("template_weight")  # its name then
    (old / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="cannot resume .*: template_weight is 0.5 now, but the run has 1.0"):
        pretrain(old, "--resume_from_checkpoint", "latest", "--template_weight", 0.5)
    pretrain(old, "--resume_from_checkpoint", "latest")
    assert same(weights(finished), weights(old))


def test_another_seed_without_unseen_people_and_with_checkpoints_at_a_list_of_steps(finished, tmp_path):
    run = pretrain(tmp_path / "run", "--seed", 1, "--n_unseen", 0, "--save_at", 3, 7, "--save_steps", 15)
    assert {path.name for path in run.path.glob("checkpoint-*")} == {f"checkpoint-{s}" for s in (3, 7, 15)}
    assert "unseen_attribute_loss" not in run.records[-1]
    assert not same(weights(finished), weights(run.path))


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "holds a run already"),
        (("--resume_from_checkpoint", "latest", "--seed", "4"), "seed is 4 now, but the run has 0"),
        (("--resume_from_checkpoint", "latest", "--n_individuals", "9"), "n_individuals is 9 now, but the run has 64"),
        (("--resume_from_checkpoint", "latest", "--per_device_train_batch_size", "4"), "batches of 4 now, .* has 8"),
        (("--resume_from_checkpoint", "latest", "--max_steps", "30"), "max_steps is 30 now, but the run has 20"),
        (("--resume_from_checkpoint", "checkpoint-77"), "checkpoint-77 is no checkpoint"),
    ],
)
def test_a_run_that_is_there_is_left_as_it_is(finished, options, message):
    before = contents(finished)
    with pytest.raises(UserError, match=message):
        pretrain(finished, *options)
    assert contents(finished) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "exists and is no run"),
        (("--overwrite_output_dir",), "exists and is no run"),
        (("--resume_from_checkpoint", "latest"), "nothing to resume from: .* holds no run"),
        (("--seed", "-1"), "seed is -1; it must be at least 0"),
        (("--n_embd", "30", "--n_head", "4"), "n_embd 30 cannot be divided"),
        (("--report_to", "nowhere"), "nowhere"),
        (("--dataset", "nowhere"), "nowhere is no dataset directory and cannot be fetched from the Hub"),
        (("--n_individuals", "99999"), "more than the 1,728 full names"),
        (("--optim", "sgd"), "unknown optimizer 'sgd'"),
    ],
)
def test_bad_settings_are_one_line_and_leave_no_run_and_what_was_there(tmp_path, options, message):
    folder = tmp_path if message == "exists and is no run" else tmp_path / "run"
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=message) as error:
        pretrain(folder, *options)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    run = tmp_path / "run"
    options = ("--learning_rate", 1e30, "--lr_scheduler_type", "constant", "--save_steps", 1, "--max_steps", 10)
    with pytest.raises(UserError, match=r"the loss of step \d+ is (nan|inf); stopped"):
        pretrain(run, *options)
    kept = sorted(run.glob("checkpoint-*"))
    assert kept
    assert not (run / "model.safetensors").exists()
    for checkpoint in kept[:-1]:
        assert all(torch.isfinite(t).all() for t in load_file(checkpoint / "model.safetensors").values())


def test_facts_that_change_with_every_biography_cannot_be_known(tmp_path):
    """Control: with values drawn anew each time, the loss of seen people never goes under the baseline."""
    few = ("--n_individuals", 16, "--entries_per_list", 6, "--eval_individuals", 16, "--eval_steps", 30)
    fast = ("--optim", "muon", "--muon_learning_rate", 0.05, "--learning_rate", 0.05, "--max_steps", 300)
    options = (*few, *fast, "--per_device_train_batch_size", 16, "--save_steps", 1000)
    fixed = pretrain(tmp_path / "fixed", *options).curve(SEEN)[1]
    redrawn = pretrain(tmp_path / "redrawn", *options, "--redraw_values", "true")
    baseline = redrawn.records[0]["no_knowledge_baseline"]
    assert fixed[-1] < 0.8 * baseline  # so the same run does come to know facts that stay
    assert (redrawn.curve(SEEN)[1] > baseline).all()
    assert redrawn.curve(SEEN)[1][-1] < 1.1 * baseline


def test_a_run_that_stops_early_goes_on_as_if_it_had_not(finished, tmp_path):
    whole, part = finished, tmp_path / "part"
    pretrain(part, "--stop_at", 7, "--save_steps", 100)
    assert records(part)[-1]["step"] == 7
    assert read_progress(part).share == 1
    assert is_finished(part)
    with pytest.raises(UserError, match="stop_at is 5, but .* is at step 7 already"):
        pretrain(part, "--stop_at", 5, "--save_steps", 100, "--resume_from_checkpoint", "latest")
    assert read_config(part)["stop_at"] == 7
    pretrain(part, "--save_steps", 100, "--resume_from_checkpoint", "latest")
    assert same(weights(part), weights(whole))
    assert read_config(part)["stop_at"] is None
    assert is_finished(part)
    ours = [record for record in records(part, *TIMES) if record["step"] != 7]
    assert [r["learning_rate"] for r in ours] == [r["learning_rate"] for r in records(whole, *TIMES)]
