"""Signals, sent to real runs."""

import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
import submitit

from run_directory.manifests import checkpoints
from run_directory.records import load_run
from sweeps.launch import RequeuedRun
from tests.helpers.pretraining import (
    NANO,
    ROOT,
    SEEN,
    TIMES,
    TWO,
    command,
    launcher_environment,
    pretrain,
    records,
    same,
    weights,
)
from training import signals

STEPS = ("--max_steps", 300, "--eval_steps", 150, "--logging_steps", 50)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = tmp_path_factory.mktemp("signals") / "whole"
    pretrain(run, *STEPS)
    return run


def wait_for(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def wait_for_records(run, n, process=None):
    def is_over():
        return process is not None and process.poll() is not None

    wait_for(lambda: is_over() or len(records(run) if (run / "metrics.jsonl").exists() else ()) >= n)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR2])
def test_a_run_that_is_told_to_stop_saves_and_goes_on_bit_for_bit(whole, tmp_path, number):
    run = tmp_path / "run"
    call = [sys.executable, "run_pretrain.py", NANO, "--output_dir", run, *STEPS, "--num_threads", 1]
    with subprocess.Popen([*map(str, call)], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        wait_for_records(run, 4, process)
        for _ in range(6):  # from the terminal, the launcher, a sweep: they are one, to the very end
            process.send_signal(number)
            time.sleep(0.05)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 75, said
    checkpoint = checkpoints(run)[max(checkpoints(run))]
    assert f"saved {checkpoint}; go on with --resume_from_checkpoint latest\n" in said
    assert "Traceback" not in said
    pretrain(run, *STEPS, "--resume_from_checkpoint", "auto")
    assert same(weights(whole), weights(run))
    assert records(whole, *TIMES) == records(run, *TIMES)


def test_a_job_that_its_cluster_ends_and_starts_again_goes_on_bit_for_bit(whole, tmp_path):
    """As submitit does it on SLURM: its signal, `checkpoint`, and the same job once more."""
    run, executor = tmp_path / "run", submitit.LocalExecutor(tmp_path / "jobs")
    executor.update_parameters(timeout_min=10)
    call = [sys.executable, "run_pretrain.py", NANO, "--output_dir", run, *STEPS, "--num_threads", 1]
    job = executor.submit(RequeuedRun([*map(str, call), "--resume_from_checkpoint", "auto"]))
    wait_for_records(run, 4)
    (task,) = psutil.Process(int(job.job_id)).children()
    for process in (task, *task.children()):  # SLURM tells all processes of a job
        process.send_signal(signal.SIGUSR2)
    wait_for(job.done)
    assert job.paths.stderr.read_text().count("SIGUSR2: finishing this step, then saving") == 1
    assert "resuming from" in job.paths.stdout.read_text()
    assert same(weights(whole), weights(run))
    assert records(whole, *TIMES) == records(run, *TIMES)


def test_when_the_launcher_is_told_to_stop_two_processes_save_together(whole, tmp_path):
    """What they saved is gone on with by one."""
    run = tmp_path / "run"
    call = command(run, *STEPS, "--per_device_train_batch_size", 4, launcher=TWO)
    with subprocess.Popen(call, cwd=ROOT, env=launcher_environment(), stderr=subprocess.PIPE, text=True) as launcher:
        wait_for_records(run, 4, launcher)
        launcher.send_signal(signal.SIGTERM)
        said = launcher.communicate(timeout=60)[1]
    assert launcher.returncode
    assert said.count("stopped: by SIGTERM after step") == 1
    stopped_at = max(checkpoints(run))
    assert f"saved {run / f'checkpoint-{stopped_at}'}; go on with" in said
    pretrain(run, *STEPS, "--resume_from_checkpoint", f"checkpoint-{stopped_at}")
    for key in ("loss", SEEN):
        assert load_run(run).curve(key)[1] == pytest.approx(load_run(whole).curve(key)[1], rel=1e-3)


@pytest.fixture
def heeds_ctrl_c():
    """As in a terminal; what a shell has started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_sweep_repeats_its_signal_and_a_person_may_insist(monkeypatch, capfd):
    """However slow a step is, nobody but a person ends it before all is saved."""
    clock = iter([0.0, 0.5, 2.0])  # seconds: when it is first told, and at each further Ctrl-C
    monkeypatch.setattr(signals, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with signals.stop_signals() as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGUSR2, signal.SIGINT, signal.SIGHUP):
            signal.raise_signal(number)
        assert stop.received == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err.count("Ctrl-C ends it at once") == 1
