"""Model presets by name: stock GPT-2 configurations, and Hawk ones of the same sizes."""

from command_line import UserError, check_bounds
from settings.model import ModelSettings

# Sizes of the paper (Sec. 2 and App. C): 44m is its default model; `tiny` and `nano` are this
# project's, for minutes on a CPU and for tests.
PRESETS = {
    "nano": {"n_layer": 2, "n_embd": 32, "n_head": 2, "n_positions": 256},
    "tiny": {"n_layer": 2, "n_embd": 128, "n_head": 4, "n_positions": 256},
    "44m": {"n_layer": 8, "n_embd": 512, "n_head": 8, "n_positions": 512},
    "163m": {"n_layer": 12, "n_embd": 896, "n_head": 16, "n_positions": 512},
    "400m": {"n_layer": 12, "n_embd": 1536, "n_head": 12, "n_positions": 512},
}
# Before a preset's name: attention is replaced by recurrent blocks (paper, App. C).
HAWK = "hawk-"
# The vocabulary of the model is rounded up to a multiple of this: matrix products like even sizes.
VOCABULARY_MULTIPLE = 64


def build_model(settings: ModelSettings, tokenizer, max_length: int, seed: int):
    """A freshly initialised stock model, GPT-2 or Hawk; its weights depend on sizes and seed alone.

    Args:
        settings: preset and overrides.
        tokenizer: gives vocabulary size and special tokens.
        max_length: tokens of the longest sequence it will have to read.
        seed: of the initial weights.

    Raises:
        UserError: sizes that don't fit together.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = build_config(settings, tokenizer)
    check_length(max_length, config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config)


def check_length(max_length: int, config) -> None:
    """Raise UserError if a biography may be longer than a model reads; a recurrent one reads any length."""
    if hasattr(config, "n_positions") and max_length > config.n_positions:
        raise UserError(
            f"the longest biography has {max_length} tokens, the model reads {config.n_positions}; "
            "shorten the templates or names, or take a model with more positions"
        )


def build_config(settings: ModelSettings, tokenizer):
    """The stock configuration of a preset: no dropout (the paper names none), tied embeddings."""
    sizes = _sizes(settings)
    shared = {
        "vocab_size": -(-len(tokenizer) // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return _hawk_config(sizes, shared) if settings.preset.startswith(HAWK) else _gpt2_config(sizes, shared)


def _sizes(settings: ModelSettings) -> dict[str, int]:
    check_bounds(settings)
    names = ("n_layer", "n_head", "n_embd")
    given = {name: getattr(settings, name) for name in names if getattr(settings, name) is not None}
    sizes = PRESETS[settings.preset.removeprefix(HAWK)] | given
    if sizes["n_embd"] % sizes["n_head"]:
        raise UserError(f"n_embd {sizes['n_embd']} cannot be divided among n_head {sizes['n_head']} heads")
    return sizes


def _gpt2_config(sizes: dict[str, int], shared: dict[str, int]):
    from transformers import GPT2Config

    return GPT2Config(
        **shared,
        **sizes,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own ("gelu_new") as one kernel instead of eight
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )


def _hawk_config(sizes: dict[str, int], shared: dict[str, int]):
    """Griffin's classes with recurrent blocks alone (De et al. 2024)."""
    from transformers import RecurrentGemmaConfig

    width = sizes["n_embd"]
    return RecurrentGemmaConfig(
        **shared,
        block_types=["recurrent"],
        num_hidden_layers=sizes["n_layer"],
        num_attention_heads=sizes["n_head"],  # blocks of the recurrence's gates
        hidden_size=width,
        lru_width=width,
        intermediate_size=2 * (8 * width // 3),  # three matrices, together as large as the two of GPT-2
        logits_soft_cap=1e6,  # none: the loss here is that of plain logits
        use_cache=False,
    )
