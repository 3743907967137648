"""Runs a sweep: starts what is to be done, watches it, and stores the results of what is finished."""

import contextlib
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from command_line import UserError
from sweeps.collect import collect_results
from sweeps.directories import Progress, is_finished, read_progress, recorded_at
from sweeps.display import open_display
from sweeps.jobs import PATIENCE, QueuedJob, end_jobs, how_to_look, remember, remembered
from sweeps.launch import build_executor, last_error, submit, submit_all
from sweeps.signals import HungUp, handled, interrupt
from sweeps.sweep import Sweep, SweepRun
from sweeps.timing import seconds_left

_POLL_SECONDS = 0.5
# What was recorded of a run is read again after so many times as long as reading it took.
_BETWEEN_READS = 50


@dataclass
class Status:
    """A run in a sweep that goes on: waiting, running, finished, failed, skipped (finished before) or stored."""

    run: SweepRun
    state: str = "waiting"
    job: object | None = None
    progress: Progress = field(default_factory=Progress)
    read_at: tuple | None = None
    read_again: float = 0.0

    def update(self) -> None:
        """Read how far it is, if anything was recorded since, and whether it has ended."""
        ended = self.job.done()  # asked first, so that the progress is not older than the answer
        if ended or time.monotonic() > self.read_again:
            self._read()
        if ended:
            self.state = "finished" if is_finished(self.run.path) else "failed"

    def _read(self) -> None:
        if (recorded := recorded_at(self.run.path)) != self.read_at:
            begun = time.monotonic()
            self.progress, self.read_at = read_progress(self.run.path), recorded
            self.read_again = time.monotonic() + _BETWEEN_READS * (time.monotonic() - begun)


def run_sweep(sweep: Sweep, stored: set[str], jobs: int, cluster: str, options: dict) -> None:
    """Run all that is not finished.

    Args:
        sweep: which runs.
        stored: the names of those that need not be run again, wherever their directories are.
        jobs: how many go on at once.
        cluster: `local` or `slurm`.
        options: parameters of submitit.

    Raises:
        UserError: some runs failed, or it was interrupted.
    """
    executor, statuses = _begin(sweep, stored, cluster, options)
    try:
        with handled(interrupt), open_display() as display:
            _work(sweep, statuses, executor, jobs, display)
    except HungUp:
        if cluster == "local":
            _end(statuses)
        raise UserError("the terminal was closed; the same command goes on") from None
    except KeyboardInterrupt:
        left = _end(statuses)
        raise UserError(f"interrupted; {left}the same command goes on with what was cut off") from None
    except BaseException:
        if cluster == "local":  # jobs of a cluster go on without this process; the same command finds them
            _end(statuses)
        raise
    _report_failures(statuses)


def detach_sweep(sweep: Sweep, stored: set[str], jobs: int, options: dict) -> None:
    """Give SLURM all that is neither finished nor there already, and leave it alone; `jobs` of them go on at once.

    The others as of `run_sweep`.
    """
    executor, statuses = _begin(sweep, stored, "slurm", options)
    waiting = [status.run for status in statuses if status.state == "waiting"]
    there = [status.job for status in statuses if status.state == "running"]
    if waiting:
        submitted = submit_all(executor, sweep, waiting, jobs)
        remember(executor.folder, {run.name: job for run, job in zip(waiting, submitted, strict=True)})
        there += submitted
    done = len(statuses) - len(there)
    print(f"{len(waiting)} runs submitted, {len(there) - len(waiting)} there already, {done} done")
    if there:
        print(f"look: {how_to_look(there)}\nwithout --detach, the same command shows them; it stores the results, too")


def _begin(sweep: Sweep, stored: set[str], cluster: str, options: dict) -> tuple:
    """The executor, and how each run stands; those that SLURM has are running."""
    executor = build_executor(sweep, cluster, options)
    statuses = [Status(run, _first_state(run, stored), progress=read_progress(run.path)) for run in sweep.runs]
    collect_results(sweep)
    if cluster == "slurm":
        waiting = {status.run.name: status for status in statuses if status.state == "waiting"}
        for name, job in remembered(Path(executor.folder), waiting).items():
            waiting[name].job, waiting[name].state = job, "running"
    return executor, statuses


def _first_state(run: SweepRun, stored: set[str]) -> str:
    if is_finished(run.path):
        return "skipped"
    return "stored" if run.name in stored else "waiting"


def _work(sweep: Sweep, statuses: list[Status], executor, jobs: int, display) -> None:
    while True:
        _update(sweep, statuses)
        running = [status for status in statuses if status.state == "running"]
        waiting = [status for status in statuses if status.state == "waiting"]
        for status in waiting[: max(0, jobs - len(running))]:
            status.job, status.state = submit(executor, sweep, status.run, jobs), "running"
            if isinstance(status.job, QueuedJob):
                remember(executor.folder, {status.run.name: status.job})
        display.show(statuses, _left(statuses, jobs))
        if not running and not waiting:
            return
        time.sleep(_POLL_SECONDS)


def _update(sweep: Sweep, statuses: list[Status]) -> None:
    for status in statuses:
        if status.state == "running":
            status.update()
            if status.state == "finished":
                collect_results(sweep, [status.run])


def _left(statuses: list[Status], jobs: int) -> float | None:
    left = (status for status in statuses if status.state not in ("failed", "stored"))
    return seconds_left({status.run: status.progress for status in left}, jobs)


def _end(statuses: list[Status]) -> str:
    """End the jobs that go on. What they had saved stays, so that they can be resumed.

    Returns:
        Which of them may still run, and how to look; nothing if none does.
    """
    names = {status.job: status.run.name for status in statuses if status.state == "running"}
    if names:
        with contextlib.suppress(OSError):  # a terminal that was closed
            print(f"ending {len(names)} jobs, {PATIENCE:.0f} s at most", flush=True)
    with handled(signal.SIG_IGN):
        left = end_jobs(names)
    said = ", ".join(f"{names[job]} (job {job.job_id})" for job in left)
    return f"may still run: {said}; to look: {how_to_look(left)}; " if left else ""


def _report_failures(statuses: list[Status]) -> None:
    failed = [status for status in statuses if status.state == "failed"]
    for status in failed:
        print(f"{status.run.name} failed: {last_error(status.job)}\n  log: {status.job.paths.stderr}")
    if failed:
        raise UserError(f"{len(failed)} of {len(statuses)} runs failed; the same command tries them again")
