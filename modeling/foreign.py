"""Models that were not made here: what of them must be as this project's loop and metrics expect it."""

import torch
from torch.nn import functional

from command_line import UserError
from modeling.families import family_of
from modeling.patching import blocks, record

_TOLERANCE = 1e-3  # of logits; a wrong head or attention is off by far more
_LENGTH = 8


@torch.no_grad()
def check_model(model) -> None:
    """Check that a causal language model can be trained and measured here, before anything is.

    Its logits must be its head applied to its last hidden states, and its attention go through the attention interface.

    Raises:
        UserError: one of these is otherwise; a line that says which.
    """
    kind, family = type(model).__name__, family_of(model.config)
    ids = torch.arange(_LENGTH)[None] % model.config.vocab_size
    if cap := getattr(model.config, "final_logit_softcapping", None):
        raise UserError(f"{kind} cannot be taught here: it caps its logits (final_logit_softcapping {cap:g})")
    expected = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    try:
        n_blocks = len(blocks(model))
        states, attention = record(model, ids)
    except (AttributeError, TypeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{kind} cannot be taught here, since its blocks or attention are others: {reason}") from None
    if family.attention and (attention is None or len(attention) < n_blocks):
        raise UserError(f"{kind} cannot be taught here: its attention cannot be recorded or patched")
    logits = functional.linear(states, model.get_output_embeddings().weight)
    if not torch.allclose(logits, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise UserError(f"{kind} cannot be taught here: it alters logits or attention on its way")
