"""Optimizers and learning-rate decays, by name; `--help` reads the names, without waiting for torch."""

import math
import re

from command_line import UserError, unknown
from modeling.families import family_of
from settings.training import TrainingSettings

# The update of a Muon step has RMS entries of about 1/sqrt(max(rows, columns)); "original" scaling
# keeps the learning rate comparable between matrices of different shape (Jordan et al. 2024).
_MUON = {"momentum": 0.95, "nesterov": True, "adjust_lr_fn": "original"}


def build_optimizers(model, settings: TrainingSettings) -> list:
    """Those of `settings.optim`, on everything that is trained."""
    return OPTIMIZERS[settings.optim](model, settings)


def trained(model) -> dict:
    """The parameters (`torch.nn.Parameter`) that an optimizer is for, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _adamw_on_all(model, settings: TrainingSettings) -> list:
    return [_adamw(list(trained(model).values()), settings)]


def _muon_and_adamw(model, settings: TrainingSettings) -> list:
    """Muon on the blocks' matrices, and AdamW on the rest, if there is any."""
    from torch.optim import Muon

    from modeling.cpu import slow_in_bf16
    from training.muon import Float32Muon

    named = trained(model)
    # Biases may have two dimensions, in Hawk.
    in_blocks = re.compile(rf"\.{family_of(model.config).blocks}\..*weight$")
    matrices = {name: p for name, p in named.items() if p.ndim == 2 and in_blocks.search(name)}
    rest = [p for name, p in named.items() if name not in matrices]
    optimizers = [_adamw(rest, settings)] if rest else []
    if matrices:
        decay = settings.weight_decay if settings.muon_weight_decay is None else settings.muon_weight_decay
        slow = next(iter(matrices.values())).device.type == "cpu" and slow_in_bf16()
        kind, how = Float32Muon if slow else Muon, _MUON | {"lr": settings.muon_learning_rate, "weight_decay": decay}
        optimizers.append(kind(list(matrices.values()), **how))
    return optimizers


def _adamw(parameters: list, settings: TrainingSettings):
    """`torch.optim.AdamW`; matrices decay, gains and biases do not (the paper gives only the number, 0.1)."""
    from torch.optim import AdamW

    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    betas = (settings.adam_beta1, settings.adam_beta2)
    return AdamW(groups, lr=settings.learning_rate, betas=betas, eps=settings.adam_epsilon, fused=True)


# One row makes an optimizer or a decay known to every script: docs/EXTENDING.md.
OPTIMIZERS = {"adamw": _adamw_on_all, "muon": _muon_and_adamw}
# What is left of the peak learning rate when a share of the steps after the warm-up is done.
DECAYS = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}


def check_names(settings: TrainingSettings) -> None:
    """Whether there are such an optimizer and such a decay.

    Raises:
        UserError: there are not.
    """
    rows = (("optimizer", settings.optim, OPTIMIZERS), ("learning-rate decay", settings.lr_scheduler_type, DECAYS))
    for what, name, known in rows:
        if name not in known:
            raise UserError(unknown(what, name, "", known))


def learning_rate_factor(kind: str, step: int, max_steps: int, warmup_steps: int = 0) -> float:
    """What the peak learning rate is multiplied by for update `step` (0, 1, ...): it rises in the warm-up, which the
    paper does without (App. B), and goes on as `DECAYS` says.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return DECAYS[kind]((step - warmup_steps) / (max_steps - warmup_steps))
