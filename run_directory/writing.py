"""Who may write a run directory: one process at a time, and never over what would be lost."""

import contextlib
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from command_line import UserError
from run_directory.layout import DATASET, DRAWN, FIGURES, LOCK, LOOKED_INTO, WRITTEN, is_reported, is_run, metrics_file
from run_directory.manifests import checkpoints
from run_directory.published import AT, fetch_state
from settings.training import TrainingSettings

# What file systems and desktops put into any directory.
_NOBODYS = {LOCK, ".DS_Store", "Thumbs.db", "desktop.ini", "lost+found"}
_OURS = {FIGURES: {*DRAWN, *(f"{name}*.png" for name in LOOKED_INTO)}, DATASET: {"source"}}
# A job that a scheduler starts again may meet the end of its last one.
_PATIENCE = 2.0  # seconds


class Finished(UserError):
    """A job that may be started again is, after its run's end."""

    label, exit_code = "note", 0


def find_run(settings: TrainingSettings) -> Path:
    """Check that a run may start in `output_dir`. Writes nothing, so that every process can check.

    `resume_from_checkpoint` is decided here: `auto` is `latest` if there is a checkpoint, else to begin (anew); a bare
    name, `checkpoint-500`, is that of a checkpoint in this run. A state on the Hub, `me/facts@last-checkpoint`, is
    fetched, the one thing that is written.

    Raises:
        UserError: no directory named, something is there that would be lost, nothing to resume from.
        Finished: `auto`, and there is nothing to do.
    """
    if not settings.output_dir:
        raise UserError("no output_dir: say where the run shall be written, e.g. --output_dir runs/mine")
    run = Path(settings.output_dir)
    _check_outside(run)
    if AT in (settings.resume_from_checkpoint or "") and not Path(settings.resume_from_checkpoint).exists():
        settings.resume_from_checkpoint = str(fetch_state(settings.resume_from_checkpoint, run))
    if settings.resume_from_checkpoint == "auto":
        settings.resume_from_checkpoint = "latest" if is_run(run) and checkpoints(run) else None
        settings.began_by_itself = settings.resume_from_checkpoint is None
        if settings.began_by_itself and is_run(run) and is_reported(run):
            raise Finished(f"{run} has come to its end already, and has no checkpoint to go on from")
        settings.overwrite_output_dir = settings.began_by_itself  # nothing is saved that could be lost
    elif settings.began_by_itself and (checkpoints(run) or is_reported(run)):
        raise UserError(f"another process has written {run} meanwhile; start again to go on with it")
    if settings.resume_from_checkpoint:
        if not is_run(run):
            raise UserError(f"nothing to resume from: {run} holds no run")
        named = [path for path in checkpoints(run).values() if path.name == settings.resume_from_checkpoint]
        settings.resume_from_checkpoint = str(named[0]) if named else settings.resume_from_checkpoint
    elif is_run(run):
        if not settings.overwrite_output_dir and _would_be_missed(run):
            raise UserError(
                f"{run} holds a run already; go on with it (--resume_from_checkpoint latest), delete it "
                "(--overwrite_output_dir) or choose another --output_dir"
            )
        if foreign := next(_foreign(run), None):
            raise UserError(
                f"{foreign} is not of the run that would be deleted; move it away, or choose another --output_dir"
            )
    elif run.exists() and (not run.is_dir() or {path.name for path in run.iterdir()} - _NOBODYS):
        raise UserError(f"{run} exists and is no run; choose another --output_dir")
    return run


def _check_outside(run: Path) -> None:
    outer = next((parent for parent in run.resolve().parents if is_run(parent)), None)
    if outer:
        raise UserError(f"{run} lies in the run {outer}; choose another --output_dir")


def _foreign(run: Path) -> Iterator[Path]:
    """What somebody else put where a run's own files are deleted: into its folders."""
    for folder in (FIGURES, DATASET):
        known = _OURS[folder] | _NOBODYS
        yield from (path for path in (run / folder).glob("*") if not any(fnmatch(path.name, name) for name in known))
    for path in (path for checkpoint in checkpoints(run).values() for path in checkpoint.iterdir()):
        if path.name not in _NOBODYS and (path.is_dir() or path.suffix not in (".json", ".safetensors")):
            yield path


def _would_be_missed(run: Path) -> bool:
    """Not so where a run failed before it recorded anything."""
    return bool(checkpoints(run)) or (metrics_file(run).exists() and metrics_file(run).stat().st_size > 0)


@contextlib.contextmanager
def writer(run: Path) -> Iterator[None]:
    """Be the one process that writes a run; the lock ends with the process, however that ends.

    Raises:
        UserError: another one is.
    """
    run.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run / LOCK, timeout=_PATIENCE)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"{_holder(run)} is writing {run}; wait for it, end it, or choose another --output_dir"
        ) from None
    try:
        yield
    finally:
        if [path.name for path in run.iterdir()] == [LOCK]:  # all was refused
            shutil.rmtree(run)
        lock.release()


def _holder(run: Path) -> str:
    """The process, as far as this user may know."""
    file = str((run / LOCK).resolve())
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != psutil.Process().pid and any(opened.path == file for opened in process.open_files()):
                return f"process {process.pid}"
    return "another process"


def clear(run: Path) -> None:
    """Delete what a run writes; what somebody else put into its directory stays."""
    found = [path for pattern in WRITTEN for path in run.glob(pattern)]
    for path in [*found, *checkpoints(run).values()]:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
