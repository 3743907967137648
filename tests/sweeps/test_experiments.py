"""Sweeps as a user runs them: real runs, real signals."""

import contextlib
import io
import json
import shutil
import signal
import subprocess
import sys

import pytest
import yaml

import sweeps.__main__ as command
from command_line import UserError
from sweeps import runner
from sweeps.results import load_results
from tests.helpers.jobs import TALKER, processes_of, wait_for
from tests.helpers.pretraining import ROOT, TIMES, pretrain, records, same, weights


def experiment(folder, variants, **content):
    folder.mkdir(exist_ok=True)
    sweep = {
        "recipe": "recipes/nano.yaml", "output_dir": str(folder / "runs"), "seeds": [0], "variants": variants,
        "settings": {"max_steps": 20, "save_steps": 10, "num_threads": 1},
    }  # fmt: skip
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep | content, sort_keys=False))
    return str(folder)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two variants that run, and one that can't."""
    folder = tmp_path_factory.mktemp("sweep") / "mine"
    variants = {"a": {}, "broken": {"n_head": 5}, "b": {"schedule": "power_law", "grid": {"alpha": [1.0]}}}
    experiment(folder, variants)
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(UserError, match="1 of 3 runs failed"):
        command.main(["run", str(folder), "--jobs", "2"])
    (folder / "said.txt").write_text(said.getvalue())
    return folder


def test_results_of_finished_runs_are_kept_and_a_failed_one_does_not_stop_the_others(swept):
    results = load_results(swept)
    assert [result.name for result in results] == ["a-seed0", "b-alpha=1.0-seed0"]
    steps, losses = results[0].run.curve("seen_attribute_loss")
    assert steps.tolist() == [0, 10, 20]
    recorded = [json.loads(line) for line in (swept / "runs/a-seed0/metrics.jsonl").read_text().splitlines()]
    assert losses == pytest.approx([line["seen_attribute_loss"] for line in recorded], rel=1e-4)
    assert results[1].run.individuals["times_drawn"]
    said = (swept / "said.txt").read_text()
    assert "broken-seed0 failed: error: n_embd 32 cannot be divided among n_head 5 heads\n  log: " in said
    assert "a-seed0 finished: step 20/20, attribute loss " in said
    assert said.index("broken-seed0 failed: step") < said.index("b-alpha=1.0-seed0 finished")
    assert str(swept) not in (swept / "results" / "runs.jsonl").read_text()  # nothing of this machine


def test_failed_runs_are_tried_again_and_no_others(swept, monkeypatch):
    def refuse(executor, sweep, run, jobs):
        raise UserError(f"{run.name} would start")

    monkeypatch.setattr(runner, "submit", refuse)
    with pytest.raises(UserError, match="^broken-seed0 would start$"):
        command.main(["run", str(swept), "--jobs", "3"])


def test_nothing_is_started_when_all_is_finished_or_made_with_other_settings(swept, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "submit", None)
    folder = experiment(tmp_path / "other", {"a": {}}, output_dir=str(swept / "runs"))
    for _ in range(2):
        command.main(["run", folder])
        assert capsys.readouterr().out.startswith("a-seed0 skipped: step 20/20")
        assert [result.name for result in load_results(folder)] == ["a-seed0"]
    folder = experiment(tmp_path / "other", {"a": {}}, output_dir=str(swept / "runs"), settings={"max_steps": 30})
    with pytest.raises(UserError, match=r"a-seed0 has max_steps 20, but the sweep says 30; delete"):
        command.main(["run", folder])


def test_what_is_damaged_in_one_run_is_made_again_and_stops_no_other(swept, tmp_path):
    runs = shutil.copytree(swept / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns("broken*", ".jobs"))
    (runs / "a-seed0" / "hallucination.json").write_text("")
    shutil.copytree(runs / "b-alpha=1.0-seed0", runs / "c-seed0")
    (runs / "c-seed0" / "config.yaml").write_bytes(b"\nenvironment: \xff")
    folder = experiment(
        tmp_path, {"a": {}, "c": {"schedule": "power_law", "alpha": 1.0}, "b": {"schedule": "power_law", "alpha": 1.0}}
    )
    (runs / "b-alpha=1.0-seed0").rename(runs / "b-seed0")
    with pytest.raises(UserError, match="1 of 3 runs failed"):
        command.main(["run", folder])
    assert [result.name for result in load_results(folder)] == ["a-seed0", "b-seed0"]
    assert json.loads((runs / "a-seed0" / "hallucination.json").read_text())["detectors"]
    assert same(weights(runs / "a-seed0"), weights(swept / "runs" / "a-seed0"))
    assert (runs / "c-seed0" / "config.yaml").read_bytes() == b"\nenvironment: \xff"  # nothing is lost of it


def test_a_plot_is_drawn_and_a_dry_run_predicts_and_writes_nothing(swept, tmp_path, capsys):
    (tmp_path / "plot.py").write_text("def main(folder):\n    print('drawn', folder.name)\n")
    command.main(["plot", str(tmp_path)])  # calls the experiment's own
    assert capsys.readouterr().out == f"drawn {tmp_path.name}\n"
    with pytest.raises(UserError, match="nowhere has no results yet: python -m sweeps run"):
        command.main(["plot", str(tmp_path / "nowhere")])
    before = sorted(swept.rglob("*"))
    command.main(["run", experiment(swept, {"a": {}, "c": {}}), "--dry_run"])
    assert "1 of 2 runs to go, about" in capsys.readouterr().out
    assert sorted(swept.rglob("*")) == before


def test_without_a_plot_of_its_own_a_sweep_has_its_variants_side_by_side(swept, tmp_path, capsys):
    folder = tmp_path / "mine"
    shutil.copytree(swept / "results", folder / "results")
    command.main(["plot", str(folder)])
    table = (folder / "results" / "table.md").read_text(encoding="utf-8")
    assert [row.split(" | ")[0] for row in table.splitlines()] == [
        "| runs",
        "|---|---|---|---|---|",
        "| a",
        "| b-alpha=1.0",
    ]
    assert {"learning_curves.png", "individuals.png", "table.md"} <= {
        file.name for file in (folder / "results").iterdir()
    }
    assert capsys.readouterr().out.rstrip().startswith(table.rstrip())


def trial(folder, script):
    (folder / "script.py").write_text(script)
    command.main(["run", experiment(folder, {"a": {}}, script=str(folder / "script.py"), seeds=[0, 1]), "--dry_run"])


def test_a_dry_run_of_a_new_sweep_tries_one_run_elsewhere_and_ends_it(tmp_path, capsys):
    trial(tmp_path, TALKER)
    said = capsys.readouterr().out
    assert "2 of 2 runs to go, about 5 min 58 s with --jobs 1; predicted from a trial of a-seed0\n" in said
    assert {path.name for path in tmp_path.iterdir()} == {"script.py", "sweep.yaml"}
    assert not processes_of(tmp_path)
    with pytest.raises(UserError, match="^the trial of a-seed0 failed: no GPU$"):
        trial(tmp_path, "import sys; sys.exit('no GPU')")


def test_a_dry_run_that_is_ended_takes_its_trial_along(tmp_path):
    (tmp_path / "script.py").write_text(TALKER.replace("predicted_seconds", "seconds_so_far"))
    folder = experiment(tmp_path, {"a": {}}, script=str(tmp_path / "script.py"))
    dry_run = [sys.executable, "-m", "sweeps", "run", folder, "--dry_run"]
    process = subprocess.Popen(dry_run, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: processes_of(tmp_path / "script.py") or process.poll() is not None)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    wait_for(lambda: not processes_of(tmp_path / "script.py"))


def test_a_sweep_that_is_ended_takes_its_runs_along_and_goes_on_later(tmp_path):
    settings = {"max_steps": 250, "save_at": [15, 25], "save_steps": 100, "eval_steps": 125, "num_threads": 1}
    folder = experiment(tmp_path / "cut", {"a": {}}, settings=settings)
    run = tmp_path / "cut" / "runs" / "a-seed0"
    process = subprocess.Popen(
        [sys.executable, "-m", "sweeps", "run", folder], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: (run / "checkpoint-25").exists() or process.poll() is not None)
    finally:
        process.send_signal(signal.SIGTERM)
        error = process.communicate(timeout=30)[1]
    assert process.returncode == 2
    assert error == "error: interrupted; the same command goes on with what was cut off\n"
    assert not processes_of(tmp_path)
    assert not (run / "model.safetensors").exists()
    command.main(["run", folder])
    assert "resuming from" in "".join(path.read_text() for path in (run.parent / ".jobs").glob("*.out"))
    same_steps = ("--save_at", 15, 25, "--save_steps", 100, "--eval_steps", 125)  # each is a line of metrics.jsonl
    pretrain(tmp_path / "whole", "--max_steps", 250, *same_steps)
    assert same(weights(tmp_path / "whole"), weights(run))
    assert records(tmp_path / "whole", *TIMES) == records(run, *TIMES)
