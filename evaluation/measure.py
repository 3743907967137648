"""What is measured of a model while it trains: what it knows of groups of individuals, and how sure it is."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from evaluation.hallucination import abstained, confidence, separation
from evaluation.knowledge import attribute_accuracies, attribute_losses, learned_bits, no_knowledge_baseline
from evaluation.probes import chunks, joined, name_losses, predictions, probe_predictions, rows_of, value_predictions
from evaluation.signatures import attention_metrics, forward_with_gradients


def run_measure(
    probes: dict[str, dict[str, torch.Tensor]], value_sizes: dict[str, int], n_looked_at: int,
    n_names: int | None = None, n_learned: dict[str, int] | None = None, each: Callable = map,
    unknown: int | None = None,
) -> Callable:  # fmt: skip
    """What the training loop calls at an evaluation.

    Args:
        probes: a probe of the stream for each group: `seen`, and others.
        value_sizes: number of values of each attribute.
        n_looked_at: of how many of the seen people attention is measured; the same pass tells what is known of them.
        n_names: how many different names there could be; None where nobody knows.
        n_learned: how many individuals there are in each group that is learned from.
        each: how the model is shown one part after the other, as of `evaluation.probes`.
        unknown: the token that an answer begins with which tells that it is not known; None if there is none.

    Returns:
        A function from a model to `no_knowledge_baseline` and, of each group, the metrics of `knowledge` and
        `hallucination.confidence`; with unseen people also those of `hallucination.separation`; those of
        `signatures.attention_metrics`; with `n_names` the bits `seen_name_bits`, with `n_learned` `bits_per_parameter`;
        with `unknown`, `<group>_abstained`.
    """
    parts = [("attention", "seen", 0, rows_of(probes["seen"], 0, n_looked_at))]
    for group, probe in probes.items():
        parts += [("values", group, *chunk) for chunk in chunks(probe, n_looked_at if group == "seen" else 0)]
    parts += [("names", "seen", *chunk) for chunk in chunks(probes["seen"])] if n_names else []

    def measure(model) -> dict[str, float]:
        of_attention, flats, names = {}, {group: [] for group in probes}, []
        for (kind, group, start, _), found in zip(parts, each(partial(_look_at, model), parts), strict=True):
            if kind == "names":
                names.append(found)
                continue
            flat, of_attention = (found, of_attention) if kind == "values" else found
            flats[group].append((start, flat))
        metrics = {"no_knowledge_baseline": no_knowledge_baseline([*value_sizes.values()])}
        flats = {group: joined(found) for group, found in flats.items()}
        metrics |= _knowledge_and_confidence(flats, value_sizes)
        if unknown is not None:
            metrics |= {f"{group}_abstained": abstained(flat, unknown) for group, flat in flats.items()}
        if n_names:
            loss = float(np.concatenate(names).mean())
            metrics["seen_name_bits"] = (math.log(n_names) - loss) / math.log(2)
        if n_learned:
            n_bits = sum(n * metrics[f"{group}_bits"] for group, n in n_learned.items())
            metrics["bits_per_parameter"] = n_bits / sum(parameter.numel() for parameter in model.parameters())
        return metrics | of_attention

    return measure


def _look_at(model, part: tuple):
    """What is measured of a part of a probe: predictions of values, with what attention does beside them, or losses."""
    kind, _, _, rows = part
    if kind == "values":
        return value_predictions(model, rows)
    if kind == "names":
        return name_losses(model, rows)
    batch = {key: tensor.to(next(model.parameters()).device) for key, tensor in rows.items()}
    logits, attention, gradients = forward_with_gradients(model, batch)
    return predictions(logits, batch), attention_metrics(attention, gradients, batch)


def knowledge_of_groups(model, probes: dict[str, dict[str, torch.Tensor]], value_sizes: dict[str, int]) -> dict:
    """What `run_measure` measures, without attention: any causal language model as it is.

    Args:
        model: its last hidden states and head are used alone.
        probes, value_sizes: of `run_measure`.
    """
    flats = {group: probe_predictions(model, probe) for group, probe in probes.items()}
    baseline = {"no_knowledge_baseline": no_knowledge_baseline([*value_sizes.values()])}
    return baseline | _knowledge_and_confidence(flats, value_sizes)


def _knowledge_and_confidence(flats: dict[str, dict[str, np.ndarray]], value_sizes: dict[str, int]) -> dict[str, float]:
    metrics = {}
    for group, flat in flats.items():
        metrics |= knowledge(flat, group, value_sizes) | confidence(flat, group)
    return metrics | (separation(flats["seen"], flats["unseen"]) if "unseen" in flats else {})


def knowledge(flat: dict[str, np.ndarray], group: str, value_sizes: dict[str, int]) -> dict[str, float]:
    """Attribute loss and accuracy from the predictions for a probe, overall and for each attribute, and learned bits.

    Returns:
        `<group>_attribute_loss`, `<group>_attribute_accuracy` and, with the attribute's name
        appended, the same for each attribute; nats and 0-1. `<group>_bits`, per individual.
    """
    where = (flat["rows"], flat["attributes"], len(value_sizes))
    losses = attribute_losses(flat["losses"], *where)
    accuracies = attribute_accuracies(flat["correct"], *where)
    metrics = {}
    for name, values in (("loss", losses), ("accuracy", accuracies)):
        metrics[f"{group}_attribute_{name}"] = float(values.mean())
        for attribute, value in zip(value_sizes, values, strict=True):
            metrics[f"{group}_attribute_{name}_{attribute}"] = float(value)
    return metrics | {f"{group}_bits": learned_bits(losses, [*value_sizes.values()])}
