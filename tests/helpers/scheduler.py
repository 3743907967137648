"""A stand-in for SLURM: sbatch, srun, squeue, sacct, scancel and scontrol, as this program is called.

Jobs really run, in the background, in a session of their own. What is known of them is in a folder, `STANDIN_SLURM`:
`calls` (each program and its words, a line each), `lagging` (sacct says RUNNING for ever), and of each job `<id>.state`
(of squeue), `<id>.pid` (of its step), `<id>.again` (it is to be started once more when it has ended).
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAMS = ("sbatch", "srun", "squeue", "sacct", "scancel", "scontrol")
FOLDER = "STANDIN_SLURM"
IN_QUEUE = ("PENDING", "RUNNING", "COMPLETING")
KILL_WAIT = 10.0  # between SIGTERM and SIGKILL


def install(folder: Path) -> dict[str, str]:
    """Put the programs into a folder; the variables that find them and their state."""
    programs, state = folder / "bin", folder / "slurm"
    programs.mkdir(parents=True)
    state.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -IS {Path(__file__).resolve()} {name} "$@"\n')
        (programs / name).chmod(0o755)
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", FOLDER: str(state)}


def calls(state: Path, program: str) -> list[str]:
    """The words of each call of a program."""
    lines = (state / "calls").read_text().splitlines() if (state / "calls").exists() else []
    return [line.partition(" ")[2] for line in lines if line.split()[0] == program]


def send(state: Path, job: str, number: signal.Signals, again: bool = False) -> None:
    """Send a signal to all processes of a job's step, as SLURM may; `again`: and start it anew, as after a crash."""
    if again:
        (state / f"{job}.again").touch()
    os.killpg(int((state / f"{job}.pid").read_text()), number)


def stop(state: Path) -> None:
    """End all jobs, and begin none of those that wait."""
    while going := [file for file in state.glob("*.state") if file.read_text() in IN_QUEUE]:
        for file in going:
            if file.read_text() == "PENDING":
                _note(state, file.stem, "CANCELLED")
                continue
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):  # before it has a step
                os.killpg(int(file.with_suffix(".pid").read_text()), signal.SIGKILL)
        time.sleep(0.05)


def _note(state: Path, job: str, value: str) -> None:
    """Whole, since others may look at any moment."""
    (state / f".{job}").write_text(value)
    os.replace(state / f".{job}", state / f"{job}.state")


def main(state: Path, program: str, words: list[str]) -> None:
    with (state / "calls").open("a") as file:
        file.write(f"{program} {shlex.join(words)}\n")
    globals()[f"_{program}"](state, *words)


def _sbatch(state: Path, *words: str) -> None:
    script = words[-1]
    text = Path(script).read_text()
    flags = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", text, re.MULTILINE))
    job = str(1 + len(list(state.glob("*.script"))))
    (state / f"{job}.script").write_text(text)
    last, _, at_once = flags.get("array", "").partition("-")[2].partition("%")
    ids = [f"{job}_{number}" for number in range(int(last) + 1)] if last else [job]
    for one in ids:
        _note(state, one, "PENDING")
    if os.fork() == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        with ThreadPoolExecutor(int(at_once or 1)) as pool:
            list(pool.map(lambda one: _run(state, one, flags), ids))
        os._exit(0)
    print(f"Submitted batch job {job}")


def _run(state: Path, job: str, flags: dict[str, str]) -> None:
    """A job from its start to its end, however often."""
    main_id, _, number = job.partition("_")
    known = {"SLURM_JOB_ID": job.replace("_", "9"), "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "STANDIN_JOB": job}
    if number:
        known |= {"SLURM_ARRAY_JOB_ID": main_id, "SLURM_ARRAY_TASK_ID": number}
    log = Path(shlex.split(flags["output"])[0].replace("%j", job).replace("%A_%a", job))
    while (state / f"{job}.state").read_text() == "PENDING":
        _note(state, job, "RUNNING")
        with log.open("a") as out:
            script = ["bash", str(state / f"{main_id}.script")]
            code = subprocess.run(script, env=os.environ | known, stdout=out, stderr=out, check=False).returncode
        if (state / f"{job}.again").exists():
            (state / f"{job}.again").unlink()
            _note(state, job, "PENDING")
            continue
        _note(state, job, "FAILED" if code else "COMPLETED")


def _srun(state: Path, *words: str) -> None:
    words = list(words)
    while words[0].startswith("--"):
        option = words.pop(0)
        if option in ("--output", "--error"):
            job = os.environ["STANDIN_JOB"]
            file = words.pop(0).replace("%j", job).replace("%A_%a", job).replace("%t", "0")
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1 if option == "--output" else 2)
    os.setpgid(0, 0)  # the step, which signals are sent to; not the batch script
    (state / f"{os.environ['STANDIN_JOB']}.pid").write_text(str(os.getpid()))
    os.execvp(words[0], words)


def _squeue(state: Path, *words: str) -> None:
    for file in sorted(state.glob("*.state")):
        if file.read_text() in IN_QUEUE:
            print(file.stem)


def _sacct(state: Path, *words: str) -> None:
    print("JobID|State|NodeList")
    for file in sorted(state.glob("*.state")):
        print(f"{file.stem}|{'RUNNING' if (state / 'lagging').exists() else file.read_text()}|here")


def _scancel(state: Path, *jobs: str) -> None:
    for job in jobs:
        if (state / f"{job}.state").read_text() in ("COMPLETED", "FAILED"):
            continue
        began = (state / f"{job}.state").read_text() == "RUNNING"
        _note(state, job, "COMPLETING" if began else "CANCELLED")
        if began and os.fork() == 0:
            _end(state, job)
            os._exit(0)


def _end(state: Path, job: str) -> None:
    os.setsid()
    step, until = int((state / f"{job}.pid").read_text()), time.monotonic() + KILL_WAIT
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(step, number)
        while (state / f"{job}.state").read_text() == "COMPLETING" and time.monotonic() < until:
            time.sleep(0.1)


def _scontrol(state: Path, requeue: str, job: str) -> None:
    (state / f"{job}.again").touch()


if __name__ == "__main__":
    main(Path(os.environ[FOLDER]), sys.argv[1], sys.argv[2:])
