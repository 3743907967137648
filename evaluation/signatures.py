"""How attention is used while a model trains (paper, Fig. 3 right and App. F), and whether names are taught by values.

Looked at in biographies of people it has read of, in wording held out for them; docs/PATCHING.md has the definitions.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

from modeling.patching import blocks, record


def attention_measure(probe: dict[str, torch.Tensor]) -> Callable:
    """What the training loop calls at an evaluation, beside `knowledge_measure`.

    Args:
        probe: of the stream.

    Returns:
        A function from a model to `name_grouping` (of layer 1) and, of each layer from 1 on, the metrics of
        `signatures` and of `gradients_to_names`; of a model without attention to the latter alone.
    """

    def measure(model) -> dict[str, float]:
        device = next(model.parameters()).device
        batch = {key: tensor.to(device) for key, tensor in probe.items()}
        attention, gradients = attention_and_gradients(model, batch)
        of_layers = {} if attention is None else signatures(attention, batch)
        of_layers["gradient_to_names"] = gradients_to_names(gradients, batch)
        metrics = {
            f"layer_{layer}_{name}": value
            for name, values in of_layers.items()
            for layer, value in enumerate(values, 1)
        }
        return metrics if attention is None else {"name_grouping": metrics["layer_1_name_grouping"]} | metrics

    return measure


def attention_and_gradients(model, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Attention, and the gradient of what recall costs.

    Args:
        model: a stock causal language model, or a patched one.
        batch: biographies, of a probe.

    Returns:
        Attention probabilities (layers, b, heads, length, length), None if there is no attention. Gradients (layers,
        b, length, width) of the cross-entropy summed over the first tokens of values, in the residual stream where it
        enters each block.
    """
    streams, predicts = [], value_positions(batch)
    hooks = [block.register_forward_pre_hook(_Tap(streams)) for block in blocks(model)]
    try:
        states, attention = record(model, batch["input_ids"])
    finally:
        for hook in hooks:
            hook.remove()
    logits = model.get_output_embeddings()(states[predicts]).float()
    loss = functional.cross_entropy(logits, _next(batch["input_ids"])[predicts], reduction="sum")
    gradients = torch.stack(torch.autograd.grad(loss, streams))
    return None if attention is None else attention.detach(), gradients


class _Tap:
    """Adds nothing to what enters a block; the gradient of this nothing is that of the residual stream there."""

    def __init__(self, streams: list[torch.Tensor]):
        self.streams = streams

    def __call__(self, block, inputs: tuple) -> tuple:
        self.streams.append(torch.zeros_like(inputs[0], requires_grad=True))
        return inputs[0] + self.streams[-1], *inputs[1:]


def _next(tokens: torch.Tensor) -> torch.Tensor:
    return functional.pad(tokens[:, 1:], (0, 1))


def value_positions(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Where the first token of a value is predicted, (b, length) bool: one token before it."""
    attributes = batch["attribute_ids"]
    return (_next(attributes) > 0) & (_next(attributes) != attributes)


def signatures(attention: torch.Tensor, batch: dict[str, torch.Tensor]) -> dict[str, list[float]]:
    """Means over heads and occurrences, a number for each layer.

    Args:
        attention: (layers, b, heads, length, length).
        batch: with `attribute_ids` and `name_ids`.

    Returns:
        `name_grouping`, from the last token of a name to its other tokens; `value_to_name` and `value_to_text`, from
        where the first token of a value is predicted to all tokens of names before it, and to all that are neither name
        nor value; `sharpness` there, the entropy of attention divided by that of uniform attention.
    """
    names, attributes, predicts = batch["name_ids"], batch["attribute_ids"], value_positions(batch)
    is_text = (names == 0) & (attributes == 0)
    return {
        "name_grouping": _name_grouping(attention, names),
        "value_to_name": [_paid(layer, (names > 0)[:, None])[predicts].mean().item() for layer in attention],
        "value_to_text": [_paid(layer, is_text[:, None])[predicts].mean().item() for layer in attention],
        "sharpness": [_relative_entropy(layer)[predicts].mean().item() for layer in attention],
    }


def _paid(layer: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Attention of each token to some others (b, 1 or length, length), mean over heads; (b, length)."""
    return (layer.mean(1) * tokens).sum(-1)


def _name_grouping(attention: torch.Tensor, names: torch.Tensor) -> list[float]:
    """A name of a single token has no others."""
    length = names.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=names.device).tril(-1)
    others = (names[:, :, None] == names[:, None, :]) & before
    last = (names > 0) & (_next(names) != names) & others.any(-1)
    return [_paid(layer, others)[last].mean().item() for layer in attention]


def _relative_entropy(layer: torch.Tensor) -> torch.Tensor:
    """Entropy of attention / log(tokens that can be attended), mean over heads; (b, length), 0 for the first token."""
    entropies = torch.special.entr(layer).sum(-1).mean(1)
    n_attended = torch.arange(1, layer.shape[-1] + 1, device=layer.device)
    return entropies / n_attended.clamp(min=2).log()


def gradients_to_names(gradients: torch.Tensor, batch: dict[str, torch.Tensor]) -> list[float]:
    """How much of what is learned from values reaches the names: for each layer, a ratio of norms over the batch.

    Args:
        gradients: (layers, b, length, width) of `attention_and_gradients`.
        batch: with `attribute_ids` and `name_ids`.

    Returns:
        Norm of the gradient at tokens of names / norm where first tokens of values are predicted.
    """
    names, predicts = batch["name_ids"] > 0, value_positions(batch)
    return [(layer[names].norm() / layer[predicts].norm()).item() for layer in gradients]
