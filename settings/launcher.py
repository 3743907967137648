"""What accelerate's launcher was told, in options or its own config file."""

import os
from typing import get_args, get_type_hints

from command_line import UserError
from settings.training import TrainingSettings

# Ways to spread one model over processes, and what the launcher says of each.
_SPREAD = {
    "FSDP": "ACCELERATE_USE_FSDP", "DeepSpeed": "ACCELERATE_USE_DEEPSPEED", "Megatron-LM": "ACCELERATE_USE_MEGATRON_LM",
    "a parallelism config": "ACCELERATE_USE_PARALLELISM_CONFIG",
}  # fmt: skip
# Settings of its own that are ours, too, and what it says if nobody told it.
_UNTOLD = {"mixed_precision": "no", "gradient_accumulation_steps": "1"}


def launched() -> dict[str, str]:
    """Settings that the launcher was told: used where nothing else says otherwise.

    Raises:
        UserError: it was told what there is not here.
    """
    for name, variable in _SPREAD.items():
        if os.environ.get(variable, "").lower() in ("true", "1"):
            raise UserError(
                f"accelerate's launcher says {name}; here each process has the whole model: leave it out, "
                "--multi_gpu is what there is"
            )
    told = {name: os.environ.get(f"ACCELERATE_{name.upper()}", untold) for name, untold in _UNTOLD.items()}
    precision, known = told["mixed_precision"], get_args(get_type_hints(TrainingSettings)["mixed_precision"])
    if precision not in known:
        raise UserError(f"accelerate's launcher says mixed_precision {precision}; there is {', '.join(known)}")
    return {name: value for name, value in told.items() if value != _UNTOLD[name]}


def check_launched(told: dict[str, str], training: TrainingSettings) -> None:
    """Check that recipe and options agree with the launcher.

    Raises:
        UserError: they say otherwise.
    """
    for name, value in told.items():
        if str(getattr(training, name)) != value:
            raise UserError(
                f"{name} is {getattr(training, name)} here, but accelerate's launcher says {value}; say the same, or "
                "leave one of them out"
            )
