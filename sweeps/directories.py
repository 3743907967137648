"""What the run directories of a sweep tell: finished or not, how far, and with which settings."""

from dataclasses import dataclass
from pathlib import Path

from command_line import UserError
from run_directory.config import last_step, read_config
from run_directory.layout import is_reported, is_run, metrics_file
from run_directory.manifests import checkpoints
from run_directory.records import load_run, read_records
from sweeps.sweep import Sweep


@dataclass(frozen=True)
class Progress:
    """How far a run has come; None where nothing was recorded yet."""

    step: int = 0
    max_steps: int | None = None
    seconds: float = 0.0
    attribute_loss: float | None = None
    attribute_accuracy: float | None = None
    predicted_seconds: float | None = None

    @property
    def share(self) -> float:
        """Of the steps, 0-1."""
        return self.step / self.max_steps if self.max_steps else 0.0

    @property
    def seconds_in_all(self) -> float | None:
        """Of the whole run, at the pace it had so far; None before it has one."""
        return self.seconds / self.share if self.share else None


def recorded_at(run: Path) -> tuple[int, int] | None:
    """Changes when a run records something: to read all of it twice a second would take a sixth of a core."""
    try:
        found = metrics_file(run).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def read_progress(run: Path) -> Progress:
    """Where a run stands, from its directory."""
    try:
        config, records = read_config(run), read_records(run)
    except (FileNotFoundError, UserError):  # damaged: resuming mends it, or says what is wrong
        return Progress()
    if not records:
        return Progress()
    measured = next((record for record in reversed(records) if "seen_attribute_loss" in record), {})
    said = [record["predicted_seconds"] for record in records if record.get("predicted_seconds")]
    return Progress(
        step=records[-1]["step"],
        max_steps=last_step(config),
        seconds=records[-1]["seconds"],
        attribute_loss=measured.get("seen_attribute_loss"),
        attribute_accuracy=measured.get("seen_attribute_accuracy"),
        predicted_seconds=said[-1] if said else None,
    )


def is_finished(run: Path) -> bool:
    """Whether the run came to its end: all steps recorded, its last report, of individuals, is there, and all is to be
    read. What is damaged is made again by going on from the last checkpoint.
    """
    if read_progress(run).share < 1 or not is_reported(run):
        return False
    try:
        load_run(run)
    except UserError:
        return False
    return True


def state(run: Path, is_stored: bool) -> str:
    """`finished`, `stored` (its results; its directory is elsewhere), `to resume` or `to run`."""
    if is_finished(run):
        return "finished"
    if is_stored:
        return "stored"
    return "to resume" if checkpoints(run) else "to run"


def check_directories(sweep: Sweep) -> None:
    """Check that the runs which are there already are those of the sweep.

    Raises:
        UserError: one has another value for a setting that the sweep names.
    """
    for run in sweep.runs:
        try:
            config = read_config(run.path) if is_run(run.path) else None
        except UserError:  # its job will say so; the others go on
            config = None
        if config is None:
            continue
        for key, value in (run.settings | {"seed": run.seed}).items():
            if not _same(value, config.get(key)):
                raise UserError(
                    f"{run.directory} has {key} {config.get(key)}, but the sweep says {value}; "
                    "delete that directory or change the sweep's output_dir"
                )


def _same(value, saved) -> bool:
    return _plain_list(value) == _plain_list(saved)


def _plain_list(value) -> list:
    """A single value, where the script takes several, is a list of one."""
    return list(map(_plain, value if isinstance(value, list) else [value]))


def _plain(value) -> float | str:
    """A value as the script reads it: 1, 1.0 and `1e0` (to YAML a text) are the same."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
