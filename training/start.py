"""What happens before the first step: the run's directory and config, accelerate and its trackers."""

import os
import platform
from pathlib import Path

import torch
import transformers
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin

from command_line import UserError
from modeling.cost import GIB, check_fits, cost, memory, speed
from modeling.cpu import SLOW_BF16, bf16_slowdown, use_cores, use_tricks
from run_directory.config import check_reached, check_same, note_resumed, resolve, write_config
from run_directory.environment import environment
from run_directory.writing import clear
from settings.training import TrainingSettings
from training.forecast import duration
from training.tracking import JsonlTracker, begin_tracking

# Biographies that tell how long one is.
_SAMPLE = 256
# What a step reaches of a single product's speed, or thereabouts (docs/LOG.md).
_SHARE_OF_PRODUCTS = 0.6
# The estimate of a pass's memory is good to a tenth in float32 on a CPU, and of no library's kernels elsewhere.
_UNSURE = 4
_TOO_LONG = 24 * 3600  # seconds


def n_processes() -> int:
    """Processes of this run, as the launcher says; `start_accelerate` checks that accelerate finds so many."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def start_accelerate(run: Path, settings: TrainingSettings) -> Accelerator:
    """Start accelerate with a run's trackers, and say in a line what a step is. Writes nothing.

    Raises:
        UserError: a tracker that is unknown or not installed; processes that accelerate doesn't find.
    """
    use_tricks(settings.cpu_tricks)
    transformers.logging.set_verbosity_error()  # it warns of padding without a mask: see modeling/loss.py
    transformers.logging.disable_progress_bar()
    trackers = [JsonlTracker(run), *(settings.report_to or [])]
    on_cpu = not torch.accelerator.is_available()  # accelerate does not see that by itself with two CPU processes
    try:
        accelerator = Accelerator(
            cpu=on_cpu, mixed_precision=settings.mixed_precision, log_with=trackers, project_dir=run,
            # The loop counts passes itself; accelerate would divide by what its launcher was told.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )  # fmt: skip
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from None
    if accelerator.num_processes != n_processes():
        raise UserError(
            f"the launcher says {n_processes()} processes (WORLD_SIZE), but accelerate finds "
            f"{accelerator.num_processes}; start them by accelerate launch, torchrun or mpirun"
        )
    missing = set(settings.report_to or []) - {"all", *map(str, accelerator.log_with)}
    if missing:
        raise UserError(f"report_to {' '.join(sorted(missing))}: not installed; install it, or leave it out")
    why = f" ({use_cores(settings.num_threads)})" if on_cpu else ""
    if accelerator.is_main_process:
        _say_how(accelerator, settings, why)
    return accelerator


def begin_run(
    accelerator: Accelerator, run: Path, settings: TrainingSettings, others: list, facts: dict | None = None
) -> None:
    """Set up the run's directory, or check that a resumed run is the one that is there, and begin to track it.

    Args:
        accelerator: of `start_accelerate`.
        run: the run's directory, as `find_run` gave it.
        settings: how to train.
        others: all dataclasses of settings of the run, for config.yaml.
        facts: what it is made from beside settings, recorded with the environment.

    Raises:
        UserError: a resumed run's settings that contradict it.
    """
    resume, facts = bool(settings.resume_from_checkpoint), facts or {}
    if resume:
        check_same(run, others, accelerator.num_processes, facts)
        check_reached(run, settings)
    accelerator.wait_for_everyone()  # all have checked before one writes
    if accelerator.is_main_process and resume:
        note_resumed(run, resolve(others))
    elif accelerator.is_main_process:
        clear(run)
        write_config(run, resolve(others), environment_of(accelerator) | facts)
    accelerator.wait_for_everyone()
    begin_tracking(accelerator, run, settings, resolve(others))


def _say_how(accelerator: Accelerator, settings: TrainingSettings, why: str) -> None:
    """One line of what a step is, and one for each way in which that may not be what was meant.

    Args:
        why: there are so many threads.
    """
    n, here, precision = accelerator.num_processes, accelerator.device, settings.mixed_precision
    print(
        f"batch {settings.batch_size(n):,} (processes {n}, each {settings.per_device_train_batch_size} by "
        f"{settings.gradient_accumulation_steps}), mixed_precision {precision}, "
        f"threads {torch.get_num_threads()}{why}, {_device_name(here)}"
    )
    slower = bf16_slowdown() if here.type == "cpu" and precision == "bf16" else 0
    if slower > SLOW_BF16:
        print(f"warning: this CPU multiplies bf16 {slower:.0f} times slower than fp32: use --mixed_precision no")


def say_what_it_takes(accelerator: Accelerator, model, stream, settings: TrainingSettings) -> None:
    """One line of how much time and memory, roughly, before the first step; one more if that is too much.

    Raises:
        UserError: it surely needs more memory than there is.
    """
    here, rows = accelerator.device, settings.per_device_train_batch_size
    length = stream.batch(0, min(rows, _SAMPLE))["attention_mask"].sum(1).float().mean().item()
    taken = cost(
        model,
        settings.batch_size(accelerator.num_processes),
        rows,
        length,
        few_logits=here.type == "cpu",
        recompute=settings.gradient_checkpointing,
    )
    there = memory(here)
    check_fits(f"a model of {taken.n_parameters:.3g} parameters, with gradients and optimizer,", taken.state, there)
    pass_of = f"a pass of {rows:,} biographies (make per_device_train_batch_size smaller)"
    check_fits(pass_of, taken.state + taken.activations / _UNSURE, there)
    dtype = torch.bfloat16 if settings.mixed_precision == "bf16" else torch.float32
    pace = _SHARE_OF_PRODUCTS * speed(here, dtype, model.config.hidden_size) * accelerator.num_processes
    seconds = settings.last_step * taken.flop / pace
    accelerator.print(
        f"roughly {duration(seconds)}: {settings.last_step:,} steps of {taken.flop / 1e9:,.1f} GFLOP, "
        f"{taken.n_parameters / 1e6:,.1f}M parameters, {(taken.state + taken.activations) / GIB:.1f} GiB of memory "
        f"(of {there / GIB:.0f})"
    )
    if here.type == "cpu" and seconds > _TOO_LONG:
        accelerator.print(
            "warning: no GPU here, and without a recipe a run is of the paper's size; `run_pretrain.py "
            "recipes/tiny.yaml` takes minutes"
        )


def environment_of(accelerator: Accelerator) -> dict:
    """Where a run of this process is made."""
    return environment(accelerator.num_processes, _device_name(accelerator.device), torch.get_num_threads())


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    vectors = torch.backends.cpu.get_cpu_capability()  # decides the order of sums, and so last bits
    return f"{device.type} ({platform.processor() or platform.machine()}, {vectors})"
