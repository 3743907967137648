"""How one run is started, by submitit: on this machine or through SLURM."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError

from command_line import UserError, cores
from sweeps.sweep import ROOT, Sweep, SweepRun

# submitit's own limits are minutes. Here it is a month; SLURM's partitions rarely take more than a day.
_TIMEOUT_MINUTES = {"local": 30 * 24 * 60, "slurm": 24 * 60}
# How often a run may meet SLURM's time limit and go on.
_TIMEOUTS = 100
_GPUS = "CUDA_VISIBLE_DEVICES"


def build_executor(sweep: Sweep, cluster: str, options: dict) -> submitit.AutoExecutor:
    """The executor that runs are submitted to; logs go to `<output_dir>/.jobs`.

    Args:
        sweep: which runs.
        cluster: `local` or `slurm`.
        options: parameters of submitit, e.g. `slurm_partition`, `gpus_per_node`, `timeout_min`.

    Raises:
        UserError: no SLURM here, an option that submitit doesn't know.
    """
    if cluster == "slurm" and not all(map(shutil.which, ("sbatch", "srun"))):
        raise UserError("no SLURM here: sbatch is not found; log in to the cluster, or leave out --cluster slurm")
    folder = ROOT / sweep.output_dir / ".jobs"
    executor = submitit.AutoExecutor(folder=folder, cluster=cluster, slurm_max_num_timeout=_TIMEOUTS)
    defaults = {"timeout_min": _TIMEOUT_MINUTES[cluster], "name": sweep.folder.name}
    try:
        executor.update_parameters(**(defaults | options))
    except (AssertionError, NameError, ValueError) as error:
        raise UserError(f"--cluster_options: {str(error).splitlines()[0]}") from None
    return executor


def run_command(sweep: Sweep, run: SweepRun, directory: Path, threads: int | None) -> list[str]:
    """The script with the settings of a run, as a command for `ROOT`."""
    # Figures of single runs cost as much as twenty steps of a small model, and few are looked at.
    settings = {"draw_figures": False} | run.settings | {"seed": run.seed, "output_dir": directory}
    if threads:
        settings = {"num_threads": threads} | settings
    options = [word for key, value in settings.items() for word in (f"--{key}", *_words(value))]
    return [sys.executable, sweep.script, sweep.recipe, *options]


def _words(value) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value])]


def threads_each(jobs: int) -> int:
    """This machine's cores, shared out among the runs that go on at once."""
    return max(1, cores() // jobs)


def submit(executor: submitit.AutoExecutor, sweep: Sweep, run: SweepRun, jobs: int) -> submitit.Job:
    """Start a run, or go on with it."""
    local = executor.cluster == "local"
    command = run_command(sweep, run, run.directory, threads_each(jobs) if local else None)
    command += ["--resume_from_checkpoint", "auto"]  # decided when the job starts, however often
    environment = {_GPUS: os.environ.get(_GPUS)} if "gpus_per_node" not in executor.parameters else {}
    job = (execute, command, environment) if local else (RequeuedRun(command),)
    try:
        return executor.submit(*job)
    except (FailedJobError, FailedSubmissionError) as error:
        raise UserError(f"the cluster refused {run.name}: {' '.join(str(error).split())}") from None


def execute(command: list[str], environment: dict[str, str | None]) -> None:
    """In the job: become the command, so that signals reach it and its output is the job's log.

    Args:
        command: the script and its options.
        environment: variables to put back as the user had them; submitit hides the GPUs of this machine.
    """
    for name, value in environment.items():
        os.environ.pop(name, None)
        os.environ.update({name: value} if value is not None else {})
    os.chdir(ROOT)
    os.execv(command[0], command)


class RequeuedRun:
    """A run as a job that SLURM ends at its time limit or for another's sake, and starts again (submitit's
    checkpointing: a callable with `checkpoint`).
    """

    def __init__(self, command: list[str]):
        self.command = command

    def __call__(self) -> None:
        """In the job: run the script, and end as it does."""
        self.process = subprocess.Popen(self.command, cwd=ROOT)
        sys.exit(self.process.wait())

    def checkpoint(self) -> DelayedSubmission:
        """On SLURM's signal: let the run save itself. What is given back is what the job does when it starts again."""
        self.process.send_signal(signal.SIGUSR2)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(self.process.pid).wait()  # Popen's own wait was interrupted, and holds its lock
        return DelayedSubmission(RequeuedRun(self.command))


def cancel(job: submitit.Job) -> None:
    """End a job; at any moment, and without harm if it is repeated.

    On this machine not with submitit's own cancel: that sends SIGINT, and a second one (Ctrl-C
    reaches the jobs too) ends submitit's process before it has ended the run.
    """
    if isinstance(job, submitit.LocalJob):
        os.kill(int(job.job_id), signal.SIGTERM)
    else:
        job.cancel(check=False)


def last_error(job: submitit.Job) -> str:
    """The last line that the job wrote to stderr (a progress bar is one line)."""
    lines = [line.strip() for line in (job.stderr() or "").replace("\r", "\n").splitlines()]
    return next((line for line in reversed(lines) if line), "it left no message")
