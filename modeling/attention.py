"""The attention function of every model here: a tape's, if there is one; on a CPU a fast one; torch's for all else."""

from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from modeling.cpu import short_attention, suits_short_attention

SHORT_ATTENTION = "short"


def attention(module, query, key, value, attention_mask, dropout=0.0, scaling=None, tape=None, **kwargs):
    """Arguments and results are those of an attention function of transformers; a tape is of modeling/patching.py."""
    if tape is not None:
        return tape.attend(module, query, *_for_each_head(query, key, value), attention_mask, dropout, scaling)
    if module.is_causal and attention_mask is None and not dropout and suits_short_attention(query, key):
        return short_attention(query, *_for_each_head(query, key, value), scaling), None
    return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)


def _for_each_head(query, *states):
    """Keys and values, once for each of the heads that share them."""
    return [repeat_kv(shared, query.shape[1] // shared.shape[1]) for shared in states]


AttentionInterface.register(SHORT_ATTENTION, attention)
AttentionMaskInterface.register(SHORT_ATTENTION, sdpa_mask)
