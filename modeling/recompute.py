"""Gradient checkpointing: activations inside blocks are computed again in the backward pass, not kept."""

from command_line import UserError
from modeling.patching import blocks


def recompute_activations(model) -> None:
    """Keep only what goes into each block: memory of one block in place of all, for a third more operations.

    Args:
        model: a stock causal language model, changed in place; is saved as without.

    Raises:
        UserError: it can't do this.
    """
    if not model.supports_gradient_checkpointing:
        raise UserError(f"{type(model).__name__} cannot do gradient_checkpointing; leave it out")
    # The older name warns in newer versions of transformers.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    for block in blocks(model):
        block.training = True  # transformers asks for it; the layers inside stay as they are, so no dropout begins
