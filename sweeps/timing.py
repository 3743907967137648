"""How long runs will take, from those that cost the same."""

import contextlib
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from command_line import UserError
from settings import COST
from sweeps.directories import Progress, is_finished, read_progress, state
from sweeps.launch import check_launcher, run_command, start, threads_each
from sweeps.signals import handled, interrupt
from sweeps.sweep import Sweep, SweepRun
from training.forecast import duration


def cost(run: SweepRun) -> tuple:
    """What decides how long a run takes."""
    return tuple(str(run.settings.get(key)) for key in COST)


def seconds_left(runs: dict[SweepRun, Progress], jobs: int) -> float | None:
    """Time until all runs are finished, so many at once; None before there is anything to tell it by.

    Args:
        runs: all runs of the sweep and how far each is.
        jobs: how many go on at once.
    """
    known = [(cost(run), p.seconds_in_all) for run, p in runs.items() if p.seconds_in_all]
    left = [(1 - p.share) * _expected(known, run) for run, p in runs.items() if known and p.share < 1]
    # Many runs share the jobs out evenly; of a few, the longest decides.
    return max(sum(left) / jobs, max(left, default=0)) if known else None


def _expected(known: list[tuple[tuple, float]], run: SweepRun) -> float:
    """Mean over the runs that cost the same; over all if there is none."""
    same = [seconds for group, seconds in known if group == cost(run)]
    return statistics.mean(same or [seconds for _, seconds in known])


def clock(seconds: float | None) -> str:
    """Seconds for people."""
    return "not known yet" if seconds is None else f"about {duration(seconds)}"


def dry_run(sweep: Sweep, stored: set[str], jobs: int) -> None:
    """List the runs and predict their time, without starting the sweep.

    Args:
        sweep: which runs.
        stored: the names of those that need not be run again.
        jobs: how many would go on at once.
    """
    check_launcher(sweep)
    for run in sweep.runs:
        print(f"{state(run.path, run.name in stored):10} {run.name}")
    runs = {run: read_progress(run.path) for run in sweep.runs if run.name not in stored or is_finished(run.path)}
    if not runs:
        return print(f"0 of {len(sweep.runs)} runs to go; their results are stored, --rerun trains them again")
    known = {cost(run) for run, progress in runs.items() if progress.seconds_in_all}
    trials = {cost(run): run for run in reversed(runs) if runs[run].share < 1 and cost(run) not in known}
    tried = {run: _trial(sweep, run, jobs) for run in trials.values()}
    n_left = sum(progress.share < 1 for progress in runs.values())
    ways = ["the runs that are there"] * bool(known) + [f"a trial of {run.name}" for run in tried]
    total = clock(seconds_left(runs | tried, jobs))
    print(f"{n_left} of {len(sweep.runs)} runs to go, {total} with --jobs {jobs}; predicted from {', '.join(ways)}")


def _trial(sweep: Sweep, run: SweepRun, jobs: int) -> Progress:
    """Start a run elsewhere, until it predicts its own time (or ends); as if it stood at its first step."""
    with handled(interrupt), tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        directory = Path(folder) / run.name
        command = run_command(sweep, run, directory, threads_each(jobs))
        process = start([*command, "--logging_steps", "5"], bool(sweep.launcher), stdout=log, stderr=log)
        try:
            while process.poll() is None and not _predicted(directory):
                time.sleep(0.2)
        finally:
            _end(process)
        max_steps, seconds = read_progress(directory).max_steps, _predicted(directory)
        if not seconds:
            log.seek(0)
            raise UserError(
                f"the trial of {run.name} failed: {(log.read().strip().splitlines() or ['no message'])[-1]}"
            )
    return Progress(step=1, max_steps=max_steps, seconds=seconds / max_steps)


def _end(process: subprocess.Popen) -> None:
    """End a trial at once, and what a launcher has started for it."""
    if process.poll() is None:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def _predicted(run: Path) -> float | None:
    """What a run predicts for itself; what it took, if it was too short for a prediction."""
    progress = read_progress(run)
    return progress.predicted_seconds or (progress.seconds if progress.share >= 1 else None)
