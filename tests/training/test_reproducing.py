"""The first rows of docs/REPRODUCING.md; resuming is tested beside it."""

import os
import subprocess
import sys

from tests.helpers.pretraining import ROOT, TIMES, command, records, same, weights

_ELSEWHERE = {"LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "17", "PYTHONPATH": str(ROOT)}


def test_launcher_locale_time_zone_directory_and_cadence_change_no_bit(finished, tmp_path):
    launch = (sys.executable, "-m", "accelerate.commands.launch", "--quiet", "--num_processes", "1")
    often = ("--eval_steps", 7, "--logging_steps", 3, "--save_steps", 4, "--attention_individuals", 2)
    call = command("here", *often, launcher=(*launch, "--num_machines", "1", "--mixed_precision", "no"))
    subprocess.run(call, cwd=tmp_path, env=os.environ | _ELSEWHERE, check=True, capture_output=True)
    assert same(weights(finished), weights(tmp_path / "here"))
    mine, theirs = ({r["step"]: r for r in records(run, *TIMES)} for run in (tmp_path / "here", finished))
    assert mine[20]["seen_attribute_loss"] == theirs[20]["seen_attribute_loss"]
