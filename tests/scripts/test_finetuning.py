"""Fine-tuning as a user starts it: a trained model and new people in, run directory out."""

import json
import re
import shutil
from functools import partial

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import evaluation.__main__ as quiz
import run_finetune
from command_line import UserError
from data_builder.random import uniforms
from data_builder.schedules import Plan, build_schedule
from data_builder.source import Source
from modeling.presets import SIZES
from run_directory.layout import GENERATED_TEXTS
from run_directory.records import load_run
from settings.schedule import ScheduleSettings
from tests.helpers.finetuning import FAST, SCRIPT, arguments, finetune
from tests.helpers.hub_server import HubServer
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import TIMES, records, same, two_processes, weights, world_of
from tests.helpers.toys import ADA, table


@pytest.fixture(scope="module")
def finished(trained, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "tuned"
    finetune(run, trained, weight_replay_finetune=0.25, interpolations=[0.0, 0.5, 1.0], save_steps=6, draw_figures=True)
    return run


def test_it_begins_with_the_old_model_and_ends_with_another(trained, finished):
    first, last = records(finished)[0], records(finished)[-1]
    before = records(trained)[-1]
    assert (first["step"], last["step"]) == (0, 12)
    assert first["seen_attribute_loss"] == pytest.approx(measured_at_the_end(trained), rel=1e-5)
    assert last["new_attribute_loss"] < first["new_attribute_loss"]
    assert first["no_knowledge_baseline"] == before["no_knowledge_baseline"]
    assert not same(weights(trained), weights(finished))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(finished), AutoTokenizer.from_pretrained(finished)
    assert tokenizer.get_vocab() == AutoTokenizer.from_pretrained(trained).get_vocab()
    assert model.config.n_embd == SIZES["nano"]["n_embd"]


def measured_at_the_end(run):
    """The attribute loss of the seen people whom fine-tuning looks at, from plain transformers."""
    _, stream = world_of(run)
    probe, model = stream.probe("seen", FAST["eval_individuals"]), AutoModelForCausalLM.from_pretrained(run)
    with torch.no_grad():
        logits = model(probe["input_ids"]).logits.log_softmax(2)
    losses = -logits[:, :-1].gather(2, probe["input_ids"][:, 1:, None])[..., 0]
    return (losses * (probe["attribute_ids"][:, 1:] > 0)).sum().item() / (6 * len(losses))


def test_it_is_measured_densely_at_the_start_on_all_groups(finished):
    run = load_run(finished)
    steps = run.curve("seen_attribute_loss")[0].tolist()
    assert steps == [0, 1, 2, 3, 5, 6, 7, 10, 12]
    for group in ("seen", "new", "unseen"):
        for metric in ("attribute_loss", "attribute_accuracy", "top_probability", "entropy", "calibration_error"):
            assert run.curve(f"{group}_{metric}")[0].tolist() == steps
    assert run.curve("unseen_auroc_entropy")[0].tolist() == steps
    assert set(run.curve("learning_rate")[1]) == {1e-3}


def test_the_run_directory_is_like_any_other_and_holds_models_between_old_and_new(trained, finished, capsys):
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert (config["model"], config["weight_replay_finetune"], config["schedule"]) == (str(trained), 0.25, "replay")
    assert Source.load(finished / "dataset").digest() == Source.load(trained / "dataset").digest()
    for name in ("individuals.json", "hallucination.json", "figures/learning_curve.png", "figures/hallucination.png"):
        assert (finished / name).exists(), name
    assert not (finished / "figures" / "phases.json").exists()
    run = load_run(finished)
    for row, record in ((run.interpolation[0], run.records[0]), (run.interpolation[2], run.records[-1])):
        for key in ("seen_attribute_loss", "new_attribute_loss", "unseen_entropy"):
            assert row[key] == pytest.approx(record[key], rel=1e-4)
    assert [row["share"] for row in run.interpolation] == [0, 0.5, 1]
    quiz.main([str(finished), "--people", "1"])
    said = capsys.readouterr().out
    notes = ("(in the training data)", "(in the data of fine-tuning)", "(NOT in the training data")
    assert [said.count(note) for note in notes] == [1, 1, 1]
    assert measured(said) == [("seen", "64"), ("new", "16"), ("unseen", "32")]


def measured(said):
    """Of how many people of each group the accuracy is told."""
    return re.findall(r"^(\w+) people, held-out wording: accuracy [\d.]+% \((\d+) of \2 people\)$", said, re.M)


def test_config_is_a_recipe_that_makes_the_same_run(finished, tmp_path):
    run_finetune.main([str(finished / "config.yaml"), "--output_dir", str(tmp_path / "again")])
    assert same(weights(finished), weights(tmp_path / "again"))
    assert records(finished, *TIMES) == records(tmp_path / "again", *TIMES)


def test_who_is_drawn_is_as_the_weight_says(trained, tmp_path, capsys):
    run = finetune(tmp_path / "run", trained, weight_replay_finetune=0.5, n_individuals_finetune=8, eval_individuals=64)
    times = np.array(run.individuals["times_drawn"])
    source = Source.load(trained / "dataset").population.groups
    schedule = ScheduleSettings(schedule="replay", weight_replay_finetune=0.5)
    plan = Plan(source["new"][:8], schedule, 12, 8, 3.0, (source["seen"],))
    drawn = [build_schedule(plan).draw(s, uniforms(0, "biographies", (8, 13), s)[:, 0]) for s in range(12)]
    counts = np.bincount(np.concatenate(drawn), minlength=112)
    assert times.tolist() == counts[run.individuals["individual"]].tolist()
    assert times.any()
    assert "% of it for measuring knowledge" in capsys.readouterr().err


def test_own_people_are_learned(trained, tmp_path):
    path = table(tmp_path / "mine.csv", ADA, ADA | {"name": "Plato", "company": "Ακαδημία"})
    options = {"new_individuals": path, "max_steps": 80, "learning_rate": 0.02, "eval_steps": 80}
    run = finetune(tmp_path / "run", trained, **options, save_steps=40)
    losses = run.curve("new_attribute_loss")[1]
    assert losses[-1] < 0.5 * losses[0]
    expected = weights(tmp_path / "run")
    (tmp_path / "mine.csv").unlink()
    shutil.rmtree(tmp_path / "run" / "checkpoint-80")
    finetune(tmp_path / "run", trained, **options, save_steps=40, resume_from_checkpoint="latest")
    assert same(weights(tmp_path / "run"), expected)


def test_rare_people_are_the_last_of_the_seen(trained, tmp_path, capsys):
    run = finetune(
        tmp_path / "run", trained, individuals_finetune="rare", n_individuals_finetune=48, eval_individuals=64
    )
    assert run.individuals["individual"] == list(range(16))
    assert set(run.individuals["times_drawn"]) == {0}
    assert run.finetune_group == "rare"
    assert len(run.curve("rare_attribute_loss")[0]) == 9
    assert "new_attribute_loss" not in run.records[0]
    quiz.main([str(run.path), "--people", "0"])
    assert measured(capsys.readouterr().out) == [("seen", "16"), ("rare", "48"), ("unseen", "32")]


METHODS = {
    "feed_forward": {"trainable": "feed_forward"},
    "rest": {"trainable": "all_but_feed_forward"},
    "lora": {"trainable": "lora", "lora_r": 4, "save_steps": 4},
    "remix": {"share_random_words": 0.5},
    "distillation": {"share_invented": 0.5, "weight_distillation": 2, "save_steps": 4},
    "known_patch": {"weight_replay_finetune": 1, "n_individuals_replay": 4, "start_replay": 0.8},
    "distillation and replay": {"share_invented": 0.25, "weight_replay_finetune": 0.5, "save_steps": 4},
    "l2": {"weight_l2_start": 0.1, "save_steps": 4},
    "ewc of a part": {"weight_ewc": 10, "n_generated": 8, "trainable": "feed_forward", "save_steps": 4},
    "generated": {"share_generated": 0.25, "n_generated": 8, "save_steps": 4},
    "generated, lora": {"share_generated": 0.25, "n_generated": 8, "trainable": "lora", "save_steps": 4},
    "old attention": {"old_attention": True, "save_steps": 4},
    "muon": {"optim": "muon"},
    "decay": {"lr_scheduler_type": "cosine", "warmup_steps": 3},
    "another schedule": {"schedule": "power_law", "alpha": 1},
}


@pytest.mark.parametrize("settings", METHODS.values(), ids=METHODS)
def test_every_method_trains_what_it_shall_saves_a_stock_model_and_goes_on(trained, tmp_path, settings):
    run = finetune(tmp_path / "run", trained, **{"save_steps": 12} | settings)
    before, after = weights(trained), weights(run.path)
    assert before.keys() == after.keys()
    trains = {
        "feed_forward": lambda name: ".mlp." in name,
        "all_but_feed_forward": lambda name: ".mlp." not in name,
        "lora": lambda name: ".h." in name and name.endswith("weight") and "ln_" not in name,
    }.get(settings.get("trainable"), lambda name: True)
    assert {name for name in after if not torch.equal(before[name], after[name])} == set(filter(trains, after))
    assert same(load_file(run.path / "checkpoint-12" / "model.safetensors"), after)
    if settings.get("save_steps"):  # cut off and resumed it ends the same
        missing = shutil.ignore_patterns("checkpoint-12", "checkpoint-8")
        cut = shutil.copytree(run.path, tmp_path / "cut", ignore=missing)
        finetune(cut, trained, **settings, resume_from_checkpoint="latest")
        assert same(after, weights(cut))
        assert records(run.path, *TIMES) == records(cut, *TIMES)


def test_two_processes_give_the_same_curve(trained, tmp_path):
    # More texts than are written together, so that the processes share them.
    methods = METHODS["distillation"] | ALL_THAT_HOLDS | {"weight_replay_finetune": 0.5, "n_generated": 130}
    one = finetune(tmp_path / "one", trained, **methods)
    options = arguments(tmp_path / "two", model=trained, **methods, per_device_train_batch_size=4)
    two_processes(tmp_path / "two", *options, script=SCRIPT, recipe=())
    two = load_run(tmp_path / "two")
    for key in ("loss", "seen_attribute_loss", "new_attribute_accuracy"):
        assert two.curve(key)[1] == pytest.approx(one.curve(key)[1], abs=1e-3)
    assert (two.path / GENERATED_TEXTS).read_text() == (one.path / GENERATED_TEXTS).read_text()
    assert two.generated == one.generated


ALL_THAT_HOLDS = {"share_generated": 0.125, "n_generated": 8, "weight_ewc": 3, "weight_l2_start": 0.1,
                  "old_attention": True}  # fmt: skip


def test_weights_that_are_held_stay_nearer_and_those_that_matter_nearest(trained, tmp_path):
    old, way = weights(trained), {}
    ways = {"plain": {}, "l2": {"weight_l2_start": 100}, "ewc": {"weight_ewc": 1e5, "n_generated": 8}}
    for name, how in ways.items():
        run = finetune(tmp_path / name, trained, **how, eval_individuals=4)
        way[name] = sum(float((tensor - old[key]).norm()) for key, tensor in weights(run.path).items())
    assert way["l2"] < 0.8 * way["plain"]
    assert 0 < way["ewc"] < 0.8 * way["plain"]


def test_what_the_old_model_wrote_is_kept_and_judged(trained, tmp_path, capsys):
    run = finetune(tmp_path / "run", trained, share_generated=0.25, n_generated=6)
    lines = [json.loads(line) for line in (run.path / GENERATED_TEXTS).read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(run.path)
    assert [tokenizer.decode(line["input_ids"], skip_special_tokens=True) for line in lines] == [
        line["text"] for line in lines
    ]
    assert run.generated.keys() == {"texts", "sentences", "share_read", "share_taught", "share_true", "n_individuals"}
    assert run.generated["texts"] == len(lines) == 6
    assert "the old model wrote 6 texts, " in capsys.readouterr().out
    assert run.own_attention is None
    whole = (run.path / GENERATED_TEXTS).read_text()
    for other in ("", whole[: whole.index("\n") + 1], "x", whole + whole):
        (run.path / GENERATED_TEXTS).write_text(other)
        with pytest.raises(UserError, match="wrote, is not what the run began with; bring it back, or begin anew: --o"):
            finetune(run.path, trained, share_generated=0.25, n_generated=6, resume_from_checkpoint="latest")
    (run.path / GENERATED_TEXTS).unlink()
    with pytest.raises(UserError, match="what the old model wrote, is not there; bring it back, or begin anew"):
        finetune(run.path, trained, share_generated=0.25, n_generated=6, resume_from_checkpoint="latest")


def test_with_the_old_attention_it_is_measured_and_without_it_at_the_end(trained, tmp_path):
    run = finetune(tmp_path / "run", trained, old_attention=True, interpolations=[0.0, 1.0], learning_rate=1e-2)
    first, last = run.records[0], run.records[-1]
    # An old model with its own attention is itself; so are the weights at the end with the attention of the old ones.
    assert first["seen_attribute_loss"] == pytest.approx(measured_at_the_end(trained), rel=1e-5)
    assert run.interpolation[1]["new_attribute_loss"] == pytest.approx(last["new_attribute_loss"], rel=1e-4)
    assert run.own_attention["seen_attribute_loss"] == pytest.approx(measured_at_the_end(run.path), rel=1e-4)
    assert abs(run.own_attention["seen_attribute_loss"] - last["seen_attribute_loss"]) > 1e-3


def test_a_model_of_the_hub_brings_its_people_and_is_shared_in_turn(trained, tmp_path):
    with HubServer() as hub:
        publisher = Client(hub, tmp_path / "publisher")
        publisher.hub_cards("publish", trained, "--repo", "me/facts", "--dataset_repo", "me/people")
        start = partial(Client(hub, tmp_path / "home", token=None).call, run_finetune.main)
        options = {"max_steps": 3, "weight_replay_finetune": 0.5, "new_individuals": table(tmp_path / "mine.csv", ADA)}
        start(*arguments(tmp_path / "hub", model="me/facts", revision="step-000010", **options))
        local = finetune(tmp_path / "local", trained / "checkpoint-10", **options)
        assert same(weights(tmp_path / "hub"), weights(local.path))
        failed = start(*arguments(tmp_path / "x", model="me/facts", revision="step-000777"), code=2)
        assert failed.stderr.strip().endswith("error: me/facts has no revision step-000777 on the Hub")
        words = ("--repo", "me/tuned", "--dataset_repo", "me/people", "--with_own_people")
        publisher.hub_cards("publish", tmp_path / "hub", *words)
        card = hub.repo("me/tuned").files("main")["README.md"].decode()
        assert "base_model: me/facts" in card
        assert "biographies of 64 invented people and then fine-tuned on 1 further people, with replay" in card
        people = hub.repo("me/people", "dataset").files("main")
        (own,) = {path.split("/")[0] for path in people if "-own-" in path}
        assert b"Poetry" in people[f"{own}/source/new_individuals.csv"]
        assert f"| `{own}` | 64 | 32 | 1 of a table |" in people["README.md"].decode()
        assert "| `64` | 64 | 32 | 16 |" in people["README.md"].decode()


def test_a_run_goes_on_with_the_same_model_alone(trained, finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    with pytest.raises(UserError, match="cannot resume .*: base_model_sha256 is"):
        run_finetune.main([str(run / "config.yaml"), "--output_dir", str(run), "--resume_from_checkpoint", "latest",
                           "--model", str(trained / "checkpoint-10")])  # fmt: skip


def test_a_run_of_the_recipe_command_can_be_compared(finished, trained, tmp_path):
    from analysis.compare import write_comparison

    other = finetune(tmp_path / "other", trained, seed=1, interpolations=[0.5])
    write_comparison([load_run(finished), other], tmp_path / "figures")
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert written == {"finetuning.png", "trade_off.png", "frontier.png", "table.md", "table.tex"}
    with pytest.raises(UserError, match="compare either pre-trainings or fine-tunings of one kind"):
        write_comparison([load_run(trained), other], tmp_path / "figures")
    assert json.loads((finished / "hallucination.json").read_text())["detectors"]
