"""Which model, and which of its weights are trained."""

from dataclasses import dataclass
from typing import Literal

from settings.declare import Role, setting


@dataclass
class ModelSettings:
    """Which model. Sizes that are given override the preset's."""

    preset: str = setting(
        "44m", "size of the model, with a prefix if it is not GPT-2 but Llama, Qwen3 or Hawk (no attention)", cost=True
    )
    init_from: str | None = setting(
        None, "causal language model to begin with, directory or Hub id, with its tokenizer and sizes", Role.INPUT
    )
    n_layer: int | None = setting(None, "blocks; the preset's if None", at_least=1, at_most=1024, cost=True)
    n_head: int | None = setting(None, "attention heads per block; the preset's if None", at_least=1, cost=True)
    n_embd: int | None = setting(None, "width of the residual stream; the preset's if None", at_least=1, cost=True)
    name_gain: float = setting(
        1.0, "factor of the errors that reach the names, where they leave the last block; predictions stay", above=0
    )


@dataclass
class AdaptationSettings:
    """What is trained."""

    trainable: Literal["all", "feed_forward", "all_but_feed_forward", "lora"] = setting(
        "all", "which weights to train", cost=True
    )
    lora_r: int = setting(8, "lora: rank of the addition to each matrix of the blocks", at_least=1, at_most=4096)
    lora_alpha: float = setting(16.0, "lora: the additions are scaled by lora_alpha / lora_r", above=0)
