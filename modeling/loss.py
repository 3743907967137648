"""The training objective, and the model's predictions where they are wanted and nowhere else."""

import torch
from torch import nn
from torch.nn import functional

from modeling.attention import SHORT_ATTENTION

IGNORED_LABEL = -100
# On a CPU, rows go through the model a few at a time, those of similar length together: less
# padding is computed and activations stay in the cache (docs/LOG.md).
CPU_ROWS = 16
# Tokens whose logits exist at the same time on a CPU, for the same reason.
CPU_LOGITS = 1024


def wanted_logits(model, input_ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Logits of the wanted tokens; head at their positions alone.

    Args:
        model: a stock causal language model.
        input_ids: (b, length).
        wanted: (b, length) bool, True where a token is to be predicted from those before it; the
            first column is not looked at (nothing comes before it).

    Returns:
        (number wanted, vocabulary), float32, in row-major order of `wanted`.
    """
    hidden, places = zip(*_groups(model, input_ids, wanted), strict=True)
    kept = [states.flatten(0, 1)[numbers] for states, (_, numbers) in zip(hidden, places, strict=True)]
    order = torch.cat([tokens for tokens, _ in places]).argsort()
    return model.get_output_embeddings()(torch.cat(kept)[order]).float()


def _groups(model, input_ids: torch.Tensor, wanted: torch.Tensor):
    """Last hidden states of some rows at a time; all rows at once if not on a CPU.

    Sequences are padded on the right, so causal attention never sees padding from a real token and
    no attention mask is needed.

    Yields:
        Hidden states (rows, width, model width), and two integer tensors with an entry for each wanted
        token: where it is in the flattened batch, and where the state that predicts it is in the
        flattened rows.
    """
    lengths = wanted.shape[1] - wanted.flip(1).int().argmax(1)
    on_cpu = input_ids.device.type == "cpu"
    for rows in lengths.argsort(stable=True).split(CPU_ROWS if on_cpu else len(lengths)):
        width = int(lengths[rows].max())
        hidden = model.base_model(input_ids=input_ids[rows, :width], use_cache=False).last_hidden_state
        row, column = wanted[rows, 1:width].nonzero(as_tuple=True)
        yield hidden, (rows[row] * wanted.shape[1] + column + 1, row * width + column)


class TokenLoss(nn.Module):
    """Cross-entropy summed over the labelled tokens of a batch, in nats.

    A module of its own, since gradients are synchronised between processes around a module's
    forward; the model inside stays a stock one.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model
        model.set_attn_implementation(SHORT_ATTENTION)  # is not saved with the model

    def forward(self, input_ids, labels, attribute_ids) -> tuple[torch.Tensor, torch.Tensor]:
        """Two sums, over all labelled tokens and, to be watched only, over those of values.

        Args:
            input_ids: (b, length).
            labels: (b, length) as in transformers: not shifted, -100 where nothing is to be learned.
            attribute_ids: (b, length), above 0 at value tokens.
        """
        weight = self.model.get_output_embeddings().weight
        sums = []
        for hidden, (tokens, numbers) in _groups(self.model, input_ids, labels != IGNORED_LABEL):
            targets, is_value = labels.flatten()[tokens], attribute_ids.flatten()[tokens] > 0
            function = _ChunkedLoss.apply if hidden.device.type == "cpu" else _plain_loss
            sums.append(torch.stack(function(hidden.flatten(0, 1), numbers, weight, targets, is_value)))
        total, of_values = torch.stack(sums).sum(0)
        return total, of_values.detach()


def _plain_loss(hidden, numbers, weight, targets, is_value) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy summed over all targets, and over values; `numbers` are the rows of `hidden` that predict them."""
    losses = functional.cross_entropy(functional.linear(hidden[numbers], weight).float(), targets, reduction="none")
    return losses.sum(), losses[is_value].sum()


class _ChunkedLoss(torch.autograd.Function):
    """`_plain_loss` with few logits at a time, on a CPU: gradients are made while the logits are in the cache.

    `torch.nn.functional.linear_cross_entropy` does the same, but gives no losses of single tokens without computing
    all logits twice.
    """

    @staticmethod
    def forward(ctx, hidden, numbers, weight, targets, is_value):
        for_hidden, for_weight = torch.zeros_like(hidden), torch.zeros_like(weight)
        losses = []
        for at, chunk in zip(numbers.split(CPU_LOGITS), targets.split(CPU_LOGITS), strict=True):
            states, which = hidden.index_select(0, at), chunk[:, None]
            log_p = functional.linear(states, weight).float().log_softmax(1)
            losses.append(-log_p.gather(1, which)[:, 0])
            of_logits = log_p.exp_().scatter_add_(1, which, -torch.ones_like(losses[-1])[:, None])
            for_hidden.index_copy_(0, at, (of_logits @ weight).to(hidden.dtype))
            for_weight += of_logits.T @ states
        ctx.save_for_backward(for_hidden, for_weight)
        of_values = torch.cat(losses)[is_value].sum()
        ctx.mark_non_differentiable(of_values)
        return torch.cat(losses).sum(), of_values

    @staticmethod
    def backward(ctx, scale, _):
        for_hidden, for_weight = ctx.saved_tensors
        return for_hidden * scale, None, for_weight * scale, None, None
