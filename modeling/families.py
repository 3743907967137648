"""Model families, one row each: all that the rest of the house knows of an architecture. Stock transformers classes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from command_line import UserError


@dataclass(frozen=True)
class Family:
    """An architecture. A new one is a function that makes its configuration, and a row of FAMILIES.

    Attributes:
        prefix: of the names of its presets.
        words: for the card.
        config: makes the stock configuration, from what all have in common (vocabulary, special tokens) and the
            sizes of a preset.
        blocks: name of the list of blocks, in the base model.
        feed_forward: name of the feed-forward layer, in a block.
        attention: name of the attention, in a block, if it goes through a tape (modeling/patching.py); None if not.
        lora: names of the matrices that LoRA adds to, in a block; none if it cannot be used.
        input_first: whether these matrices are (input, output), not (output, input) as those of `nn.Linear`.
    """

    prefix: str
    words: str
    config: Callable
    blocks: str
    feed_forward: str
    attention: str | None
    lora: tuple[str, ...]
    input_first: bool = False


def family_of(config) -> Family:
    """The family of a stock configuration; one that has no row is taken for a relative of Llama, as most are.

    Whether it is one, `modeling.foreign.check_model` tells.
    """
    if config.model_type not in FAMILIES:
        return replace(FAMILIES["llama"], words=f"{config.model_type} model")
    return FAMILIES[config.model_type]


def _gpt2(shared: dict, **sizes: int):
    """No dropout (the paper names none), tied embeddings."""
    from transformers import GPT2Config

    return GPT2Config(
        **shared,
        **sizes,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own ("gelu_new") as one kernel instead of eight
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )


def _llama(shared: dict, n_layer: int, n_embd: int, n_head: int, n_positions: int):
    """As many weights in a block as GPT-2 has: three matrices of the feed-forward layer, each 8/3 as wide as the model,
    rounded up to a multiple of 8.
    """
    from transformers import LlamaConfig

    _check_rotary(n_embd, n_head)
    return LlamaConfig(
        **shared,
        num_hidden_layers=n_layer,
        hidden_size=n_embd,
        num_attention_heads=n_head,
        max_position_embeddings=n_positions,
        intermediate_size=8 * -(-n_embd // 3),
        tie_word_embeddings=False,
    )


def _qwen3(shared: dict, n_layer: int, n_embd: int, n_head: int, n_positions: int):
    """As the smallest Qwen3: two heads share keys and values, the feed-forward layer is three times as wide as the
    model, embeddings are tied. A block has as many weights as GPT-2's.
    """
    from transformers import Qwen3Config

    _check_rotary(n_embd, n_head)
    if n_head % 2:
        raise UserError(f"n_head is {n_head}; it must be even, since two heads of Qwen3 share keys and values")
    return Qwen3Config(
        **shared,
        num_hidden_layers=n_layer,
        hidden_size=n_embd,
        num_attention_heads=n_head,
        num_key_value_heads=n_head // 2,
        head_dim=n_embd // n_head,
        max_position_embeddings=n_positions,
        intermediate_size=3 * n_embd,
        tie_word_embeddings=True,
    )


def _gpt_neox(shared: dict, n_layer: int, n_embd: int, n_head: int, n_positions: int):
    """As Pythia: attention and feed-forward layer side by side, rotary positions in a quarter of each head."""
    from transformers import GPTNeoXConfig

    if n_embd // n_head % 8:
        raise UserError(
            f"n_embd / n_head is {n_embd // n_head}; a quarter of it must be even, since rotary positions turn pairs"
        )
    return GPTNeoXConfig(
        **shared,
        num_hidden_layers=n_layer,
        hidden_size=n_embd,
        num_attention_heads=n_head,
        max_position_embeddings=n_positions,
        intermediate_size=4 * n_embd,
        tie_word_embeddings=False,
    )


def _check_rotary(n_embd: int, n_head: int) -> None:
    if n_embd // n_head % 2:
        raise UserError(f"n_embd / n_head is {n_embd // n_head}; it must be even, since rotary positions turn pairs")


def _hawk(shared: dict, n_layer: int, n_embd: int, n_head: int, n_positions: int):
    """Griffin's classes with recurrent blocks alone (De et al. 2024; paper, App. C); reads any number of positions."""
    from transformers import RecurrentGemmaConfig

    return RecurrentGemmaConfig(
        **shared,
        block_types=["recurrent"],
        num_hidden_layers=n_layer,
        num_attention_heads=n_head,  # blocks of the recurrence's gates
        hidden_size=n_embd,
        lru_width=n_embd,
        intermediate_size=2 * (8 * n_embd // 3),  # three matrices, together as large as the two of GPT-2
        logits_soft_cap=1e6,  # none: the loss here is that of plain logits
        use_cache=False,
    )


_PROJECTIONS = (
    *("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
    *("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
)
# By the `model_type` of config.json.
FAMILIES = {
    "gpt2": Family(
        prefix="",
        words="GPT-2 model",
        config=_gpt2,
        blocks="h",
        feed_forward="mlp",
        attention="attn",
        lora=("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"),
        input_first=True,
    ),
    "llama": Family(
        prefix="llama-",
        words="Llama model (rotary positions, RMSNorm, SwiGLU)",
        config=_llama,
        blocks="layers",
        feed_forward="mlp",
        attention="self_attn",
        lora=_PROJECTIONS,
    ),
    "qwen3": Family(
        prefix="qwen3-",
        words="Qwen3 model (rotary positions, RMSNorm, SwiGLU, grouped-query attention)",
        config=_qwen3,
        blocks="layers",
        feed_forward="mlp",
        attention="self_attn",
        lora=_PROJECTIONS,
    ),
    "gpt_neox": Family(
        prefix="neox-",
        words="GPT-NeoX model (rotary positions, parallel layers)",
        config=_gpt_neox,
        blocks="layers",
        feed_forward="mlp",
        attention="attention",
        lora=("attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
    ),
    "recurrent_gemma": Family(
        prefix="hawk-",
        words="Hawk model, recurrent and without attention",
        config=_hawk,
        blocks="layers",
        feed_forward="mlp_block",
        attention=None,
        lora=(),  # its blocks keep states that cannot be copied, as merging needs
    ),
}
