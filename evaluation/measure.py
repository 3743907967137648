"""What is measured of a model while it trains: what it knows of groups of individuals, and how sure it is."""

from collections.abc import Callable

import numpy as np
import torch

from data_builder.word_lists import ATTRIBUTES
from evaluation.hallucination import confidence, separation
from evaluation.knowledge import attribute_accuracies, attribute_losses, no_knowledge_baseline
from evaluation.probes import probe_predictions


def knowledge_measure(probes: dict[str, dict[str, torch.Tensor]], value_sizes: tuple[int, ...]) -> Callable:
    """What the training loop calls at an evaluation.

    Args:
        probes: a probe of the stream for each group (`seen`, `unseen`, ...).
        value_sizes: number of values of each attribute.

    Returns:
        A function from a model to `no_knowledge_baseline` and, of each group, the metrics of `knowledge` and
        `hallucination.confidence`; with seen and unseen people also those of `hallucination.separation`.
    """

    def measure(model) -> dict[str, float]:
        metrics = {"no_knowledge_baseline": no_knowledge_baseline(value_sizes)}
        flats = {group: probe_predictions(model, probe) for group, probe in probes.items()}
        for group, flat in flats.items():
            metrics |= knowledge(flat, group) | confidence(flat, group)
        return metrics | (separation(flats["seen"], flats["unseen"]) if {"seen", "unseen"} <= flats.keys() else {})

    return measure


def knowledge(flat: dict[str, np.ndarray], group: str) -> dict[str, float]:
    """Attribute loss and accuracy from the predictions for a probe, overall and for each attribute.

    Returns:
        `<group>_attribute_loss`, `<group>_attribute_accuracy` and, with the attribute's name
        appended, the same for each attribute; nats and 0-1.
    """
    where = (flat["rows"], flat["attributes"], len(ATTRIBUTES))
    losses = attribute_losses(flat["losses"], *where)
    accuracies = attribute_accuracies(flat["correct"], *where)
    metrics = {}
    for name, values in (("loss", losses), ("accuracy", accuracies)):
        metrics[f"{group}_attribute_{name}"] = float(values.mean())
        for attribute, value in zip(ATTRIBUTES, values, strict=True):
            metrics[f"{group}_attribute_{name}_{attribute}"] = float(value)
    return metrics
