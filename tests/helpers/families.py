"""The smallest model of each family."""

import torch

from modeling.families import FAMILIES
from modeling.presets import build_model
from settings.model import ModelSettings

NANO = [family.prefix + "nano" for family in FAMILIES.values()]
# Those whose attention can be recorded and patched.
ATTENTIVE = [family.prefix + "nano" for family in FAMILIES.values() if family.attention]


def nano(tokenizer, seed=0, preset="nano", max_length=256, **sizes):
    return build_model(ModelSettings(preset=preset, **sizes), tokenizer, max_length, seed)


def lively(tokenizer, seed, preset="nano"):
    """A model whose attention is far from uniform, with biases that are not 0."""
    model = nano(tokenizer, seed, preset, n_head=4)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


def attention_of(block):
    """The attention of a block, and the matrix after it."""
    names, last = ("attn", "self_attn", "attention"), ("c_proj", "o_proj", "dense")
    attention = next(getattr(block, name) for name in names if hasattr(block, name))
    return attention, next(getattr(attention, name) for name in last if hasattr(attention, name))
