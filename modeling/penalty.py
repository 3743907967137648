"""Penalties for moving weights away from where they began: all alike (L2-SP), or those that matter more (EWC)."""

import sys

import torch
from torch import nn
from tqdm.auto import tqdm

from command_line import is_first_process
from modeling.loss import IGNORED_LABEL, TokenLoss


class PenalizedLoss(nn.Module):
    """Another objective, and half the squared way of each trained weight times how much that one matters.

    Per token that is learned from, so that whatever parts a batch is cut into, its mean loss has the penalty once.

    Args:
        objective: a `TokenLoss` or a kind of it; where its trained weights are now is where they are held.
        importances: of each trained weight, in the order of `trained_weights`; a tensor of its shape or a number.
    """

    def __init__(self, objective: TokenLoss, importances: list[torch.Tensor]):
        super().__init__()
        self.objective = objective
        self._trained = trained_weights(objective)
        # Frozen parameters, not buffers: several processes would send each other all buffers at every pass.
        self.begin = _frozen(weights.detach().clone() for weights in self._trained)
        self.importances = _frozen(importances)

    def forward(self, input_ids, labels, attribute_ids) -> tuple[torch.Tensor, torch.Tensor]:
        """As of the objective; the penalty is part of the first sum."""
        total, value_loss = self.objective(input_ids, labels, attribute_ids)
        return total + (labels[:, 1:] != IGNORED_LABEL).sum() * self.penalty(), value_loss

    def penalty(self) -> torch.Tensor:
        """Of the weights as they are now."""
        rows = zip(self._trained, self.begin, self.importances, strict=True)
        return 0.5 * sum((importance * (weights - begin).square()).sum() for weights, begin, importance in rows)


def trained_weights(module: nn.Module) -> list[nn.Parameter]:
    """Those that are trained, each once."""
    return [weights for weights in module.parameters() if weights.requires_grad]


def _frozen(tensors) -> nn.ParameterList:
    return nn.ParameterList(nn.Parameter(tensor, requires_grad=False) for tensor in tensors)


def information(model, texts: list[list[int]]) -> list[torch.Tensor]:
    """The diagonal of the Fisher information of each trained weight, per token (Kirkpatrick et al. 2017).

    Half of it times the squared way of a weight is, for short ways of this weight alone, the Kullback-Leibler
    divergence from the model as it is, in nats per token.

    Args:
        model: a causal language model.
        texts: token ids of texts that it wrote itself: of other texts it would be the empirical one (Kunstner et al.
            2019). One backward pass each.
    """
    trained, loss = trained_weights(model), TokenLoss(model)
    squares = [torch.zeros_like(weights) for weights in trained]
    quiet = not is_first_process()
    for text in tqdm(texts, "how much weights matter", disable=quiet, unit="text", file=sys.stderr):
        ids = torch.tensor([text], device=model.device)
        gradients = torch.autograd.grad(loss(ids, ids, torch.zeros_like(ids))[0], trained, allow_unused=True)
        for square, gradient in zip(squares, gradients, strict=True):
            if gradient is not None:
                square += gradient.square()
    n_tokens = sum(len(text) - 1 for text in texts)
    return [square / n_tokens for square in squares]
