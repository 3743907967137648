"""How attention is used in training (paper, App. D.2, Fig. 3 right, Fig. F), and whether gradients reach names.

Looked at in biographies of people it has read of, in wording held out for them; docs/PATCHING.md has the definitions.
"""

import torch
from torch.nn import functional

from modeling.patching import blocks, record


def attention_metrics(attention: torch.Tensor | None, gradients: torch.Tensor, batch: dict) -> dict[str, float]:
    """What an evaluation notes of attention.

    Args:
        attention, gradients: of `forward_with_gradients`.
        batch: biographies, of a probe.

    Returns:
        `name_grouping` (of layer 1) and, of each layer from 1 on, the metrics of `signatures` and of
        `gradients_to_names`; of a model without attention the latter alone.
    """
    of_layers = {} if attention is None else signatures(attention, batch)
    of_layers["gradient_to_names"] = gradients_to_names(gradients, batch)
    metrics = {
        f"layer_{layer}_{name}": value for name, values in of_layers.items() for layer, value in enumerate(values, 1)
    }
    return metrics if attention is None else {"name_grouping": metrics["layer_1_name_grouping"]} | metrics


def forward_with_gradients(model, batch: dict) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """What a model predicts, what it attends to, and the gradient of what recall costs, from one pass.

    Args:
        model: a stock causal language model, or a patched one.
        batch: biographies, of a probe.

    Returns:
        Logits (number of value tokens, vocabulary), float32. Attention probabilities (layers, b, heads, length,
        length), None if there is no attention. Gradients (layers, b, length, width) of the cross-entropy summed over
        the first tokens of values, in the residual stream where it enters each block.
    """
    streams, predicts = [], _next(batch["attribute_ids"]) > 0
    hooks = [block.register_forward_pre_hook(_GradientProbe(streams)) for block in blocks(model)]
    try:
        states, attention = record(model, batch["input_ids"])
    finally:
        for hook in hooks:
            hook.remove()
    logits = model.get_output_embeddings()(states[predicts]).float()
    first = value_positions(batch)
    loss = functional.cross_entropy(logits[first[predicts]], _next(batch["input_ids"])[first], reduction="sum")
    gradients = torch.stack(torch.autograd.grad(loss, streams))
    return logits.detach(), None if attention is None else attention.detach(), gradients


class _GradientProbe:
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
        `name_grouping`, from the last token of a name to its other tokens, and the same of the first and of the later
        mentions (`name_grouping_first`, `name_grouping_later`; not there without one). `value_to_name` and
        `value_to_text`, from where the first token of a value is predicted to all tokens of names before it, and to all
        that are neither name nor value; `value_to_type`, to those of them since the last value, telling what is meant.
        `sharpness` there, the entropy of attention divided by that of uniform attention.
    """
    names, attributes, predicts = batch["name_ids"], batch["attribute_ids"], value_positions(batch)
    rows, positions = predicts.nonzero(as_tuple=True)
    is_name, is_text = (names > 0)[rows], ((names == 0) & (attributes == 0))[rows]
    says_type = is_text & _since_the_last_value(attributes)[rows, positions]
    # Of most tokens nobody asks whom they attend to: taking out the others first saves most of the time.
    from_values = [layer[rows, :, positions] for layer in attention]  # (values, heads, length)
    return {
        **_name_grouping(attention, names),
        "value_to_name": [_to(layer, is_name) for layer in from_values],
        "value_to_text": [_to(layer, is_text) for layer in from_values],
        "value_to_type": [_to(layer, says_type) for layer in from_values],
        "sharpness": [_relative_entropy(layer, positions) for layer in from_values],
    }


def _to(attention: torch.Tensor, tokens: torch.Tensor) -> float:
    """Attention (n, heads, length) to some tokens (n, length), mean over heads and n."""
    return (attention.mean(1) * tokens).sum(-1).mean().item()


def _since_the_last_value(attributes: torch.Tensor) -> torch.Tensor:
    """Of each token (b, length), which ones come after the last value that ended before the next token, bool."""
    number = (_next(attributes) != attributes).where(attributes > 0, False).cumsum(1)  # of values that have ended
    return number[:, :, None] == number[:, None, :]


def _name_grouping(attention: torch.Tensor, names: torch.Tensor) -> dict[str, list[float]]:
    """Of all mentions, of the first in each row, and of the others. A name of a single token has no others."""
    length = names.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=names.device).tril(-1)
    others = (names[:, :, None] == names[:, None, :]) & before
    ends = (names > 0) & (_next(names) != names)
    is_first = ends.cumsum(1) == 1
    found = {}
    for name, of in (("", ends), ("_first", ends & is_first), ("_later", ends & ~is_first)):
        rows, last = (of & others.any(-1)).nonzero(as_tuple=True)
        if len(rows) or not name:
            found[f"name_grouping{name}"] = [_to(layer[rows, :, last], others[rows, last]) for layer in attention]
    return found


def _relative_entropy(attention: torch.Tensor, positions: torch.Tensor) -> float:
    """Entropy of attention (n, heads, length) / log(tokens that can be attended), mean; 0 for the first token."""
    entropies = torch.special.entr(attention).sum(-1).mean(1)
    return (entropies / (positions + 1).clamp(min=2).log()).mean().item()


def gradients_to_names(gradients: torch.Tensor, batch: dict[str, torch.Tensor]) -> list[float]:
    """How much of what is learned from values reaches the names: for each layer, a ratio of norms over the batch.

    Args:
        gradients: (layers, b, length, width) of `forward_with_gradients`.
        batch: with `attribute_ids` and `name_ids`.

    Returns:
        Norm of the gradient at tokens of names / norm where first tokens of values are predicted.
    """
    names, predicts = batch["name_ids"] > 0, value_positions(batch)
    return [(layer[names].norm() / layer[predicts].norm()).item() for layer in gradients]
