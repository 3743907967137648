"""Attention knockout: what is left of knowledge without attention to names where values are predicted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from evaluation.knowledge import attribute_accuracies, attribute_losses
from modeling.patching import record
from run_directory.layout import write_report

_ROWS = 64  # go through the model at the same time


def ablate_names(model, probe: dict[str, torch.Tensor], each: Callable = map) -> dict[str, dict[str, float]]:
    """Knowledge without attention from where a token of a value is predicted to any token of a name.

    Args:
        model: a stock causal language model, or a patched one.
        probe: of the stream.
        each: how the model is shown one part after the other, as of `evaluation.probes`.

    Returns:
        `attribute_loss` (nats) and `attribute_accuracy` (0-1) of `none` (the model as it is), `layer_1` (knockout in
        that layer alone), `layer_2`, ..., and `all` layers.
    """
    layers = range(model.config.num_hidden_layers)
    knockouts = {"none": []} | {f"layer_{layer + 1}": [layer] for layer in layers} | {"all": [*layers]}
    starts = range(0, len(probe["input_ids"]), _ROWS)
    chunks = [{key: tensor[start : start + _ROWS] for key, tensor in probe.items()} for start in starts]
    shown = [(chunk, layers) for layers in knockouts.values() for chunk in chunks]
    found = [*each(lambda part: _predictions(model, *part), shown)]
    n = len(chunks)
    return {name: _knowledge(probe, found[k * n : (k + 1) * n]) for k, name in enumerate(knockouts)}


def _knowledge(probe: dict[str, torch.Tensor], found: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    rows, columns = (probe["attribute_ids"] > 0).nonzero(as_tuple=True)
    attributes = probe["attribute_ids"][rows, columns].numpy()
    where = (rows.numpy(), attributes, attributes.max())
    losses, correct = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return {
        "attribute_loss": float(attribute_losses(losses, *where).mean()),
        "attribute_accuracy": float(attribute_accuracies(correct, *where).mean()),
    }


@torch.no_grad()
def _predictions(model, batch: dict[str, torch.Tensor], layers: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Loss of each token of a value, and whether it is the most likely one."""
    device = next(model.parameters()).device
    ids, attributes, names = (batch[key].to(device) for key in ("input_ids", "attribute_ids", "name_ids"))
    predicts = functional.pad(attributes[:, 1:] > 0, (0, 1))
    blocked = predicts[:, :, None] & (names > 0)[:, None, :]
    states, _ = record(model, ids, dict.fromkeys(layers, blocked))
    logits, labels = model.get_output_embeddings()(states[predicts]).float(), ids[attributes > 0]
    losses = functional.cross_entropy(logits, labels, reduction="none")
    return losses.cpu().numpy().astype(float), (logits.argmax(1) == labels).cpu().numpy()


def write_ablation(run: Path, measured: dict[str, dict[str, float]]) -> None:
    """Write `ablation.json`: what `ablate_names` gives, rounded."""
    rounded = {key: {name: round(value, 5) for name, value in numbers.items()} for key, numbers in measured.items()}
    write_report(run, "ablation", rounded)
