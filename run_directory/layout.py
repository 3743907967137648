"""A run is a directory: what may be written where, and what must not be lost."""

import importlib.metadata
import math
import os
import platform
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import yaml

from command_line import ENVIRONMENT_KEY, UserError
from training.settings import TrainingSettings

CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
PACKAGES = ("torch", "transformers", "datasets", "accelerate", "tokenizers", "evaluate", "numpy")
# Settings that may differ when a run is resumed: they do not change what is computed.
FREE = {
    "output_dir", "resume_from_checkpoint", "overwrite_output_dir", "report_to", "dataset",
    "values_dir", "templates_dir", "new_individuals", "logging_steps", "eval_steps", "evals_per_decade", "save_steps",
    "save_at", "model", "reference", "num_threads", "dataset_name", "dataset_revision", "push_to_hub", "hub_model_id",
    "hub_dataset_id", "hub_private_repo", "attention_individuals",
}  # fmt: skip
# How processes share a batch; only its whole size changes what is computed.
_SHARES = ("per_device_train_batch_size", "gradient_accumulation_steps")


def find_run(settings: TrainingSettings) -> Path:
    """Check that a run may start in `output_dir`. Writes nothing, so that every process can check.

    Raises:
        UserError: no directory named, something is there that would be lost, nothing to resume from.
    """
    if not settings.output_dir:
        raise UserError("no output_dir: say where the run shall be written, e.g. --output_dir runs/mine")
    run = Path(settings.output_dir)
    if settings.resume_from_checkpoint:
        if not (run / CONFIG).exists():
            raise UserError(f"nothing to resume from: {run} holds no run")
    elif (run / CONFIG).exists():
        if not settings.overwrite_output_dir:
            raise UserError(
                f"{run} holds a run already; go on with it (--resume_from_checkpoint latest), delete it "
                "(--overwrite_output_dir) or choose another --output_dir"
            )
    elif run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise UserError(f"{run} exists and is no run; choose another --output_dir")
    return run


def resolve(settings: list) -> dict:
    """All settings of dataclasses, for config.yaml."""
    return {key: value for item in settings for key, value in asdict(item).items()}


def check_same(run: Path, settings: list, n_processes: int, facts: dict) -> None:
    """Check that a run is resumed with the settings and facts it began with, on any number of processes.

    Raises:
        UserError: a setting that decides what is computed is another now.
    """
    saved = yaml.safe_load((run / CONFIG).read_text(encoding="utf-8"))
    resolved = resolve(settings)
    for key, then in changed(settings, saved).items():
        raise UserError(f"cannot resume {run}: {key} is {resolved[key]} now, but the run has {then}")
    for key, value in facts.items():
        if saved[ENVIRONMENT_KEY].get(key) != value:
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
    decisive = {key: value for key, value in resolve(settings).items() if key not in FREE.union(_SHARES)}
    return {key: then[key] for key, value in decisive.items() if then[key] != value}


def batch_size(settings: dict, n_processes: int) -> int:
    """Biographies in an update, over all processes."""
    return n_processes * math.prod(settings[key] for key in _SHARES)


def write_config(run: Path, settings: dict, environment: dict) -> None:
    """Write the resolved settings, a recipe that makes this run again, and where it ran."""
    run.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(settings | {ENVIRONMENT_KEY: environment}, sort_keys=False, allow_unicode=True)
    replace_text(run / CONFIG, text)


def environment(n_processes: int, device: str) -> dict:
    """Versions, commit and hardware, for config.yaml."""
    return {
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in PACKAGES},
        "commit": _commit(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "device": device,
        "cores": os.cpu_count(),
        "n_processes": n_processes,
    }


def _commit() -> str | None:
    """The commit of the code, with `+changes` if files differ from it; None outside a checkout."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes"]
    root = Path(__file__).parents[1]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
