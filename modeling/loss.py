"""The training objective, and the model's predictions where they are wanted and nowhere else."""

import torch
from torch import nn
from torch.nn import functional

from modeling.attention import SHORT_ATTENTION

IGNORED_LABEL = -100
# On a CPU, rows go through the model a few at a time, those of similar length together: less
# padding is computed and activations stay in the cache (docs/LOG.md).
CPU_ROWS = 16
# Positions whose logits exist at the same time on a CPU, for the same reason.
CPU_LOGITS = 512
# oneDNN compiles a kernel for each new shape and keeps it; this keeps them few.
_WIDTH_MULTIPLE = 4


def wanted_logits(model, input_ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Logits of the wanted tokens; the head is applied at their positions alone.

    Args:
        model: a stock causal language model.
        input_ids: (b, length).
        wanted: (b, length) bool, True where a token is to be predicted from those before it; the
            first column is not looked at (nothing comes before it).

    Returns:
        (number wanted, vocabulary), float32, in row-major order of `wanted`.
    """
    predicts = _predicted(wanted, False)
    hidden, numbers = [], []
    for rows, states in _groups(model, input_ids, predicts):
        row, column = predicts[rows, : states.shape[1]].nonzero(as_tuple=True)
        hidden.append(states[row, column])
        numbers.append(rows[row] * predicts.shape[1] + column)
    hidden = torch.cat(hidden)[torch.cat(numbers).argsort()]
    return model.get_output_embeddings()(hidden).float()


def _predicted(tokens: torch.Tensor, nothing) -> torch.Tensor:
    """At each position, what belongs to the token it predicts: the next one."""
    return functional.pad(tokens[:, 1:], (0, 1 + -tokens.shape[1] % _WIDTH_MULTIPLE), value=nothing)


def _groups(model, input_ids: torch.Tensor, predicts: torch.Tensor):
    """Rows, and their last hidden states up to the last position that predicts; all rows at once if not on a CPU.

    Sequences are padded on the right, so causal attention never sees padding from a real token and
    no attention mask is needed.
    """
    lengths = predicts.shape[1] - predicts.flip(1).int().argmax(1)
    input_ids = functional.pad(input_ids, (0, predicts.shape[1] - input_ids.shape[1]))
    on_cpu = input_ids.device.type == "cpu"
    for rows in lengths.argsort(stable=True).split(CPU_ROWS if on_cpu else len(lengths)):
        width = -(-int(lengths[rows].max()) // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE
        yield rows, model.base_model(input_ids=input_ids[rows, :width], use_cache=False).last_hidden_state


class TokenLoss(nn.Module):
    """Cross-entropy summed over the labelled tokens of a batch, in nats.

    A module of its own, since gradients are synchronised between processes around a module's
    forward; the model inside stays a stock one.

    Args:
        model: is trained.
        text_weight: of tokens that are not values; a value counts 1.
    """

    def __init__(self, model, text_weight: float = 1.0):
        super().__init__()
        self.model, self.text_weight = model, text_weight
        model.set_attn_implementation(SHORT_ATTENTION)  # is not saved with the model

    def forward(self, input_ids, labels, attribute_ids) -> tuple[torch.Tensor, torch.Tensor]:
        """Two sums, over all labelled tokens, weighted, and, to be watched only, over those of values.

        Args:
            input_ids: (b, length).
            labels: (b, length) as in transformers: not shifted, -100 where nothing is to be learned.
            attribute_ids: (b, length), above 0 at value tokens.
        """
        targets, attributes = _predicted(labels, IGNORED_LABEL), _predicted(attribute_ids, 0)
        weight = self.model.get_output_embeddings().weight
        loss = _ChunkedLoss.apply if input_ids.device.type == "cpu" else _plain_loss
        sums = []
        for rows, hidden in _groups(self.model, input_ids, targets != IGNORED_LABEL):
            where = (rows, slice(hidden.shape[1]))
            flat = hidden.flatten(0, 1), weight, targets[where].flatten(), attributes[where].flatten() > 0
            sums.append(torch.stack(loss(*flat, self.text_weight)))
        total, of_values = torch.stack(sums).sum(0)
        return total, of_values.detach()


class DistillingLoss(TokenLoss):
    """`TokenLoss`, and in rows without any label a penalty for predicting otherwise than another model.

    Args:
        model: is trained.
        teacher: the other model; stays as it is.
        weight: of the penalty, the Kullback-Leibler divergence KL(teacher || model) summed over tokens, in nats.
        text_weight: of `TokenLoss`.
    """

    def __init__(self, model, teacher, weight: float, text_weight: float = 1.0):
        super().__init__(model, text_weight)
        self.teacher, self.weight = teacher.requires_grad_(False), weight

    def forward(self, input_ids, labels, attribute_ids):
        """As in `TokenLoss`; the penalty is part of the first sum."""
        silent = (labels == IGNORED_LABEL).all(1)
        total = of_values = torch.zeros((), device=input_ids.device)
        if not silent.all():
            total, of_values = super().forward(input_ids[~silent], labels[~silent], attribute_ids[~silent])
        if silent.any():
            total = total + self.weight * self._divergence(input_ids[silent])
        return total, of_values

    def _divergence(self, input_ids) -> torch.Tensor:
        wanted = input_ids != self.model.config.pad_token_id
        with torch.no_grad():
            expected = wanted_logits(self.teacher, input_ids, wanted).log_softmax(1)
        predicted = wanted_logits(self.model, input_ids, wanted).log_softmax(1)
        return functional.kl_div(predicted, expected, reduction="sum", log_target=True)


def _plain_loss(hidden, weight, targets, is_value, text_weight) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of the next tokens, weighted and summed over all that have a label, and summed over values."""
    kept = targets != IGNORED_LABEL
    logits = functional.linear(hidden[kept], weight).float()
    losses = functional.cross_entropy(logits, targets[kept], reduction="none")
    of_values = losses[is_value[kept]].sum()
    return torch.where(is_value[kept], losses, text_weight * losses).sum(), of_values


class _ChunkedLoss(torch.autograd.Function):
    """`_plain_loss` with few logits at a time, on a CPU: gradients are made while the logits are in the cache.

    `torch.nn.functional.linear_cross_entropy` does the same, but gives no losses of single tokens without computing
    all logits twice.
    """

    @staticmethod
    def forward(ctx, hidden, weight, targets, is_value, text_weight):
        for_hidden, for_weight, losses = torch.empty_like(hidden), torch.zeros_like(weight), []
        counts = torch.where(is_value, 1.0, text_weight) * (targets != IGNORED_LABEL)
        chunks = (tensor.split(CPU_LOGITS) for tensor in (hidden, targets, counts, for_hidden))
        for states, labels, count, for_states in zip(*chunks, strict=True):
            count, which = count[:, None], labels.clamp(min=0)[:, None]
            p = functional.linear(states, weight).float().softmax(1)
            losses.append(-p.gather(1, which).clamp(min=_TINY).log()[:, 0])
            p.scatter_add_(1, which, p.new_full(which.shape, -1.0))
            for_states.copy_((p @ weight) * count)
            for_weight += p.T @ (states * count)
        ctx.save_for_backward(for_hidden, for_weight)
        losses = torch.cat(losses) * counts
        return losses.sum(), losses[is_value].sum()

    @staticmethod
    def backward(ctx, scale, _):
        for_hidden, for_weight = ctx.saved_tensors
        return for_hidden * scale, for_weight * scale, None, None, None


_TINY = torch.finfo(torch.float32).tiny  # a loss above 87 nats counts as 87, rather than as infinite
