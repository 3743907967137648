"""The training objective, and the model's predictions where they are wanted and nowhere else."""

import torch
from torch import nn
from torch.nn import functional

IGNORED_LABEL = -100
# On a CPU, rows go through the model a few at a time, those of similar length together: less
# padding is computed and activations stay in the cache (1.4 times faster with 4 layers of width 128, docs/LOG.md).
CPU_ROWS = 16
# Tokens whose logits exist at the same time on a CPU, for the same reason.
CPU_LOGITS = 1024


def wanted_hidden(model, input_ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Last hidden states at the positions that predict the wanted tokens.

    Sequences are padded on the right, so causal attention never sees padding from a real token and
    no attention mask is needed.

    Args:
        model: a stock causal language model.
        input_ids: (b, length).
        wanted: (b, length) bool, True where a token is to be predicted from those before it; the
            first column is not looked at (nothing comes before it).

    Returns:
        (number wanted, width), in row-major order of `wanted`.
    """
    if input_ids.device.type != "cpu":
        return _hidden(model, input_ids, wanted)
    lengths = wanted.shape[1] - wanted.flip(1).int().argmax(1)
    order = lengths.argsort(stable=True)
    pieces: list = [None] * len(order)
    for rows in order.split(CPU_ROWS):
        width = int(lengths[rows].max())
        hidden = _hidden(model, input_ids[rows, :width], wanted[rows, :width])
        counts = wanted[rows, 1:].sum(1).tolist()
        for row, piece in zip(rows.tolist(), hidden.split(counts), strict=True):
            pieces[row] = piece
    return torch.cat(pieces)


def _hidden(model, input_ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    hidden = model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state
    return hidden[:, :-1][wanted[:, 1:]]


def wanted_logits(model, input_ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Logits of the wanted tokens, (number wanted, vocabulary), float32; arguments as `wanted_hidden`."""
    return model.get_output_embeddings()(wanted_hidden(model, input_ids, wanted)).float()


class TokenLoss(nn.Module):
    """Cross-entropy summed over the labelled tokens of a batch, in nats.

    A module of its own, since gradients are synchronised between processes around a module's
    forward; the model inside stays a stock one.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Sum over tokens; `labels` as in transformers: not shifted, -100 where nothing is to be learned."""
        wanted = labels != IGNORED_LABEL
        hidden = wanted_hidden(self.model, input_ids, wanted)
        targets = labels[:, 1:][wanted[:, 1:]]
        return _summed_cross_entropy(hidden, self.model.get_output_embeddings().weight, targets)


def _summed_cross_entropy(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Head and loss together; in chunks on a CPU where torch has the function (2.13 and later)."""
    if hidden.device.type == "cpu" and hasattr(functional, "linear_cross_entropy"):
        options = nn.LinearCrossEntropyOptions(batch_chunk_size=CPU_LOGITS, chunking_method=None)
        return functional.linear_cross_entropy(hidden, weight, targets, reduction="sum", options=options)
    logits = functional.linear(hidden, weight).float()
    return functional.cross_entropy(logits, targets, reduction="sum")
