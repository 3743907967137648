"""Optimizers and learning-rate schedules."""

import math
import re

import torch

from modeling.families import family_of
from settings.training import TrainingSettings

# The update of a Muon step has RMS entries of about 1/sqrt(max(rows, columns)); "original" scaling
# keeps the learning rate comparable between matrices of different shape (Jordan et al. 2024).
_MUON = {"momentum": 0.95, "nesterov": True, "adjust_lr_fn": "original"}


def build_optimizers(model, settings: TrainingSettings) -> list[torch.optim.Optimizer]:
    """AdamW on everything that is trained, or Muon on the blocks' matrices and AdamW on the rest, if there is any.

    Matrices decay, gains and biases do not (the paper gives only the number, 0.1).
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if settings.optim == "adamw":
        return [_adamw(list(named.values()), settings)]
    # Biases may have two dimensions, in Hawk.
    in_blocks = re.compile(rf"\.{family_of(model.config).blocks}\..*weight$")
    matrices = {name: p for name, p in named.items() if p.ndim == 2 and in_blocks.search(name)}
    rest = [p for name, p in named.items() if name not in matrices]
    optimizers = [_adamw(rest, settings)] if rest else []
    if matrices:
        how = _MUON | {"lr": settings.muon_learning_rate, "weight_decay": settings.weight_decay}
        optimizers.append(torch.optim.Muon(list(matrices.values()), **how))
    return optimizers


def _adamw(parameters: list, settings: TrainingSettings) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    betas = (settings.adam_beta1, settings.adam_beta2)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, eps=settings.adam_epsilon, fused=True)


def learning_rate_factor(kind: str, step: int, max_steps: int, warmup_steps: int = 0) -> float:
    """What the peak learning rate is multiplied by for update `step` (0, 1, ...).

    Cosine and linear go from 1 to 0 over the steps after the warm-up, which the paper does without (App. B).
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / (max_steps - warmup_steps)
    return {
        "constant": 1.0,
        "linear": 1.0 - done,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
    }[kind]
