"""How one run is started, by submitit: on this machine or through SLURM."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError

from command_line import UserError, cores
from sweeps.jobs import QueuedJob
from sweeps.sweep import ROOT, Sweep, SweepRun

# submitit's own limits are minutes. Here it is a month; SLURM's partitions rarely take more than a day.
_TIMEOUT_MINUTES = {"local": 30 * 24 * 60, "slurm": 24 * 60}
# How often a run may meet SLURM's time limit and go on.
_TIMEOUTS = 100
_SLURM = ("sbatch", "srun", "squeue", "scancel")
_GPUS = "CUDA_VISIBLE_DEVICES"


def build_executor(sweep: Sweep, cluster: str, options: dict) -> submitit.AutoExecutor:
    """The executor that runs are submitted to; logs go to `<output_dir>/.jobs`.

    Args:
        sweep: which runs.
        cluster: `local` or `slurm`.
        options: parameters of submitit, e.g. `slurm_partition`, `gpus_per_node`, `timeout_min`.

    Raises:
        UserError: no SLURM here, an option that submitit doesn't know, no such launcher.
    """
    missing = [program for program in _SLURM if not shutil.which(program)] if cluster == "slurm" else []
    if missing:
        raise UserError(
            f"no SLURM here: {missing[0]} is not found; log in to the cluster, or leave out --cluster slurm"
        )
    check_launcher(sweep)
    folder = ROOT / sweep.output_dir / ".jobs"
    executor = submitit.AutoExecutor(folder=folder, cluster=cluster, slurm_max_num_timeout=_TIMEOUTS)
    defaults = {"timeout_min": _TIMEOUT_MINUTES[cluster], "name": sweep.folder.name}
    try:
        executor.update_parameters(**(defaults | options))
    except (AssertionError, NameError, ValueError) as error:
        raise UserError(f"--cluster_options: {str(error).splitlines()[0]}") from None
    return executor


def check_launcher(sweep: Sweep) -> None:
    """Check that what starts the runs is there.

    Raises:
        UserError: it is not.
    """
    if sweep.launcher and not shutil.which(sweep.launcher[0], path=_path()):
        raise UserError(f"launcher: {sweep.launcher[0]} is not found; install it, or name another one")


def run_command(sweep: Sweep, run: SweepRun, directory: Path, threads: int | None) -> list[str]:
    """The script with the settings of a run, as a command for `ROOT`.

    `threads` are for a single process; what a launcher starts shares the cores out by itself.
    """
    # Figures of single runs cost as much as twenty steps of a small model, and few are looked at.
    settings = {"draw_figures": False} | run.settings | {"seed": run.seed, "output_dir": directory}
    if threads and not sweep.launcher:
        settings = {"num_threads": threads} | settings
    options = [word for key, value in settings.items() for word in (f"--{key}", *_words(value))]
    return [*(sweep.launcher or [sys.executable]), sweep.script, sweep.recipe, *options]


def resumed_command(sweep: Sweep, run: SweepRun, threads: int | None) -> list[str]:
    """`run_command` for a job: whether it begins or goes on is decided when it starts, however often."""
    return [*run_command(sweep, run, run.directory, threads), "--resume_from_checkpoint", "auto"]


def shell_line(sweep: Sweep, run: SweepRun) -> str:
    """`resumed_command` for a shell in the project's root, on whatever machine."""
    command = resumed_command(sweep, run, None)
    return shlex.join(command if sweep.launcher else ["python", *command[1:]])


def _words(value) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value])]


def threads_each(jobs: int) -> int:
    """This machine's cores, shared out among the runs that go on at once."""
    return max(1, cores() // jobs)


def submit(executor: submitit.AutoExecutor, sweep: Sweep, run: SweepRun, jobs: int) -> submitit.Job:
    """Start a run, or go on with it."""
    if executor.cluster != "local":
        return submit_all(executor, sweep, [run], jobs)[0]
    environment = {_GPUS: os.environ.get(_GPUS)} if "gpus_per_node" not in executor.parameters else {}
    command = resumed_command(sweep, run, threads_each(jobs))
    with _refusals(run.name):
        return executor.submit(execute, command, environment, bool(sweep.launcher))


def submit_all(executor: submitit.AutoExecutor, sweep: Sweep, runs: Sequence[SweepRun], jobs: int) -> list[QueuedJob]:
    """Give runs to a cluster; several are a job array of which so many go on at once."""
    executor.update_parameters(slurm_array_parallelism=jobs)
    waiting = [RequeuedRun(resumed_command(sweep, run, None), bool(sweep.launcher)) for run in runs]
    with _refusals(runs[0].name), executor.batch():
        submitted = [executor.submit(job) for job in waiting]
    QueuedJob.queue.changed()
    return [QueuedJob(executor.folder, job.job_id) for job in submitted]


@contextlib.contextmanager
def _refusals(name: str):
    try:
        yield
    except (FailedJobError, FailedSubmissionError) as error:
        raise UserError(f"the cluster refused {name}: {' '.join(str(error).split())}") from None


def execute(command: list[str], environment: dict[str, str | None], launched: bool = False) -> None:
    """In the job: become the command, so that signals reach it and its output is the job's log.

    Args:
        command: the script and its options.
        environment: variables to put back as the user had them; submitit hides the GPUs of this machine.
        launched: whether it begins with a launcher, which is not to be what signals reach.
    """
    for name, value in environment.items():
        os.environ.pop(name, None)
        os.environ.update({name: value} if value is not None else {})
    if not launched:
        os.chdir(ROOT)
        os.execv(command[0], command)
    process = start(command, launched)
    signal.signal(signal.SIGTERM, lambda *_: _ask_to_stop(process.pid, launched))
    sys.exit(process.wait())


class RequeuedRun:
    """A run as a job that SLURM ends at its time limit or for another's sake, and starts again (submitit's
    checkpointing: a callable with `checkpoint`).
    """

    def __init__(self, command: list[str], launched: bool = False):
        self.command, self.launched = command, launched

    def __call__(self) -> None:
        """In the job: run the script, and end as it does."""
        self.process = start(self.command, self.launched)
        if code := self.process.wait():
            sys.exit(code)

    def checkpoint(self) -> DelayedSubmission:
        """On SLURM's signal: let the run save itself. What is given back is what the job does when it starts again."""
        _ask_to_stop(self.process.pid, self.launched)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(self.process.pid).wait()  # Popen's own wait was interrupted, and holds its lock
        return DelayedSubmission(RequeuedRun(self.command, self.launched))


def start(command: list[str], launched: bool, **streams) -> subprocess.Popen:
    """Start a run in the project's root. A launcher ignores a signal that SLURM may send to all processes of a job, and
    that would end it.
    """
    ignore = (lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN)) if launched else None
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PATH": _path()}, preexec_fn=ignore, **streams)


def _path() -> str:
    """Where programs are looked for: `accelerate` lies beside this Python, also where its environment is not active."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def _ask_to_stop(number: int, launched: bool) -> None:
    """Ask a run to save and end: of a launcher, the processes that it has started. The launcher ends after them; it
    would end before them if it were asked itself, or give them half a minute.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        for one in (launched and process.children(recursive=True)) or [process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGTERM)


def last_error(job: submitit.Job) -> str:
    """The last error in the job's stderr, after which launchers write tables of their own; else its last line (a
    progress bar is one line).
    """
    lines = [line.strip() for line in (job.stderr() or "").replace("\r", "\n").splitlines()]
    errors = [line for line in lines if line.startswith("error: ")]
    return next((line for line in reversed(errors or lines) if line), "it left no message")
