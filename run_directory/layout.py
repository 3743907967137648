"""The files of a run directory: their names, and how a file is written whole or not at all."""

import json
import os
import re
from pathlib import Path

from command_line import ENVIRONMENT_KEY

CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"  # of a large model, whose weights are in several files
DATASET = "dataset"
FIGURES = "figures"
# Written at the end of a run, each as `<name>.json`; of some runs only some of them.
REPORTS = ("individuals", "hallucination", "interpolation", "ablation", "generated", "own_attention")
LAST_REPORT = "individuals"
# What the old model wrote, of a fine-tuning that begins with that.
GENERATED_TEXTS = "generated.jsonl"
# Written when somebody looks into the checkpoints of a run (`python -m evaluation probe`, ...), likewise.
LOOKED_INTO = ("probing", "tracing", "knockout", "gradients")
PHASES = "phases.json"
LEARNING_CURVE = "learning_curve.png"
CHECKPOINT = "checkpoint-"
# Of a checkpoint, beside model, config and tokenizer.
OPTIMIZERS = "optimizers.safetensors"
ADAPTER = "adapter.safetensors"
# Of a run that trained LoRA, beside the final model: what it adds to the one before, as peft reads it.
ADAPTER_FOLDER = "adapter"
PROGRESS = "progress.json"
STATE = (OPTIMIZERS, ADAPTER, PROGRESS)  # what only going on needs
MANIFEST = "manifest.json"
LOCK = ".lock"
TENSORBOARD = "tensorboard"
WANDB_ID = ".wandb-id"
# In `figures/`; those of LOOKED_INTO also with a step behind their name.
DRAWN = (LEARNING_CURVE, PHASES, "hallucination.png", "signatures.png", "groups.png")
# All that a run writes, beside its checkpoints; the last one is what older runs call TENSORBOARD.
WRITTEN = (
    CONFIG, METRICS, WEIGHTS, DATASET, FIGURES, ADAPTER_FOLDER, PHASES, GENERATED_TEXTS,
    *(f"{name}.json" for name in (*REPORTS, *LOOKED_INTO)),
    LEARNING_CURVE, MANIFEST,
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    f".{CHECKPOINT}*.tmp", ".final.tmp", ".*.json*.tmp", ".*.yaml.tmp", TENSORBOARD, WANDB_ID,
    "fact-learning",
)  # fmt: skip
# Before the step, in the name of a branch on the Hub: `step-000500`, as Pythia's checkpoints are shared.
STEP_BRANCH = "step-"
# And of the tag beside it, `step500`, as tools made for Pythia ask for it.
STEP_TAG = "step"
# A branch with the newest state of a run, as Trainer calls it.
LAST_STATE = "last-checkpoint"
# In both: the line of METRICS of that step.
STEP_METRICS = "metrics.json"


def config_file(run: Path) -> Path:
    """The settings of a run, and where it was made."""
    return run / CONFIG


def metrics_file(run: Path) -> Path:
    """The record of a run."""
    return run / METRICS


def report_file(run: Path, name: str) -> Path:
    """One of REPORTS or LOOKED_INTO."""
    return run / f"{name}.json"


def without_seed(name: str) -> str:
    """What a run would be called without its seed: `mine` of mine-seed0, mine_1 or mine.s2."""
    return re.sub(r"[-_.](seed|s)?[-_]?\d+$", "", name)


def is_run(run: Path) -> bool:
    """Whether a directory holds a run, begun or finished: its config.yaml says where it was made, no other's does."""
    file = config_file(run)
    return file.is_file() and f"\n{ENVIRONMENT_KEY}:".encode() in b"\n" + file.read_bytes()


def is_reported(run: Path) -> bool:
    """Whether a run wrote its last report, and so came to its end."""
    try:
        json.loads(report_file(run, LAST_REPORT).read_bytes())
    except (OSError, ValueError, RecursionError):  # not there, or damaged: it can be made again
        return False
    return True


def write_report(run: Path, name: str, content, indent: int | None = 1) -> None:
    """Write one of REPORTS or LOOKED_INTO."""
    replace_text(report_file(run, name), json.dumps(content, indent=indent) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, whatever happens to the process, the disk or the power."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
