"""The recipes of docs/EXTENDING.md, as they stand there."""

import json
import re
from pathlib import Path
from unittest.mock import patch

import pytest

import evaluation.measure
import run_pretrain
import sweeps.__main__
from data_builder.schedules import SCHEDULES
from modeling.families import FAMILIES
from modeling.presets import PRESETS
from sweeps.collect import collect_results
from sweeps.launch import run_command
from sweeps.sweep import load_sweep
from tests.helpers.pretraining import ROOT, pretrain, records
from training.optimizers import DECAYS, OPTIMIZERS

SECTIONS = re.split(r"^## ", (ROOT / "docs" / "EXTENDING.md").read_text(encoding="utf-8"), flags=re.MULTILINE)


def blocks(title, language):
    (section,) = [section for section in SECTIONS if section.startswith(title)]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def define(title):
    """What the Python blocks of a section define, once they are executed."""
    names = {}
    for code in blocks(title, "python"):
        exec(compile(code, title, "exec"), names)
    return names


def test_there_are_six_recipes_and_the_tests_that_they_name_exist():
    assert len(SECTIONS) == 1 + 6
    named = re.findall(r"(?<![\w/])(?:tests|training|evaluation|settings|data_builder)/[\w/.]*\w", "".join(SECTIONS))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_a_schedule_an_optimizer_a_decay_and_a_metric_in_one_run(tmp_path):
    confidence, margin = evaluation.measure.confidence, define("A metric")["margin"]

    def with_margin(flat, group, *others):
        return confidence(flat, group, *others) | margin(flat, group)

    with (
        patch.dict(SCHEDULES), patch.dict(OPTIMIZERS), patch.dict(DECAYS),
        patch.object(evaluation.measure, "confidence", with_margin),
    ):  # fmt: skip
        define("A schedule")
        define("An optimizer")
        options = ("--schedule", "first_half", "--optim", "sgd", "--lr_scheduler_type", "last_fifth")
        pretrain(tmp_path / "run", *options, "--logging_steps", 1)
    lines = records(tmp_path / "run")
    assert {line["n_drawable"] for line in lines} == {32}
    assert [line["learning_rate"] / 0.003 for line in lines[1:]] == pytest.approx([1] * 17 + [0.75, 0.5, 0.25])
    assert all(0 < line[f"{group}_margin"] < 1 for line in (lines[0], lines[-1]) for group in ("seen", "unseen"))


def test_an_attribute(own_texts, tmp_path):
    values, templates = map(Path, own_texts.values())
    world = (values / "world.yaml").read_text().replace("attributes:\n", "attributes:\n" + blocks("An attr", "yaml")[0])
    (values / "world.yaml").write_text(world)
    (values / "pet.txt").write_text("cat\ndog\nparrot\n")
    (templates / "pet.txt").write_text(blocks("An attribute", "text")[0])
    pretrain(tmp_path / "run", *(word for key, path in own_texts.items() for word in (f"--{key}", path)))
    assert "seen_attribute_loss_pet" in records(tmp_path / "run")[0]


def test_a_model_family(tmp_path):
    with patch.dict(FAMILIES), patch.dict(PRESETS):
        define("A model family")
        pretrain(tmp_path / "run", "--preset", "olmo2-nano")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["model_type"] == "olmo2"
    assert "layer_2_sharpness" in records(tmp_path / "run")[0]
    assert (tmp_path / "run" / "ablation.json").exists()


def test_an_experiment(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    (sweep,), (plot,) = blocks("An experiment", "yaml"), blocks("An experiment", "python")
    small = sweep.replace("[0, 1, 2]", "[0]\nsettings: {max_steps: 2}").replace("runs/", f"{tmp_path}/runs/")
    (tmp_path / "sweep.yaml").write_text(small)
    (tmp_path / "plot.py").write_text(plot)
    experiment = load_sweep(tmp_path)
    for run in experiment.runs:  # in this process: tests/sweeps starts others
        run_pretrain.main(run_command(experiment, run, run.directory, threads=1)[2:])
    collect_results(experiment)
    sweeps.__main__.main(["plot", str(tmp_path)])
    assert re.search(r"by seed: \{0: -?\d", capsys.readouterr().out)
