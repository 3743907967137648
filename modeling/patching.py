"""Attention patching: a model trained with the attention of another one (paper, Sec. 2.2 and App. D).

Through the attention interface of transformers: any argument of `forward` reaches the attention function, so a `Tape`
carries probabilities out of one model and into another, and both stay of their stock classes.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import nn

from command_line import UserError
from modeling.attention import SHORT_ATTENTION
from modeling.families import FAMILIES, family_of


@dataclass
class Tape:
    """Attention probabilities of one forward pass, `base_model(..., tape=tape)`, by layer (0, 1, ...).

    Attributes:
        replayed: (b, heads, q, k) by layer, used instead of the model's own; layers that are not there use these.
        blocked: by layer, (b, q, k) bool, True where token q must not attend to k (knockout); the rest is renormalized.
        recorded: (b, heads, q, k) float32, those that were used.
    """

    replayed: dict[int, torch.Tensor] = field(default_factory=dict)
    blocked: dict[int, torch.Tensor] = field(default_factory=dict)
    recorded: dict[int, torch.Tensor] = field(default_factory=dict)

    def attend(self, module, query, key, value, attention_mask, dropout, scaling):
        """Attention that records or replays; arguments and results are those of an attention function.

        Keys and values are there for each head, however many share them. Where probabilities are replayed, queries and
        keys are not used, so that their gradients are 0.
        """
        blocked, replayed = (tensors.get(module.layer_idx) for tensors in (self.blocked, self.replayed))
        if replayed is None:
            probabilities = _own_attention(module, query, key, attention_mask, scaling, blocked)
        else:
            probabilities = _without(replayed, blocked)
            # Gradients of 0, not none: they decay, and several processes wait for the gradients of all weights.
            value = value + query[..., :0].sum() + key[..., :0].sum()
        self.recorded[module.layer_idx] = probabilities
        dropped = nn.functional.dropout(probabilities.to(value.dtype), dropout)
        return torch.matmul(dropped, value).transpose(1, 2).contiguous(), probabilities


def _without(probabilities: torch.Tensor, blocked: torch.Tensor | None) -> torch.Tensor:
    """What is left of probabilities (b, heads, q, k), renormalized; nothing where all of them are blocked."""
    if blocked is None:
        return probabilities
    left = probabilities.masked_fill(blocked[:, None], 0)
    return left / left.sum(-1, keepdim=True).clamp(min=torch.finfo(left.dtype).tiny)


def _own_attention(module, query, key, attention_mask, scaling, blocked) -> torch.Tensor:
    n_queries, n_keys = query.shape[2], key.shape[2]
    if attention_mask is None:  # transformers leaves plain causality to the attention function
        attention_mask = torch.ones(n_queries, n_keys, dtype=torch.bool, device=query.device).tril(n_keys - n_queries)
    if blocked is not None:  # here, not after the softmax: it may have left nothing to anybody else
        attention_mask = attention_mask & ~blocked[:, None]
    scores = torch.matmul(query * scaling, key.mT)
    # Not infinite: a token of padding may have nothing to attend to.
    return scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min).softmax(-1, dtype=torch.float32)


class Patched(nn.Module):
    """A model whose attention probabilities are, in some layers, those of a frozen reference on the same rows.

    It offers what the loss and the probes use of a model. Only `model` is trained and saved.

    Args:
        model: a stock causal language model.
        reference: another one of the same architecture; is frozen.
        layers: those that are patched, from 1 on; all if None. The reference itself has its own attention in all.

    Raises:
        UserError: attention of one of them cannot be patched.
    """

    def __init__(self, model, reference, layers: Collection[int] | None = None):
        super().__init__()
        check_patchable(model)
        check_patchable(reference)
        self.model, self.reference = model, reference.requires_grad_(False).eval()
        self.layers = range(1, len(blocks(model)) + 1) if layers is None else layers
        self.set_attn_implementation(SHORT_ATTENTION)

    @property
    def config(self):
        """That of the model."""
        return self.model.config

    def set_attn_implementation(self, name: str) -> None:
        """As of a stock model."""
        self.model.set_attn_implementation(name)
        self.reference.set_attn_implementation(name)

    def get_output_embeddings(self) -> nn.Module:
        """The head of the model."""
        return self.model.get_output_embeddings()

    def base_model(self, tape: Tape | None = None, **inputs):
        """The model's last hidden states, with the reference's attention; a tape records it."""
        of_reference = Tape()
        with torch.no_grad():
            self.reference.base_model(**inputs, tape=of_reference)
        tape = tape or Tape()
        tape.replayed = {layer - 1: of_reference.recorded[layer - 1] for layer in self.layers}
        return self.model.base_model(**inputs, tape=tape)


def check_patchable(model) -> None:
    """Raise UserError if a model has no attention that goes through a tape."""
    if not family_of(model.config).attention:
        able = ", ".join(name for name, family in FAMILIES.items() if family.attention)
        raise UserError(f"{type(model).__name__} has no attention to record or to patch; these have: {able}")


def record(model, input_ids: torch.Tensor, blocked: dict[int, torch.Tensor] | None = None) -> tuple:
    """A forward pass that records attention.

    Args:
        model: a stock causal language model, or a patched one.
        input_ids: (b, length).
        blocked: of `Tape`.

    Returns:
        Last hidden states (b, length, width); attention probabilities of all layers, (layers, b, heads, length,
        length), or None of a model without attention.
    """
    model.set_attn_implementation(SHORT_ATTENTION)  # is set already in a model that is being trained
    tape = Tape(blocked=blocked or {})
    states = model.base_model(input_ids=input_ids, use_cache=False, tape=tape).last_hidden_state
    recorded = [tape.recorded[layer] for layer in sorted(tape.recorded)]
    return states, torch.stack(recorded) if recorded else None


def blocks(model) -> nn.ModuleList:
    """The blocks of a model, patched or not; the residual stream goes from one to the next."""
    body = (model.model if isinstance(model, Patched) else model).base_model
    return getattr(body, family_of(model.config).blocks)
