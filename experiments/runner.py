"""Executing a sweep: what is to be done, at most so many runs at once, and a table of how it goes."""

import os
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import submitit
from rich.live import Live
from rich.table import Table

from command_line import UserError
from experiments.jobs import FINISHED, check_settings, command, execute, last_line, stand, state
from experiments.results import collect
from experiments.sweep import ROOT, Job, Sweep, expand, load_sweep
from training.forecast import duration

_POLL_SECONDS = 1.0
# submitit ends a local job after minutes otherwise
_LOCAL_MINUTES = 60 * 24 * 7


@dataclass
class Execution:
    """A sweep in progress.

    Attributes:
        folder: of the experiment.
        sweep: what it says.
        n_parallel: runs at once.
        cluster: `local` or another executor of submitit, such as `slurm`.
        options: parameters of that executor.
    """

    folder: Path
    sweep: Sweep
    n_parallel: int
    cluster: str
    options: dict
    states: dict[str, str] = field(default_factory=dict)
    running: dict[str, submitit.Job] = field(default_factory=dict)

    def __post_init__(self):
        self.jobs = expand(self.sweep)
        for job in self.jobs:
            check_settings(job)
        self.states = {job.name: "skipped" if state(job) == FINISHED else "waiting" for job in self.jobs}
        self.waiting = deque(job for job in self.jobs if self.states[job.name] == "waiting")
        self.by_name = {job.name: job for job in self.jobs}
        self.folder_of_jobs = ROOT / self.sweep.output_dir / ".jobs"

    def __call__(self) -> None:
        """Run what is not finished.

        Raises:
            UserError: some runs failed; the others are finished.
        """
        executor = self._executor()
        show = self._live if sys.stdout.isatty() else self._plain
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        collect(self.folder, self.jobs)
        try:
            show(executor)
        finally:
            for job in self.running.values():
                job.cancel()
        self._report_failures()

    def _executor(self) -> submitit.AutoExecutor:
        try:
            executor = submitit.AutoExecutor(folder=self.folder_of_jobs, cluster=self.cluster)
            minutes = {"timeout_min": _LOCAL_MINUTES} if self.cluster == "local" else {}
            executor.update_parameters(**minutes | self.options)
        except (RuntimeError, ValueError, NameError, TypeError) as error:
            raise UserError(f"cannot use the cluster '{self.cluster}': {' '.join(str(error).split())}") from None
        return executor

    def _steps(self, executor):
        """Start and reap runs until none is left; yields after each look."""
        while self.waiting or self.running:
            while self.waiting and len(self.running) < self.n_parallel:
                self._start(executor, self.waiting.popleft())
            for name in [name for name, job in self.running.items() if job.done()]:
                self._reap(name)
            yield
            time.sleep(_POLL_SECONDS)

    def _start(self, executor, job: Job) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        n_threads = max(1, cores // self.n_parallel) if self.cluster == "local" else None
        arguments = command(job, self.sweep, n_threads)
        self.running[job.name] = executor.submit(execute, arguments, str(self._log(job.name)))
        self.states[job.name] = "running"

    def _reap(self, name: str) -> None:
        self.running.pop(name)
        self.states[name] = FINISHED if state(self.by_name[name]) == FINISHED else "failed"
        collect(self.folder, self.jobs)

    def _log(self, name: str) -> Path:
        return self.folder_of_jobs / f"{name}.log"

    def _live(self, executor) -> None:
        with Live(self.table(), refresh_per_second=1) as live:
            for _ in self._steps(executor):
                live.update(self.table())

    def _plain(self, executor) -> None:
        """A line for each change: what a log file needs."""
        known = dict(self.states)
        for _ in self._steps(executor):
            for name, now in self.states.items():
                if now != known[name]:
                    print(f"{name}: {now}; {self._time_left()}", flush=True)
            known = dict(self.states)

    def table(self) -> Table:
        """One row a run."""
        table = Table("run", "state", "step", "attribute loss", "accuracy", "time left", caption=self._time_left())
        for job in self.jobs:
            now = stand(job)
            loss, accuracy = (now.knowledge.get(f"seen_attribute_{name}") for name in ("loss", "accuracy"))
            table.add_row(
                job.name,
                self.states[job.name],
                f"{now.step}/{now.max_steps or '?'}",
                "" if loss is None else f"{loss:.3f}",
                "" if accuracy is None else f"{accuracy:.1%}",
                duration(_seconds_left(job)) if self.states[job.name] == "running" and _seconds_left(job) else "",
            )
        return table

    def _time_left(self) -> str:
        """From what the runs themselves predict; the waiting ones like the mean of those that began."""
        begun = [stand(job).last.get("predicted_seconds") for job in self.jobs]
        known = [seconds for seconds in begun if seconds]
        if not known:
            return "time left: not known yet"
        left = sum(_seconds_left(self.by_name[name]) for name in self.running)
        left += len(self.waiting) * sum(known) / len(known)
        return f"time left: about {duration(left / self.n_parallel)}"

    def _report_failures(self) -> None:
        failed = [name for name, now in self.states.items() if now == "failed"]
        for name in failed:
            print(f"{name} failed: {last_line(self._log(name))} (log: {self._log(name).relative_to(ROOT)})")
        if failed:
            raise UserError(
                f"{len(failed)} of {len(self.jobs)} runs failed; mend what they say and run the sweep again"
            )


def _seconds_left(job: Job) -> float:
    last = stand(job).last
    predicted = last.get("predicted_seconds")
    return max(0.0, predicted - last["seconds"]) if predicted else 0.0


def run_sweep(folder: Path, n_parallel: int, cluster: str, options: dict) -> None:
    """Run an experiment's sweep; finished runs are skipped, cut off ones resumed."""
    Execution(folder, load_sweep(folder), n_parallel, cluster, options)()
