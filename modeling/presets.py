"""Model presets by name: stock configurations of each family in the same sizes."""

from command_line import UserError, unknown
from modeling.families import FAMILIES
from settings.declare import check_bounds
from settings.model import ModelSettings

# Sizes of the paper (Sec. 1 and App. C): 44m is its default model, by its name there (docs/DIFFERENCES.md); `tiny` and
# `nano` are this project's, for minutes on a CPU and for tests.
SIZES = {
    "nano": {"n_layer": 2, "n_embd": 32, "n_head": 2, "n_positions": 256},
    "tiny": {"n_layer": 2, "n_embd": 128, "n_head": 4, "n_positions": 256},
    "44m": {"n_layer": 8, "n_embd": 512, "n_head": 8, "n_positions": 512},
    "163m": {"n_layer": 12, "n_embd": 896, "n_head": 16, "n_positions": 512},
    "400m": {"n_layer": 12, "n_embd": 1536, "n_head": 12, "n_positions": 512},
}
# GPT-2 by the name of the size alone, the others with their prefix: `tiny`, `llama-tiny`.
PRESETS = {family.prefix + name: (family, sizes) for family in FAMILIES.values() for name, sizes in SIZES.items()}
# The vocabulary of the model is rounded up to a multiple of this: matrix products like even sizes.
VOCABULARY_MULTIPLE = 64
_ARCHITECTURE = (
    "model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads",
    "intermediate_size", "max_position_embeddings", "tie_word_embeddings", "vocab_size",
)  # fmt: skip


def build_model(settings: ModelSettings, tokenizer, max_length: int, seed: int, longest: str = "the longest biography"):
    """A freshly initialized stock model; its weights depend on family, sizes and seed alone.

    Args:
        settings: preset and overrides.
        tokenizer: gives vocabulary size and special tokens.
        max_length: tokens of the longest sequence it will have to read.
        seed: of the initial weights.
        longest: what that sequence is.

    Raises:
        UserError: sizes that don't fit together, or not into this machine.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    from modeling.cost import check_size

    config = build_config(settings, tokenizer)
    check_length(max_length, config, longest)
    check_size(config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    told = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id", "use_cache")}
    # A text ends with `eos_token`; one that does not is cut off while a prompt as long as it still fits.
    room = PRESETS[settings.preset][1]["n_positions"] // 2
    model.generation_config = GenerationConfig(**told, max_new_tokens=room)
    return model


def check_length(max_length: int, config, longest: str) -> None:
    """Raise UserError if the longest biography is longer than a model reads; a recurrent one reads any length."""
    n_positions = getattr(config, "max_position_embeddings", None)
    if n_positions is not None and max_length > n_positions:
        raise UserError(
            f"{longest} has {max_length} tokens, the model reads {n_positions}; "
            "shorten the templates or names, or take a model with more positions"
        )


def build_config(settings: ModelSettings, tokenizer):
    """The stock configuration of a preset.

    Raises:
        UserError: unknown preset, sizes that don't fit together.
    """
    check_bounds(settings)
    if settings.preset not in PRESETS:
        raise UserError(unknown("preset", settings.preset, "", PRESETS))
    family, sizes = PRESETS[settings.preset]
    given = {name: getattr(settings, name, None) for name in sizes}
    sizes = sizes | {name: value for name, value in given.items() if value is not None}
    if sizes["n_embd"] % sizes["n_head"]:
        raise UserError(f"n_embd {sizes['n_embd']} cannot be divided among n_head {sizes['n_head']} heads")
    shared = {
        "vocab_size": -(-len(tokenizer) // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return family.config(shared, **sizes)


def difference(config, expected) -> tuple | None:
    """The first thing in which two architectures differ: its name, and what it is in each; None if there is none."""
    both = ((name, getattr(config, name, None), getattr(expected, name, None)) for name in _ARCHITECTURE)
    return next((found for found in both if found[1] != found[2]), None)
