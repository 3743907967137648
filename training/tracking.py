"""metrics.jsonl, the record of a run: one JSON object a line. Other trackers are optional."""

import uuid
from pathlib import Path

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, TensorBoardTracker, on_main_process

from run_directory.layout import TENSORBOARD, WANDB_ID, replace_text, without_seed
from run_directory.records import append_record
from settings import public
from settings.training import TrainingSettings


class JsonlTracker(GeneralTracker):
    """An accelerate tracker that appends each record to a file.

    Args:
        run: its directory.
    """

    name = "jsonl"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self, run: Path):
        super().__init__()
        self.run = run

    @property
    def tracker(self):
        """What accelerate hands out as the raw tracker: the run's directory."""
        return self.run

    @on_main_process
    def store_init_configuration(self, values: dict):
        """Nothing: config.yaml holds the settings."""

    @on_main_process
    def log(self, values: dict, step: int | None = None, **kwargs):
        """Append one line; of other trackers, the step is no metric."""
        append_record(self.run, {"step": step} | values)


class OneTensorBoard(TensorBoardTracker):
    """Accelerate's tracker, with all of a run in one place: its own adds two runs named by the time at each start."""

    @on_main_process
    def store_init_configuration(self, values: dict):
        """Settings as hyperparameters, which TensorBoard wants to be numbers or text."""
        self.writer.add_hparams({key: _plain(value) for key, value in values.items()}, {}, run_name=".")


def _plain(value) -> int | float | str:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def begin_tracking(accelerator: Accelerator, run: Path, settings: TrainingSettings, config: dict) -> None:
    """Start all trackers: one run in each of them, also if it is resumed, which has the name of its directory.

    Args:
        accelerator: of `start_accelerate`.
        run: the run's directory.
        settings: say whether it is resumed, and what it is called.
        config: all settings; places on this machine are not told, and what is not set is left out.
    """
    told = {key: value for key, value in public(config).items() if value is not None}
    how, resumed = names(run, settings.run_name), bool(settings.resume_from_checkpoint)
    trackio = how | {"resume": "allow" if resumed else "never", "space_id": settings.trackio_space_id}
    trackio["private"] = config.get("hub_private_repo") or None  # as the Hub has it if None
    wandb = how | {"resume": "allow"}
    if accelerator.is_main_process and "wandb" in map(str, accelerator.log_with):
        wandb["id"] = _wandb_id(run)
    accelerator.log_with = [
        OneTensorBoard(TENSORBOARD, run) if str(tracker) == "tensorboard" else tracker
        for tracker in accelerator.log_with
    ]
    accelerator.init_trackers(settings.project, told, {"trackio": trackio, "wandb": wandb})


def names(run: Path, run_name: str | None = None) -> dict[str, str | None]:
    """What a run and its group are called: of `<variant>-seed<k>` in a sweep, the group is the variant."""
    name = run_name or run.resolve().name
    group = without_seed(name)
    return {"name": name, "group": group if group != name else None}


def _wandb_id(run: Path) -> str:
    """By which wandb knows the run again; of the same name there may be others."""
    file = run / WANDB_ID
    if not file.exists():
        replace_text(file, uuid.uuid4().hex)
    return file.read_text(encoding="utf-8")
