"""Attention for short sequences on a CPU."""

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SHORT_ATTENTION = "short"
# Longer ones would need much memory for their probabilities.
_LONGEST = 512


def short_attention(module, query, key, value, attention_mask, dropout=0.0, scaling=None, tape=None, **kwargs):
    """Causal attention as two batched products, on a CPU faster than torch's kernel; that of torch for all else.

    Arguments and results are those of an attention function of transformers. If there is a `tape` (of
    modeling/patching.py), it attends.
    """
    if tape is not None:
        return tape.attend(module, query, *_for_each_head(query, key, value), attention_mask, dropout, scaling)
    length, width = query.shape[-2:]
    masked = attention_mask is not None or query.shape[2] != key.shape[2] or not module.is_causal
    if query.device.type != "cpu" or masked or dropout or length > _LONGEST:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    key, value = _for_each_head(query, key, value)
    future = torch.full((length, length), -torch.inf).triu(1)
    query, key, values = (states.reshape(-1, length, width) for states in (query, key, value))
    probabilities = torch.baddbmm(future, query, key.mT, alpha=scaling).softmax(-1)
    return torch.bmm(probabilities, values).view(value.shape).transpose(1, 2).contiguous(), None


def _for_each_head(query, *states):
    """Keys and values, once for each of the heads that share them."""
    return [repeat_kv(shared, query.shape[1] // shared.shape[1]) for shared in states]


AttentionInterface.register(SHORT_ATTENTION, short_attention)
AttentionMaskInterface.register(SHORT_ATTENTION, sdpa_mask)
