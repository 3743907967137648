"""The first rows of docs/REPRODUCING.md; resuming is tested beside it."""

import os
import subprocess
import sys

import pytest

from tests.helpers.pretraining import ROOT, TIMES, command, records, same, weights

_ELSEWHERE = {
    "LC_ALL": "C",
    "TZ": "Asia/Kathmandu",
    "PYTHONHASHSEED": "17",
    "PYTHONPROFILEIMPORTTIME": "1",
    "PYTHONPATH": str(ROOT),
}


# What only some runs need, and costs seconds to load.
_HEAVY = {"matplotlib", "datasets", "evaluate", "peft", "submitit", "tensorboard", "trackio", "gradio", "pandas"}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A run from another directory, and what it imported."""
    folder = tmp_path_factory.mktemp("elsewhere")
    launch = (sys.executable, "-m", "accelerate.commands.launch", "--quiet", "--num_processes", "1")
    often = ("--eval_steps", 7, "--logging_steps", 3, "--save_steps", 4, "--attention_individuals", 2)
    call = command("here", *often, launcher=(*launch, "--num_machines", "1", "--mixed_precision", "no"))
    how = {"cwd": folder, "env": os.environ | _ELSEWHERE, "capture_output": True, "text": True}
    done = subprocess.run(call, check=True, **how)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return folder / "here", {line.split("|")[-1].strip() for line in lines}


def test_launcher_locale_time_zone_directory_and_cadence_change_no_bit(finished, elsewhere):
    run, _ = elsewhere
    assert same(weights(finished), weights(run))
    mine, theirs = ({r["step"]: r for r in records(run, *TIMES)} for run in (run, finished))
    assert mine[20]["seen_attribute_loss"] == theirs[20]["seen_attribute_loss"]


def test_a_run_without_figures_loads_nothing_that_only_others_need(elsewhere):
    """A start has a fixed cost, which a sweep of short runs pays for each (docs/SPEED.md)."""
    _, imported = elsewhere
    assert "torch" in imported
    assert "analysis.terminal" in imported  # by what the end needs, before the first step
    assert not {name.partition(".")[0] for name in imported} & _HEAVY
