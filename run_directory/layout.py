"""The files of a run directory: their names, who may write where, and how a file is written whole or not at all."""

import json
import os
from pathlib import Path

from command_line import UserError
from settings.training import TrainingSettings

CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
WEIGHTS = "model.safetensors"
DATASET = "dataset"
FIGURES = "figures"
# Written at the end of a run, each as `<name>.json`; of some runs only some of them.
REPORTS = ("individuals", "hallucination", "interpolation", "ablation")
LAST_REPORT = "individuals"
PHASES = "phases.json"
LEARNING_CURVE = "learning_curve.png"
CHECKPOINT = "checkpoint-"
# Of a checkpoint, beside model, config and tokenizer.
OPTIMIZERS = "optimizers.safetensors"
ADAPTER = "adapter.safetensors"
PROGRESS = "progress.json"
MANIFEST = "manifest.json"
# Before the step, in the name of a branch on the Hub: `step-000500`, as Pythia's checkpoints are shared.
STEP_BRANCH = "step-"


def config_file(run: Path) -> Path:
    """The settings of a run, and where it was made."""
    return run / CONFIG


def metrics_file(run: Path) -> Path:
    """The record of a run."""
    return run / METRICS


def report_file(run: Path, name: str) -> Path:
    """One of REPORTS."""
    return run / f"{name}.json"


def is_run(run: Path) -> bool:
    """Whether a directory holds a run, begun or finished."""
    return config_file(run).exists()


def is_reported(run: Path) -> bool:
    """Whether a run wrote its last report, and so came to its end."""
    return report_file(run, LAST_REPORT).exists()


def write_report(run: Path, name: str, content, indent: int | None = 1) -> None:
    """Write one of REPORTS."""
    replace_text(report_file(run, name), json.dumps(content, indent=indent) + "\n")


def find_run(settings: TrainingSettings) -> Path:
    """Check that a run may start in `output_dir`. Writes nothing, so that every process can check.

    Raises:
        UserError: no directory named, something is there that would be lost, nothing to resume from.
    """
    if not settings.output_dir:
        raise UserError("no output_dir: say where the run shall be written, e.g. --output_dir runs/mine")
    run = Path(settings.output_dir)
    if settings.resume_from_checkpoint:
        if not is_run(run):
            raise UserError(f"nothing to resume from: {run} holds no run")
    elif is_run(run):
        if not settings.overwrite_output_dir:
            raise UserError(
                f"{run} holds a run already; go on with it (--resume_from_checkpoint latest), delete it "
                "(--overwrite_output_dir) or choose another --output_dir"
            )
    elif run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise UserError(f"{run} exists and is no run; choose another --output_dir")
    return run


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
