"""Errors made larger on their way to the names: does credit assignment alone keep a model on its plateau?

The paper explains the plateau so (Sec. 2.2): while a value does not attend to the name, hardly any error is propagated
back to it. Here what arrives is multiplied, and nothing else is changed, the model's predictions least of all.
"""

from functools import partial

import torch

from modeling.interventions import RESIDUAL, Site, edited
from modeling.loss import TokenLoss
from modeling.patching import blocks


class AmplifyingLoss(TokenLoss):
    """`TokenLoss`, whose gradient is multiplied at names, where it leaves the last block on its way back.

    So all blocks but the last, and the embeddings, learn of a name as if its error were so many times as large.

    Args:
        model: is trained; of a family of modeling/families.py.
        tokens: (vocabulary,) bool, True for the tokens of names.
        factor: above 1 it is larger; 1 changes nothing.
        template_weight: of `TokenLoss`.
    """

    def __init__(self, model, tokens: torch.Tensor, factor: float, template_weight: float = 1.0):
        super().__init__(model, template_weight)
        self.tokens, self.factor = tokens, factor

    def forward(self, input_ids, labels, attribute_ids):
        """As in `TokenLoss`."""
        read: list[torch.Tensor] = []  # what the model is reading; the loss shows it a few rows at a time
        note = self.model.get_input_embeddings().register_forward_pre_hook(lambda _, ids: read.append(*ids))
        try:
            with edited(self.model, {Site(RESIDUAL, len(blocks(self.model)) - 1): partial(self._amplified, read)}):
                return super().forward(input_ids, labels, attribute_ids)
        finally:
            note.remove()

    def _amplified(self, read: list[torch.Tensor], states: torch.Tensor) -> torch.Tensor:
        return _Amplified.apply(states, self.tokens.to(states.device)[read[-1]], self.factor)


class _Amplified(torch.autograd.Function):
    @staticmethod
    def forward(ctx, states, where, factor):
        ctx.save_for_backward(where)
        ctx.factor = factor
        return states.view_as(states)

    @staticmethod
    def backward(ctx, gradient):
        (where,) = ctx.saved_tensors
        return torch.where(where[..., None], ctx.factor * gradient, gradient), None, None
