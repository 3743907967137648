"""Measuring a model on fixed groups of individuals while it trains."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from data_builder.word_lists import ATTRIBUTES
from evaluation.knowledge import attribute_accuracies, attribute_losses, no_knowledge_baseline
from modeling.loss import wanted_logits

_BATCH = 128


@torch.no_grad()
def value_predictions(model, batch: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Loss and correctness of each value token, from one forward pass with the head at those alone.

    Args:
        model: a stock causal language model.
        batch: as the stream makes it, on any device.

    Returns:
        `losses`, `correct`, `rows` and `attributes`, each (number of value tokens,).
    """
    device = next(model.parameters()).device
    wanted = batch["attribute_ids"] > 0
    rows, columns = wanted.nonzero(as_tuple=True)
    labels = batch["labels"][rows, columns].to(device)
    logits = wanted_logits(model, batch["input_ids"].to(device), wanted.to(device))
    return {
        "losses": functional.cross_entropy(logits, labels, reduction="none").double().cpu().numpy(),
        "correct": (logits.argmax(dim=1) == labels).cpu().numpy(),
        "rows": rows.numpy(),
        "attributes": batch["attribute_ids"][rows, columns].numpy(),
    }


def knowledge_measure(probes: dict[str, dict[str, torch.Tensor]], value_sizes: tuple[int, ...]) -> Callable:
    """What the training loop calls at an evaluation.

    Args:
        probes: a probe of the stream for each group (`seen`, `unseen`, ...).
        value_sizes: number of values of each attribute.

    Returns:
        A function from a model to `no_knowledge_baseline` and the metrics of `knowledge`.
    """

    def measure(model) -> dict[str, float]:
        metrics = {"no_knowledge_baseline": no_knowledge_baseline(value_sizes)}
        for group, probe in probes.items():
            metrics |= knowledge(model, probe, group)
        return metrics

    return measure


def knowledge(model, probe: dict[str, torch.Tensor], group: str) -> dict[str, float]:
    """Attribute loss and accuracy on a probe, overall and for each attribute.

    Returns:
        `<group>_attribute_loss`, `<group>_attribute_accuracy` and, with the attribute's name
        appended, the same for each attribute; nats and 0-1.
    """
    flat = probe_predictions(model, probe)
    where = (flat["rows"], flat["attributes"], len(ATTRIBUTES))
    losses = attribute_losses(flat["losses"], *where)
    accuracies = attribute_accuracies(flat["correct"], *where)
    metrics = {}
    for name, values in (("loss", losses), ("accuracy", accuracies)):
        metrics[f"{group}_attribute_{name}"] = float(values.mean())
        for attribute, value in zip(ATTRIBUTES, values, strict=True):
            metrics[f"{group}_attribute_{name}_{attribute}"] = float(value)
    return metrics


def probe_predictions(model, probe: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """`value_predictions` of a whole probe, a few rows at a time."""
    predictions = [_offset(value_predictions(model, chunk), start) for start, chunk in _chunks(probe)]
    return {key: np.concatenate([p[key] for p in predictions]) for key in predictions[0]}


def _chunks(probe: dict[str, torch.Tensor]):
    for start in range(0, len(probe["input_ids"]), _BATCH):
        yield start, {key: tensor[start : start + _BATCH] for key, tensor in probe.items()}


def _offset(predictions: dict[str, np.ndarray], start: int) -> dict[str, np.ndarray]:
    return predictions | {"rows": predictions["rows"] + start}
