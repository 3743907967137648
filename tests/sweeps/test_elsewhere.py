"""Runs of a sweep that are started by something else than its runner: a launcher, another scheduler, a person."""

import itertools
import shutil
import signal
import subprocess
import sys

import pytest
import yaml

import sweeps.__main__ as command
from command_line import UserError
from sweeps import runner
from sweeps.launch import build_executor, run_command
from sweeps.results import load_results
from sweeps.signals import handled, interrupt
from sweeps.sweep import load_sweep
from sweeps.timing import threads_each
from tests.helpers.jobs import TALKER, processes_of
from tests.helpers.pretraining import ROOT, pretrain


def sweep(folder, **content):
    folder.mkdir(exist_ok=True)
    default = {"recipe": "recipes/nano.yaml", "output_dir": str(folder / "runs"), "seeds": [0, 1]}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(default | content))
    return load_sweep(folder)


def test_a_launcher_stands_where_python_does_and_shares_the_cores_out_itself(tmp_path):
    mine = sweep(tmp_path, launcher="accelerate launch --num_processes 8 --main_process_port 0")
    command = run_command(mine, mine.runs[0], "runs/y", threads_each(1))
    assert command[:6] == ["accelerate", "launch", "--num_processes", "8", "--main_process_port", "0"]
    assert command[6:8] == ["run_pretrain.py", "recipes/nano.yaml"]
    assert "--num_threads" not in command
    assert sweep(tmp_path, launcher=None).launcher == ()
    build_executor(mine, "local", {})  # accelerate is found beside Python
    with pytest.raises(UserError, match=r"launcher: torchrum is not found; install it, or name another one"):
        build_executor(sweep(tmp_path, launcher="torchrum --nproc 2"), "local", {})
    for launcher in (["accelerate", "launch"], 3, 'accelerate "launch'):
        with pytest.raises(UserError, match="launcher is not a command, like accelerate launch"):
            sweep(tmp_path, launcher=launcher)


def test_a_dry_run_ends_what_a_launcher_has_started_for_its_trial(tmp_path, capsys):
    (tmp_path / "launcher.py").write_text("import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]])")
    (tmp_path / "run.py").write_text(TALKER)
    sweep(tmp_path, script=str(tmp_path / "run.py"), launcher=f"{sys.executable} {tmp_path}/launcher.py", seeds=[0])
    command.main(["run", str(tmp_path), "--dry_run"])
    assert "1 of 1 runs to go, about 2 min 58 s" in capsys.readouterr().out
    assert processes_of(tmp_path) == []
    sweep(tmp_path, launcher="torchrum", seeds=[0])
    with pytest.raises(UserError, match="launcher: torchrum is not found"):
        command.main(["run", str(tmp_path), "--dry_run"])


def test_each_unfinished_run_is_a_line_that_a_shell_runs(tmp_path, capsys):
    folder = tmp_path / "mine"
    mine = sweep(folder, settings={"max_steps": 2, "eval_steps": 2, "num_threads": 1}, variants={"a b": {}})
    line, _ = lines = lines_of(folder, capsys)
    assert line.startswith("python run_pretrain.py recipes/nano.yaml --draw_figures False --eval_steps 2 ")
    assert line.endswith(" --resume_from_checkpoint auto")
    assert lines_of(folder, capsys, "--only", "*-seed1") == [lines[1]]
    environment = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment, check=True, capture_output=True)
    assert lines_of(folder, capsys) == [lines[1]]
    command.main(["collect", str(folder)])
    assert capsys.readouterr().out == "1 of 2 runs are finished; their results are stored\n"
    assert [result.name for result in load_results(folder)] == [mine.runs[0].name]
    shutil.rmtree(folder / "runs")
    assert lines_of(folder, capsys) == [lines[1]]  # its result is stored
    assert lines_of(folder, capsys, "--rerun") == lines


def lines_of(folder, capsys, *options):
    command.main(["commands", str(folder), *options])
    return capsys.readouterr().out.splitlines()


def test_runs_of_other_settings_are_not_collected(tmp_path):
    pretrain(tmp_path / "runs" / "base-seed0", "--max_steps", 1, "--eval_steps", 1)
    sweep(tmp_path, settings={"max_steps": 2})
    with pytest.raises(UserError, match="has max_steps 1, but the sweep says 2"):
        command.main(["collect", str(tmp_path)])
    assert not (tmp_path / "results").exists()


def test_signals_that_nohup_has_ignored_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handled(interrupt):
            signal.raise_signal(signal.SIGHUP)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_takes_long_to_be_read_is_read_seldom(tmp_path, monkeypatch):
    clock, looks = itertools.count(), []
    monkeypatch.setattr(runner.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(runner, "recorded_at", lambda path: len(looks))  # something new at each look
    monkeypatch.setattr(runner, "read_progress", looks.append)
    job = type("Job", (), {"done": lambda self: False})()
    status = runner.Status(sweep(tmp_path).runs[0], "running", job)
    for _ in range(160):  # a second each; reading takes two
        status.update()
    assert len(looks) == 2
