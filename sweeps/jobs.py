"""Jobs that go on, on this machine or in SLURM's queue: whether they have ended, how to end them, which there are."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import submitit

from run_directory.layout import replace_text

# How long it is waited for jobs to end; SLURM itself gives them half a minute.
PATIENCE = 60.0
# Seconds between two looks at the queue: at least, at most.
_OFTEN, _SELDOM = 2.0, 30.0


class Queue:
    """This user's jobs that wait or run, as `squeue` has them.

    Not from `sacct`, which submitit asks: accounting may lag by minutes, and some clusters have none.
    """

    def __init__(self):
        self._ids: set[str] | None = None
        self.changed()

    def changed(self) -> None:
        """Something was submitted or ended: look again at once, then ever more seldom."""
        self._since, self._looked_at = time.monotonic(), -float("inf")

    def has(self, job_id: str) -> bool:
        """Whether a job may still run; also where the queue can't be asked."""
        now = time.monotonic()
        if now - self._looked_at > min(_SELDOM, max(_OFTEN, (now - self._since) / 10)):
            self._ids, self._looked_at = _queued(), now
        return self._ids is None or job_id in self._ids


def _queued() -> set[str] | None:
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else {line.strip() for line in done.stdout.splitlines()}


class QueuedJob(submitit.SlurmJob):
    """A job that has ended when it left its result or the queue."""

    queue = Queue()

    def done(self, force_check: bool = False) -> bool:
        """Whether it has ended."""
        return self.paths.result_pickle.exists() or not self.queue.has(self.job_id)


def end_jobs(jobs: Iterable[submitit.Job]) -> list[submitit.Job]:
    """End jobs; without harm if they have ended.

    Returns:
        Those that still go on after `PATIENCE`.
    """
    going, until = [job for job in jobs if not job.done()], time.monotonic() + PATIENCE
    queued = [job.job_id for job in going if isinstance(job, QueuedJob)]
    if queued:
        subprocess.run(["scancel", *queued], check=False)
        QueuedJob.queue.changed()
    while (going := [job for job in going if not job.done()]) and time.monotonic() < until:
        for job in going:
            if not isinstance(job, QueuedJob):
                _end_process(int(job.job_id))
        time.sleep(0.1)
    return going


def _end_process(number: int) -> None:
    """Not with submitit's own cancel: that sends SIGINT, and a second one (Ctrl-C reaches the jobs too) ends submitit's
    process before it has ended the run. Repeated, since that process passes over a signal before it has begun one.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGTERM)


def how_to_look(jobs: list[submitit.Job]) -> str:
    """The command that shows jobs."""
    numbers = ",".join(job.job_id for job in jobs)
    return f"squeue --jobs {numbers}" if isinstance(jobs[0], QueuedJob) else f"ps -p {numbers}"


def remember(folder: Path, jobs: dict[str, submitit.Job]) -> None:
    """Note which jobs SLURM has, by the names of their runs, so that a later command knows them."""
    known = _remembered(folder) | {name: job.job_id for name, job in jobs.items()}
    replace_text(_record(folder), json.dumps(known, indent=1) + "\n")


def remembered(folder: Path, names: Iterable[str]) -> dict[str, QueuedJob]:
    """The jobs of runs that an earlier command submitted, and that are still in the queue."""
    known = _remembered(folder)
    jobs = {name: QueuedJob(folder, known[name]) for name in names if name in known}
    QueuedJob.queue.changed()
    return {name: job for name, job in jobs.items() if not job.done()}


def _record(folder: Path) -> Path:
    return folder / "submitted.json"


def _remembered(folder: Path) -> dict[str, str]:
    try:
        return json.loads(_record(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
