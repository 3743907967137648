"""config.yaml: the resolved settings of a run, and which of them must be the same when it is resumed."""

import math
from dataclasses import asdict, fields
from pathlib import Path

import yaml

from command_line import ENVIRONMENT_KEY, UserError
from run_directory.environment import RESUMED, differences
from run_directory.layout import config_file, replace_text
from run_directory.manifests import checkpoints
from settings import MAY_DIFFER_ON_RESUME, SHARES, role, today
from settings.declare import Role
from settings.training import TrainingSettings


def read_config(run: Path) -> dict:
    """The settings of a run, by the names that they have today.

    Raises:
        FileNotFoundError: there is no config.yaml.
        UserError: it is not to be read.
    """
    try:
        saved = yaml.safe_load(config_file(run).read_text(encoding="utf-8"))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {config_file(run)}: {' '.join(str(error).split())}") from None
    if not isinstance(saved, dict) or (ENVIRONMENT_KEY in saved and not isinstance(saved[ENVIRONMENT_KEY], dict)):
        raise UserError(f"{config_file(run)} is damaged: it holds no settings")
    return today(saved)


def resolve(settings: list) -> dict:
    """All settings of dataclasses, for config.yaml."""
    return {key: value for item in settings for key, value in asdict(item).items()}


def check_same(run: Path, settings: list, n_processes: int, facts: dict) -> None:
    """Check that a run is resumed with the settings and facts it began with, on any number of processes.

    Raises:
        UserError: a setting that decides what is computed is another now.
    """
    saved = read_config(run)
    resolved = resolve(settings)
    for key, then in changed(settings, saved).items():
        raise UserError(f"cannot resume {run}: {key} is {resolved[key]} now, but the run has {then}")
    for key, value in facts.items():
        if key in saved[ENVIRONMENT_KEY] and saved[ENVIRONMENT_KEY][key] != value:  # older runs lack newer ones
            raise UserError(f"cannot resume {run}: {key} is {value} now, but the run has {saved[ENVIRONMENT_KEY][key]}")
    now, then = batch_size(resolved, n_processes), batch_size(saved, saved[ENVIRONMENT_KEY]["n_processes"])
    if now != then:
        raise UserError(
            f"cannot resume {run}: {n_processes} process(es) make batches of {now} now, but the run has {then}; "
            "change per_device_train_batch_size or gradient_accumulation_steps"
        )


def changed(settings: list, saved: dict) -> dict:
    """Settings that decide what is computed and that another run has differently, and how that run has them.

    How processes share a batch is left out. A setting that is newer than the run had its default then.
    """
    then = {field.name: field.default for item in settings for field in fields(item)} | saved
    decisive = {key: value for key, value in resolve(settings).items() if key not in MAY_DIFFER_ON_RESUME | SHARES}
    return {key: then[key] for key, value in decisive.items() if then[key] != value}


def batch_size(settings: dict, n_processes: int) -> int:
    """Biographies in an update, over all processes."""
    return n_processes * math.prod(settings[key] for key in SHARES)


def check_reached(run: Path, settings: TrainingSettings) -> None:
    """Check that the checkpoint to resume from lies before the step at which to stop."""
    which, steps = settings.resume_from_checkpoint, {path.resolve(): step for step, path in checkpoints(run).items()}
    reached = max(steps.values(), default=0) if which == "latest" else steps.get(Path(which).resolve(), 0)
    if settings.last_step < reached:
        raise UserError(f"stop_at is {settings.last_step}, but {run} is at step {reached:,} already")


def note_resumed(run: Path, settings: dict) -> None:
    """What may be other in the config.yaml of a resumed run: it may end elsewhere than it was to end at first, and one
    that was fetched from the Hub has places of its own here. All else stays.
    """
    saved = read_config(run)
    here = {key: value for key, value in settings.items() if key not in saved and role(key) in (Role.INPUT, Role.PLACE)}
    if here or saved.get("stop_at") != settings["stop_at"]:
        environment = saved.pop(ENVIRONMENT_KEY)
        write_config(run, saved | here | {"stop_at": settings["stop_at"]}, environment)


def note_fact(run: Path, name: str, value: str) -> None:
    """Record what a run was made from that was not known when it began."""
    saved = read_config(run)
    write_config(run, saved, saved.pop(ENVIRONMENT_KEY) | {name: value})


def note_environment(run: Path, step: int, here: dict) -> str | None:
    """Record that a run goes on from a step in another environment than it had.

    Returns:
        What differs, in one line; None if nothing does.
    """
    saved = read_config(run)
    then = saved.pop(ENVIRONMENT_KEY)
    others = differences(then, here)
    if not others:
        return None
    write_config(run, saved, then | {RESUMED: [*then.get(RESUMED, []), {"step": step, **others}]})
    return ", ".join(f"{key} {value}" for key, value in others.items())


def last_step(config: dict) -> int:
    """Where a run ends, or ended, of its schedule's max_steps."""
    return config.get("stop_at") or config["max_steps"]


def write_config(run: Path, settings: dict, environment: dict) -> None:
    """Write the resolved settings, a recipe that makes this run again, and where it ran; not what to do this time."""
    run.mkdir(parents=True, exist_ok=True)
    lasting = {key: value for key, value in settings.items() if role(key) is not Role.ACTION}
    text = yaml.safe_dump(lasting | {ENVIRONMENT_KEY: environment}, sort_keys=False, allow_unicode=True)
    replace_text(config_file(run), text)
