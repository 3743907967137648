"""The training objective, and the model's predictions where they are wanted and nowhere else."""

import torch
from torch import nn
from torch.nn import functional

from modeling import cpu
from modeling.attention import SHORT_ATTENTION

IGNORED_LABEL = -100
_PADDING = 0  # after the end of a row, whatever token of a tokenizer has this number


class TokenLoss(nn.Module):
    """Cross-entropy summed over the labeled tokens of a batch, in nats.

    A module of its own, since gradients are synchronized between processes around a module's forward; the model inside
    stays a stock one. Sequences are padded on the right, so causal attention never sees padding from a real token and
    no attention mask is needed.

    Args:
        model: is trained.
        template_weight: of template tokens, which are all that are not values; values have weight 1.
    """

    def __init__(self, model, template_weight: float = 1.0):
        super().__init__()
        self.model, self.template_weight = model, template_weight
        model.set_attn_implementation(SHORT_ATTENTION)  # is not saved with the model

    def forward(self, input_ids, labels, attribute_ids) -> tuple[torch.Tensor, torch.Tensor]:
        """Two sums, over all labeled tokens, weighted, and, to be watched only, over those of values.

        Args:
            input_ids: (b, length).
            labels: (b, length) as in transformers: not shifted, -100 where nothing is to be learned.
            attribute_ids: (b, length), above 0 at value tokens.
        """
        if cpu.tricks_for(input_ids):
            return cpu.token_loss(self.model, input_ids, labels, attribute_ids, self.template_weight)
        hidden = self.model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state  # (b, length, width)
        labels, is_value = labels[:, 1:], attribute_ids[:, 1:] > 0  # each position predicts the next token
        learned = labels != IGNORED_LABEL  # (b, length - 1), True n times
        logits = self.model.get_output_embeddings()(hidden[:, :-1][learned]).float()  # (n, vocabulary)
        losses = functional.cross_entropy(logits, labels[learned], reduction="none")  # (n,)
        value_loss, template_loss = losses[is_value[learned]].sum(), losses[~is_value[learned]].sum()
        return value_loss + self.template_weight * template_loss, value_loss.detach()


class DistillingLoss(TokenLoss):
    """`TokenLoss`, and in rows without any label a penalty for predicting otherwise than another model.

    Args:
        model: is trained.
        teacher: the other model; stays as it is.
        weight: of the penalty, the Kullback-Leibler divergence KL(teacher || model) summed over tokens, in nats.
        template_weight: of `TokenLoss`.
    """

    def __init__(self, model, teacher, weight: float, template_weight: float = 1.0):
        super().__init__(model, template_weight)
        self.teacher, self.weight = teacher.requires_grad_(False), weight

    def forward(self, input_ids, labels, attribute_ids):
        """As in `TokenLoss`; the penalty is part of the first sum."""
        unlabeled = (labels == IGNORED_LABEL).all(1)
        total = value_loss = torch.zeros((), device=input_ids.device)
        if not unlabeled.all():
            total, value_loss = super().forward(input_ids[~unlabeled], labels[~unlabeled], attribute_ids[~unlabeled])
        if unlabeled.any():
            ids = input_ids[unlabeled]
            wanted = (ids != _PADDING).flip(1).cumsum(1).flip(1) > 0  # 0 inside a text may be a token of the tokenizer
            with torch.no_grad():
                expected = wanted_logits(self.teacher, ids, wanted).log_softmax(1)
            predicted = wanted_logits(self.model, ids, wanted).log_softmax(1)
            divergence = functional.kl_div(predicted, expected, reduction="sum", log_target=True)
            total = total + self.weight * divergence
        return total, value_loss


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
    if cpu.tricks_for(input_ids):
        hidden = cpu.wanted_states(model, input_ids, wanted)
    else:
        hidden = model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state[:, :-1][wanted[:, 1:]]
    return model.get_output_embeddings()(hidden).float()
