"""What training a model takes, before its first step: operations, memory and, from the time of one product, time."""

from dataclasses import dataclass

import psutil
import torch
from torch.utils.benchmark import Timer
from transformers import AutoModelForCausalLM

from command_line import UserError

GIB = 2**30
# Bytes of a parameter: itself in float32; its gradient and the two moments of AdamW, if it is trained.
_WEIGHT, _TRAINED = 4, 12
# Numbers that are kept of a token for the backward pass: of a block in widths of the residual stream, of attention in
# positions times heads, of the loss in logits.
_BLOCK, _ATTENTION, _LOGITS = 24, 2, 2


@dataclass(frozen=True)
class Cost:
    """Of an update.

    Attributes:
        n_parameters: of the model.
        flop: floating-point operations of a whole batch, forward and backward.
        state: bytes of weights, gradients and optimizer.
        activations: bytes of one pass, about.
    """

    n_parameters: int
    flop: float
    state: int
    activations: float


def cost(model, batch_size: int, rows: int, length: float, few_logits: bool, recompute: bool = False) -> Cost:
    """What an update takes.

    Args:
        model: a causal language model, also one without memory of its own (device `meta`).
        batch_size: rows of an update.
        rows: of one pass.
        length: tokens of a row, on average.
        few_logits: whether those of a pass are never all there at once.
        recompute: whether activations inside blocks are computed again (modeling/recompute.py).
    """
    config, n_parameters = model.config, model.num_parameters()
    n_trained = model.num_parameters(only_trainable=True)
    head = config.vocab_size * config.hidden_size
    blocks = model.num_parameters(exclude_embeddings=True) - (0 if config.tie_word_embeddings else head)
    # 6 operations for each weight of a matrix and token (Kaplan et al. 2020, Sec. 2.1), and causal attention.
    flop = 6 * (blocks + head + config.num_hidden_layers * config.hidden_size * length) * batch_size * length
    inside = _BLOCK * config.hidden_size + _ATTENTION * config.num_attention_heads * length
    kept = config.num_hidden_layers * inside
    if recompute:  # what goes into each block, and one block at a time; a second forward pass, where backward is two
        kept, flop = config.num_hidden_layers * config.hidden_size + inside, flop * 4 / 3
    kept += 0 if few_logits else _LOGITS * config.vocab_size
    return Cost(n_parameters, flop, _WEIGHT * n_parameters + _TRAINED * n_trained, 4 * kept * rows * length)


def check_size(config) -> None:
    """Check that a model of a configuration can be made here at all, before it takes memory.

    Raises:
        UserError: its weights are larger than this machine's memory.
    """
    with torch.device("meta"):
        n_parameters = AutoModelForCausalLM.from_config(config).num_parameters()
    check_fits(f"a model of {n_parameters:.3g} parameters", _WEIGHT * n_parameters, memory())


def check_fits(what: str, needed: float, there: float) -> None:
    """Raise UserError if something needs more bytes than there are."""
    if needed > there:
        raise UserError(f"{what} needs {needed / GIB:,.0f} GiB of memory, and there are {there / GIB:,.0f}")


def memory(device: torch.device | None = None) -> int:
    """Bytes of a GPU, or of this machine; used or not."""
    on_gpu = device is not None and device.type == "cuda"
    return torch.cuda.get_device_properties(device).total_memory if on_gpu else psutil.virtual_memory().total


def speed(device: torch.device, dtype: torch.dtype, width: int, rows: int = 1024) -> float:
    """Floating-point operations a second, of a product such as the blocks of a model so wide make."""
    a, b = (torch.ones(shape, dtype=dtype, device=device) for shape in ((rows, width), (width, 4 * width)))
    timer = Timer("a @ b", globals={"a": a, "b": b}, num_threads=torch.get_num_threads())
    return 8 * rows * width**2 / timer.blocked_autorange(min_run_time=0.1).median
