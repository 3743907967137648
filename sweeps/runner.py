"""Runs a sweep: starts what is to be done, watches it, and stores the results of what is finished."""

import signal
import time
from dataclasses import dataclass, field

from command_line import UserError
from sweeps.collect import collect_results
from sweeps.directories import Progress, is_finished, read_progress, recorded_at
from sweeps.display import open_display
from sweeps.launch import build_executor, cancel, last_error, submit
from sweeps.signals import handled, interrupt
from sweeps.sweep import Sweep, SweepRun
from sweeps.timing import seconds_left

_POLL_SECONDS = 0.5


@dataclass
class Status:
    """A run in a sweep that goes on: waiting, running, finished, failed, skipped (finished before) or stored."""

    run: SweepRun
    state: str = "waiting"
    job: object | None = None
    progress: Progress = field(default_factory=Progress)
    read_at: tuple | None = None

    def update(self) -> None:
        """Read how far it is, if anything was recorded since, and whether it has ended."""
        ended = self.job.done()  # asked first, so that the progress is not older than the answer
        if (recorded := recorded_at(self.run.path)) != self.read_at:
            self.progress, self.read_at = read_progress(self.run.path), recorded
        if ended:
            self.state = "finished" if is_finished(self.run.path) else "failed"


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
    executor = build_executor(sweep, cluster, options)
    statuses = [Status(run, _first_state(run, stored), progress=read_progress(run.path)) for run in sweep.runs]
    collect_results(sweep)
    try:
        with handled(interrupt), open_display() as display:
            _work(sweep, statuses, executor, jobs, display)
    except KeyboardInterrupt:
        raise UserError("interrupted; the same command goes on with what was cut off") from None
    finally:
        _cancel(statuses)
    _report_failures(statuses)


def _first_state(run: SweepRun, stored: set[str]) -> str:
    if is_finished(run.path):
        return "skipped"
    return "stored" if run.name in stored else "waiting"


def _work(sweep: Sweep, statuses: list[Status], executor, jobs: int, display) -> None:
    while True:
        _update(sweep, statuses)
        running = [status for status in statuses if status.state == "running"]
        waiting = [status for status in statuses if status.state == "waiting"]
        for status in waiting[: jobs - len(running)]:
            status.job, status.state = submit(executor, sweep, status.run, jobs), "running"
        display.show(statuses, _left(statuses, jobs))
        if not running and not waiting:
            return
        time.sleep(_POLL_SECONDS)


def _update(sweep: Sweep, statuses: list[Status]) -> None:
    for status in statuses:
        if status.state == "running":
            status.update()
            if status.state == "finished":
                collect_results(sweep)


def _left(statuses: list[Status], jobs: int) -> float | None:
    left = (status for status in statuses if status.state not in ("failed", "stored"))
    return seconds_left({status.run: status.progress for status in left}, jobs)


def _cancel(statuses: list[Status]) -> None:
    """End the jobs that go on. What they had saved stays, so that they can be resumed."""
    with handled(signal.SIG_IGN):
        running = [status.job for status in statuses if status.state == "running"]
        while running := [job for job in running if not job.done()]:
            for job in running:
                cancel(job)
            time.sleep(0.1)


def _report_failures(statuses: list[Status]) -> None:
    failed = [status for status in statuses if status.state == "failed"]
    for status in failed:
        print(f"{status.run.name} failed: {last_error(status.job)}\n  log: {status.job.paths.stderr}")
    if failed:
        raise UserError(f"{len(failed)} of {len(statuses)} runs failed; the same command tries them again")
