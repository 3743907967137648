"""Signals, sent to real runs."""

import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.pretraining import NANO, ROOT, TIMES, pretrain, records, same, weights

STEPS = ("--max_steps", 300, "--eval_steps", 150, "--logging_steps", 50)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = tmp_path_factory.mktemp("signals") / "whole"
    pretrain(run, *STEPS)
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR2])
def test_a_run_that_is_told_to_stop_saves_and_goes_on_bit_for_bit(whole, tmp_path, number):
    run = tmp_path / "run"
    command = [sys.executable, "run_pretrain.py", NANO, "--output_dir", run, *STEPS, "--num_threads", 1]
    with subprocess.Popen([*map(str, command)], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and len(records(run) if (run / "metrics.jsonl").exists() else ()) < 4:
            time.sleep(0.02)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 75, said
    (checkpoint,) = (path for path in run.glob("checkpoint-*") if path.name not in ("checkpoint-10", "checkpoint-20"))
    assert f"saved {checkpoint}; go on with --resume_from_checkpoint latest\n" in said
    assert "Traceback" not in said
    pretrain(run, *STEPS, "--resume_from_checkpoint", "auto")
    assert same(weights(whole), weights(run))
    assert records(whole, *TIMES) == records(run, *TIMES)
