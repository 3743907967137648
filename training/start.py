"""What happens before the first step: the run's directory and config, accelerate and its trackers."""

import os
import platform
import shutil
from pathlib import Path

import psutil
import torch
import transformers
from accelerate import Accelerator

from command_line import UserError
from run_directory.layout import METRICS, check_same, environment, resolve, write_config
from training.memory import keep_memory
from training.products import fast_products
from training.settings import TrainingSettings
from training.tracking import JsonlTracker

_AT_LEAST_ONE = (
    "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps", "logging_steps", "eval_steps",
    "eval_individuals", "attention_individuals",
)  # fmt: skip


def check_settings(settings: TrainingSettings) -> None:
    """Check the numbers, before anything is built or written.

    Raises:
        UserError: a seed out of range, sizes below one.
    """
    if not 0 <= settings.seed < 2**63:
        raise UserError(f"seed is {settings.seed}; it must be from 0 to 2^63 - 1")
    for name in _AT_LEAST_ONE:
        if getattr(settings, name) < 1:
            raise UserError(f"{name} is {getattr(settings, name)}; it must be at least 1")
    if not 0 <= settings.warmup_steps < settings.max_steps:
        raise UserError(
            f"warmup_steps is {settings.warmup_steps}; it must be from 0 to below max_steps {settings.max_steps}"
        )
    if not 0 <= settings.text_weight < float("inf"):
        raise UserError(f"text_weight is {settings.text_weight}; it must be 0 (values alone) or more")
    if settings.evals_per_decade is not None and settings.evals_per_decade < 1:
        raise UserError(f"evals_per_decade is {settings.evals_per_decade}; it must be at least 1, or left out")


def n_processes() -> int:
    """Processes of this run, as the launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def begin_run(run: Path, settings: TrainingSettings, others: list, facts: dict | None = None) -> Accelerator:
    """Set up the run's directory, and start accelerate with its trackers.

    Args:
        run: the run's directory, as `find_run` gave it.
        settings: how to train.
        others: all dataclasses of settings of the run, for config.yaml.
        facts: what it is made from beside settings, recorded with the environment.

    Raises:
        UserError: an unknown tracker, a resumed run's settings that contradict it.
    """
    resume, facts = bool(settings.resume_from_checkpoint), facts or {}
    keep_memory()
    fast_products()
    transformers.logging.set_verbosity_error()  # it warns of padding without a mask: see modeling/loss.py
    transformers.logging.disable_progress_bar()
    accelerator = _accelerator(settings, run)
    if resume:
        check_same(run, others, accelerator.num_processes, facts)
    accelerator.wait_for_everyone()  # all have checked before one writes
    if accelerator.is_main_process and not resume:
        if run.exists():
            shutil.rmtree(run)
        here = environment(accelerator.num_processes, _device_name(accelerator.device))
        write_config(run, resolve(others), here | facts)
    accelerator.wait_for_everyone()
    accelerator.init_trackers("fact-learning", config={key: str(value) for key, value in resolve(others).items()})
    return accelerator


def _accelerator(settings: TrainingSettings, run: Path) -> Accelerator:
    trackers = [JsonlTracker(run / METRICS), *(settings.report_to or [])]
    on_cpu = not torch.accelerator.is_available()  # accelerate does not see that by itself with two CPU processes
    try:
        accelerator = Accelerator(
            cpu=on_cpu, mixed_precision=settings.mixed_precision, log_with=trackers, project_dir=run
        )
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from None
    if on_cpu:
        shared = _cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_num_threads(settings.num_threads or max(1, shared))
    return accelerator


def _cores() -> int:
    """Cores this process may use; `accelerate launch` without `--cpu` would leave it one thread."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(allowed, psutil.cpu_count(logical=False) or allowed)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.processor() or platform.machine()})"
