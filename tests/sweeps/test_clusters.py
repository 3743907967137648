"""Sweeps through the real submitit, with a stand-in for SLURM whose jobs really run."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml

import sweeps.__main__ as command
from command_line import UserError
from sweeps import jobs
from sweeps.results import load_results
from tests.helpers import scheduler
from tests.helpers.jobs import wait_for
from tests.helpers.pretraining import ROOT, TIMES, pretrain, records, same, weights

ON_SLURM = ("--cluster", "slurm")
# A run that needs no time to start; with `stays` it goes on until it is ended.
STAYING = """\
import pathlib, sys, time
run = pathlib.Path(sys.argv[sys.argv.index("--output_dir") + 1])
run.mkdir(parents=True)
(run / "started").touch()
time.sleep(1000)
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The scheduler's state; all of its jobs are gone in the end."""
    for name, value in scheduler.install(tmp_path / "cluster").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(jobs.QueuedJob, "queue", jobs.Queue())
    state = tmp_path / "cluster" / "slurm"
    yield state
    scheduler.stop(state)


def experiment(folder, seeds=(0,), staying=True, **content):
    folder.mkdir(exist_ok=True)
    (folder / "staying.py").write_text(STAYING)
    sweep = {"recipe": "recipes/nano.yaml", "output_dir": str(folder / "runs"), "seeds": [*seeds]}
    sweep |= {"script": str(folder / "staying.py")} if staying else {}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep | content))
    return str(folder)


def started(folder):
    return len([*(folder / "runs").glob("*/started")])


def in_a_terminal(folder, *options):
    words = [sys.executable, "-m", "sweeps", "run", folder, *ON_SLURM, *options]
    environment = os.environ | {"PYTHONFAULTHANDLER": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(words, cwd=ROOT, env=environment, **streams)


def said_by(sweep):
    """What it has printed when it ends; where it stands, if it does not."""
    try:
        return sweep.communicate(timeout=120)[0]
    except subprocess.TimeoutExpired:
        sweep.send_signal(signal.SIGABRT)
        pytest.fail(f"it goes on: {sweep.communicate()[0]}")


@pytest.fixture
def ctrl_c():
    """Sends it to this process, as soon as something is so."""

    def when(condition):
        def send():
            wait_for(condition)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=send, daemon=True).start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield when
    signal.signal(signal.SIGINT, before)


def test_a_run_that_is_killed_and_requeued_ends_as_one_that_nobody_disturbed(slurm, tmp_path):
    settings = {"max_steps": 100, "save_at": [5, 15], "save_steps": 50, "eval_steps": 50, "num_threads": 1}
    folder = experiment(tmp_path / "mine", staying=False, settings=settings)
    run = tmp_path / "mine" / "runs" / "base-seed0"
    sweep = in_a_terminal(folder)
    wait_for(lambda: (run / "checkpoint-5").exists())
    scheduler.send(slurm, "1", signal.SIGKILL, again=True)  # as of a node that fails
    wait_for(lambda: (run / "checkpoint-15").exists())
    scheduler.send(slurm, "1", signal.SIGUSR2)  # ahead of a time limit
    said = said_by(sweep)
    assert sweep.returncode == 0, said
    assert scheduler.calls(slurm, "scontrol") == ["requeue 1"]
    assert len(scheduler.calls(slurm, "sbatch")) == 1
    assert [result.name for result in load_results(folder)] == ["base-seed0"]
    words = ((f"--{key}", *(value if isinstance(value, list) else [value])) for key, value in settings.items())
    options = [word for option in words for word in option]
    pretrain(tmp_path / "whole", *options)
    assert same(weights(tmp_path / "whole"), weights(run))
    assert records(tmp_path / "whole", *TIMES) == records(run, *TIMES)


def test_ctrl_c_cancels_all_jobs_with_one_call(slurm, tmp_path, ctrl_c):
    (slurm / "lagging").touch()  # accounting, which is not asked
    folder = experiment(tmp_path / "mine", seeds=(0, 1))
    ctrl_c(lambda: started(tmp_path / "mine") == 2)
    begun = time.monotonic()
    with pytest.raises(UserError, match="^interrupted; the same command goes on with what was cut off$"):
        command.main(["run", folder, *ON_SLURM, "--jobs", "2"])
    assert scheduler.calls(slurm, "scancel") == ["1 2"]
    assert time.monotonic() - begun < 100


def test_jobs_that_do_not_end_are_named(slurm, tmp_path, ctrl_c, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE", 0.5)
    monkeypatch.setattr(jobs, "_queued", lambda: {"1"})  # it never leaves the queue
    folder = experiment(tmp_path / "mine")
    ctrl_c(lambda: started(tmp_path / "mine"))
    with pytest.raises(UserError, match=r"may still run: base-seed0 \(job 1\); to look: squeue --jobs 1; the same"):
        command.main(["run", folder, *ON_SLURM])
    assert scheduler.calls(slurm, "scancel") == ["1"]


def test_jobs_outlive_a_terminal_that_is_closed_and_the_same_command_finds_them(slurm, tmp_path, ctrl_c):
    folder = experiment(tmp_path / "mine")
    sweep = in_a_terminal(folder)
    wait_for(lambda: started(tmp_path / "mine"))
    sweep.send_signal(signal.SIGHUP)
    assert said_by(sweep).endswith("error: the terminal was closed; the same command goes on\n")
    assert scheduler.calls(slurm, "scancel") == []
    n_looks = len(scheduler.calls(slurm, "squeue"))
    ctrl_c(lambda: len(scheduler.calls(slurm, "squeue")) == n_looks + 2)
    with pytest.raises(UserError, match="interrupted"):
        command.main(["run", folder, *ON_SLURM])
    assert len(scheduler.calls(slurm, "sbatch")) == 1


def test_detached_runs_are_an_array_that_a_later_command_neither_doubles_nor_loses(slurm, tmp_path, capsys):
    folder = experiment(tmp_path / "mine", seeds=(0, 1, 2))
    detach = [sys.executable, "-m", "sweeps", "run", folder, *ON_SLURM, "--jobs", "2", "--detach"]
    done = subprocess.run(detach, cwd=ROOT, capture_output=True, text=True, check=True, start_new_session=True)
    assert "3 runs submitted, 0 there already, 0 done\nlook: squeue --jobs 1_0,1_1,1_2\n" in done.stdout
    wait_for(lambda: started(tmp_path / "mine") == 2)
    command.main(["run", folder, *ON_SLURM, "--jobs", "2", "--detach"])
    assert "0 runs submitted, 3 there already" in capsys.readouterr().out
    assert len(scheduler.calls(slurm, "sbatch")) == 1
    assert "--array=0-2%2" in (slurm / "1.script").read_text()
    subprocess.run(["scancel", "1_2", "1_0"], check=True)
    wait_for(lambda: not (jobs._queued() & {"1_0", "1_2"}))
    command.main(["run", folder, *ON_SLURM, "--detach"])
    assert "2 runs submitted, 1 there already" in capsys.readouterr().out
    known = json.loads((tmp_path / "mine" / "runs" / ".jobs" / "submitted.json").read_text())
    assert known == {"base-seed0": "2_0", "base-seed1": "1_1", "base-seed2": "2_1"}


def test_a_run_that_fails_is_quoted(slurm, tmp_path, capsys):
    folder = experiment(tmp_path / "mine")
    (tmp_path / "mine" / "staying.py").write_text("import sys; sys.exit('error: no GPU')")
    with pytest.raises(UserError, match="1 of 1 runs failed"):
        command.main(["run", folder, *ON_SLURM])
    assert "base-seed0 failed: error: no GPU\n  log: " in capsys.readouterr().out


def test_what_the_cluster_refuses_is_one_line(slurm, tmp_path):
    (tmp_path / "cluster" / "bin" / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: no such partition' >&2; exit 1\n"
    )
    with pytest.raises(UserError, match="^the cluster refused base-seed0: .*no such partition"):
        command.main(["run", experiment(tmp_path / "mine"), *ON_SLURM])
    with pytest.raises(UserError, match="--detach is for --cluster slurm"):
        command.main(["run", experiment(tmp_path / "mine"), "--detach"])


def test_ctrl_c_in_a_terminal_leaves_local_runs_the_time_to_save(tmp_path):
    """It reaches all processes: runner, submitit's, and run."""
    folder = experiment(tmp_path / "mine")
    (tmp_path / "mine" / "staying.py").write_text(SAVING.replace("time.sleep(1)", "time.sleep(2)"))
    heeding = {"start_new_session": True, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    sweep = subprocess.Popen([sys.executable, "-m", "sweeps", "run", folder], cwd=ROOT, **heeding)
    wait_for(lambda: started(tmp_path / "mine"))
    os.killpg(sweep.pid, signal.SIGINT)
    assert sweep.wait(timeout=60) == 2
    assert (tmp_path / "mine" / "runs" / "base-seed0" / "saved").exists()


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1'])
def test_a_damaged_note_of_jobs_is_written_anew(slurm, tmp_path, content):
    (tmp_path / "submitted.json").write_text(content)
    assert jobs.remembered(tmp_path, ["a"]) == {}
    jobs.remember(tmp_path, {"a": jobs.QueuedJob(tmp_path, "1")})
    (slurm / "1.state").write_text("PENDING")
    assert jobs.remembered(tmp_path, ["a", "b"])["a"].job_id == "1"


def test_a_queue_that_does_not_answer_holds_all_jobs(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert jobs.Queue().has("1")


# A launcher as accelerate's for one process: it starts the script, and ends at once when it is asked to.
LAUNCHER = """\
import subprocess, sys
sys.exit(subprocess.Popen([sys.executable, *sys.argv[1:]]).wait())
"""
# A run that saves when it is asked to end.
SAVING = """\
import pathlib, signal, sys, time
run = pathlib.Path(sys.argv[sys.argv.index("--output_dir") + 1])
run.mkdir(parents=True)
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
(run / "started").touch()
while not asked:
    time.sleep(0.05)
time.sleep(1)
(run / "saved").touch()
sys.exit(75)
"""


@pytest.mark.parametrize("cluster", ["local", "slurm"])
def test_what_a_launcher_has_started_saves_before_it_ends(slurm, tmp_path, ctrl_c, cluster):
    mine = tmp_path / "mine"
    folder = experiment(mine, launcher=f"{sys.executable} {mine}/launcher.py")
    (mine / "staying.py").write_text(SAVING)
    (mine / "launcher.py").write_text(LAUNCHER)
    if cluster == "local":
        ctrl_c(lambda: started(mine))
        with pytest.raises(UserError, match="interrupted"):
            command.main(["run", folder])
    else:
        command.main(["run", folder, *ON_SLURM, "--detach"])
        wait_for(lambda: started(mine))
        scheduler.send(slurm, "1", signal.SIGUSR2)
        wait_for(lambda: scheduler.calls(slurm, "scontrol"))
        subprocess.run(["scancel", "1"], check=True)
    assert (mine / "runs" / "base-seed0" / "saved").exists()
