"""Runs with schedules, as a user starts them, and what docs/SCHEDULES.md promises."""

import json
import re
import shutil
from unittest.mock import patch

import numpy as np
import pytest

from command_line import UserError
from data_builder.random import uniforms
from data_builder.schedules import SCHEDULES, Adaptive, Plan, Uniform, build_schedule
from run_directory.records import load_run
from settings import PRETRAINING
from settings.read import parse_settings
from settings.schedule import ScheduleSettings
from tests.helpers.independent import fits
from tests.helpers.pretraining import ROOT, TIMES, pretrain, records, same, two_processes, weights, world_of

DOCS = (ROOT / "docs" / "SCHEDULES.md").read_text()
# The nano run's loss on its batches falls to 0.784 x 5 of the baseline between steps 10 and 15.
SHARE, TIMES_LOWER = 0.784, 5
OBSERVE = Adaptive.observe
ADAPTIVE = (
    "--schedule", "adaptive", "--indiv_warmup", 8, "--share_adaptive", SHARE, "--logging_steps", 1,
    "--eval_individuals", 64,
)  # fmt: skip


def observe_less(schedule, step, attribute_loss):
    OBSERVE(schedule, step, attribute_loss / TIMES_LOWER)


@pytest.fixture(scope="module")
def adaptive(tmp_path_factory):
    """An adaptive run, with checkpoints before and after its decision."""
    run = tmp_path_factory.mktemp("runs") / "adaptive"
    with patch.object(Adaptive, "observe", observe_less):
        pretrain(run, *ADAPTIVE, "--save_at", 5, 15)
        yield run


def test_adaptive_opens_by_the_training_loss_in_its_metrics(adaptive):
    lines = records(adaptive)
    losses = [line["train_attribute_loss"] for line in lines[1:]]
    limit = SHARE * TIMES_LOWER * lines[0]["no_knowledge_baseline"]
    step = next(step for step in range(10, 21) if sum(losses[step - 10 : step]) / 10 < limit)
    assert 10 < step < 15
    assert [line["opened_at"] for line in lines] == [None] * step + [step] * (21 - step)
    assert [line["n_drawable"] for line in lines] == [8] * step + [64] * (21 - step)


def slow_batches(run, n_steps):
    """Individuals of each batch of an adaptive run, from its metrics."""
    _, stream = world_of(run)
    for step in range(n_steps):
        stream.schedule = Uniform(Plan(range(64) if step >= records(run)[-1]["opened_at"] else range(8)))
        yield stream.batch(step, 8)["individual_ids"].tolist()


def test_times_drawn_count_what_was_decided_on_the_way(adaptive):
    columns, counts = json.loads((adaptive / "individuals.json").read_text()), [0] * 64
    for batch in slow_batches(adaptive, 20):
        for individual in batch:
            counts[individual] += 1
    assert columns["individual"] == list(range(64))
    assert columns["times_drawn"] == counts


@pytest.mark.parametrize("step", [5, 15])
def test_an_adaptive_run_resumed_before_or_after_its_decision_is_the_same_run(adaptive, tmp_path, step):
    run = shutil.copytree(adaptive, tmp_path / "run")
    for path in (run / "model.safetensors", run / "individuals.json"):
        path.unlink()
    pretrain(run, *ADAPTIVE, "--resume_from_checkpoint", run / f"checkpoint-{step}")
    assert same(weights(adaptive), weights(run))
    assert records(adaptive, *TIMES) == records(run, *TIMES)
    assert (adaptive / "individuals.json").read_bytes() == (run / "individuals.json").read_bytes()


def test_a_run_is_not_resumed_with_another_schedule(adaptive):
    options = [*ADAPTIVE, "--resume_from_checkpoint", "latest"]
    with pytest.raises(UserError, match="schedule is uniform now, but the run has adaptive"):
        pretrain(adaptive, *options, "--schedule", "uniform")
    with pytest.raises(UserError, match="indiv_warmup is 9 now, but the run has 8"):
        pretrain(adaptive, *options, "--indiv_warmup", 9)


WATCHED = """
import os
import sys
import run_pretrain
from data_builder.schedules import Adaptive
from data_builder.stream import BiographyStream
from modeling.loss import TokenLoss
make, observe, forward = BiographyStream.batch, Adaptive.observe, TokenLoss.forward
def make_and_keep(stream, step, size):
    batch = make(stream, step, size)
    people.update(zip((str(row[row > 0].tolist()) for row in batch["input_ids"]), batch["individual_ids"].tolist()))
    return batch
def observe_less(schedule, step, attribute_loss):
    observe(schedule, step, attribute_loss / {lower})
def watched(self, input_ids, *others):
    with open({folder!r} + "/" + os.environ["RANK"], "a") as file:
        print([people[str(row[row > 0].tolist())] for row in input_ids], file=file)
    return forward(self, input_ids, *others)
people = {{}}
BiographyStream.batch, Adaptive.observe, TokenLoss.forward = make_and_keep, observe_less, watched
run_pretrain.main(sys.argv[1:])
"""


def test_two_processes_share_one_batch_and_take_the_same_decision(adaptive, tmp_path):
    script, run = tmp_path / "watched.py", tmp_path / "run"
    script.write_text(WATCHED.format(lower=TIMES_LOWER, folder=str(tmp_path)))
    done = two_processes(run, *ADAPTIVE, "--per_device_train_batch_size", 4, script=script)
    assert done.stdout.count("no-knowledge baseline") == 1
    assert load_run(run).config["environment"]["n_processes"] == 2
    assert records(run)[-1]["opened_at"] == records(adaptive)[-1]["opened_at"]
    for key in ("loss", "seen_attribute_loss", "unseen_attribute_accuracy"):
        assert load_run(run).curve(key)[1] == pytest.approx(load_run(adaptive).curve(key)[1], abs=1e-4)
    curves = [
        [line[key] for line in records(path)] for path in (run, adaptive) for key in ("n_drawable", "biographies")
    ]
    assert curves[:2] == curves[2:]
    first, second = ([json.loads(line) for line in (tmp_path / rank).read_text().splitlines()] for rank in "01")
    assert [a + b for a, b in zip(first, second, strict=True)] == list(slow_batches(adaptive, 20))
    times = [json.loads((path / "individuals.json").read_text())["times_drawn"] for path in (run, adaptive)]
    assert times[0] == times[1]
    assert "never be drawn" not in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--schedule", "warmup"), "unknown schedule 'warmup'; the nearest known one is 'warm_up'"),
        (("--schedule", "warm_up", "--epochs_warmup", 2.5), "epochs_warmup 2.5 is 20 steps; it must end within"),
        (("--schedule", "sequential", "--n_groups", "many"), "n_groups"),
    ],
)
def test_a_bad_schedule_is_one_line_and_touches_nothing(tmp_path, options, message):
    there = {"config.yaml": "seed: 0\nenvironment: {}\n", "metrics.jsonl": "{}\n", "thesis.txt": "years of work"}
    for name, text in there.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message) as error:
        pretrain(tmp_path, *options, "--overwrite_output_dir")
    assert "\n" not in str(error.value)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == there


def test_who_will_never_be_drawn_is_said_before_the_run(tmp_path, capsys):
    pretrain(tmp_path / "few", "--n_individuals", 4, "--max_steps", 5)
    assert "warning" not in capsys.readouterr().out
    pretrain(tmp_path / "run", "--max_steps", 10)
    _, stream = world_of(tmp_path / "run")
    drawn = {individual for step in range(10) for individual in stream.batch(step, 8)["individual_ids"].tolist()}
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert len(drawn) < 64
    assert line.startswith(f"warning: {64 - len(drawn)} of 64 individuals will never be drawn in these 10 steps of 8;")


def blocks(language):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    return [text for marked, text in found if marked == language]


@pytest.fixture
def documented():
    """The schedules that docs/SCHEDULES.md adds."""
    (code,) = blocks("python")
    with patch.dict(SCHEDULES):
        exec(compile(code, "my_run.py", "exec"), {"__name__": "my_run"})
        yield


def in_proportion(name, step):
    """Of 40 people in 10 steps, as the docs say it in words."""
    if name == "annealed":
        return [i ** -(1 - step / 10) for i in range(1, 41)]
    group = step * 4 // 10
    return [1.0 if i // 10 == group else 0.25 if i // 10 < group else 0.0 for i in range(40)]


@pytest.mark.parametrize("name", ["rehearsal", "annealed"])
def test_the_documented_schedules_draw_as_they_say(documented, name):
    for step in range(10):
        schedule = build_schedule(Plan(range(40), ScheduleSettings(name, alpha=1.0), 10, 8))
        counts = np.bincount(schedule.draw(step, uniforms(0, "schedule", (8_000,), step)), minlength=40)
        expected = in_proportion(name, step)
        assert fits(counts, [share / sum(expected) for share in expected])


@pytest.mark.parametrize(("name", "optim"), [("rehearsal", "muon"), ("annealed", "adamw")])
def test_the_documented_schedules_train(documented, tmp_path, name, optim):
    run = pretrain(tmp_path / "run", "--schedule", name, "--optim", optim, "--max_steps", 8, "--n_individuals", 40)
    assert (run.config["schedule"], run.records[-1]["step"]) == (name, 8)
    expected = {"rehearsal": [10, 10], "annealed": [40, 40]}[name]  # at step 8 a fifth visit would begin
    assert [line["n_drawable"] for line in run.records] == expected


def test_the_documented_settings_are_all_and_are_read(documented, tmp_path):
    rows = re.findall(r"^\| `(\w+)` \|", DOCS, re.MULTILINE)
    assert rows == ["schedule", *(name for name in SCHEDULES if name not in ("rehearsal", "annealed"))]
    assert all(f"`{name}`" in DOCS for name in vars(ScheduleSettings()))
    assert f"last {Adaptive.WINDOW} steps is below `share_adaptive` ({ScheduleSettings().share_adaptive})" in DOCS
    (recipe,) = blocks("yaml")
    (tmp_path / "recipe.yaml").write_text(recipe)
    schedule = parse_settings(PRETRAINING, [str(tmp_path / "recipe.yaml")], "")[2]
    assert (schedule.schedule, schedule.indiv_warmup, schedule.epochs_warmup) == ("warm_up", 8000, 4.0)
    commands = [line.split() for line in "".join(blocks("")).splitlines()]
    assert len(commands) == 6
    for _, _, recipe, *options in commands:
        data, _, schedule, *_, training = parse_settings(PRETRAINING, [str(ROOT / recipe), *options], "")
        build_schedule(Plan(range(data.n_individuals), schedule, training.max_steps, training.batch_size(1)))
