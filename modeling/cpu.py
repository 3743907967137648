"""What makes a CPU faster and changes nothing but last bits. It is all here; `cpu_tricks: false` does without it.

Freed memory is kept; large products are oneDNN's; all cores are used; attention is two batched products; rows go
through the model few at a time, and their loss is computed few logits at a time. docs/LOG.md has what each is worth.
"""

import ctypes
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn import functional

from command_line import cores

# Rows that go through the model together, those of similar length: less padding is computed, and activations stay in
# the cache.
ROWS = 16
# oneDNN compiles a kernel for each new shape and keeps it; this keeps them few.
_WIDTH_MULTIPLE = 4
# Positions whose logits exist at the same time, for the cache, too.
LOGITS = 512
# Share of positions that predict, below which they are copied together rather than computed all.
_FEW = 0.5
# Longer rows would need much memory for the probabilities of attention.
_LONGEST_ATTENTION = 512
# Multiplications of a product; below, calling oneDNN costs more than is won.
_SMALLEST_PRODUCT = 2**22
# glibc's mallopt parameters, from malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4

_TINY = torch.finfo(torch.float32).tiny  # a loss above 87 nats counts as 87, rather than as infinite
_products: list[torch.library.Library] = []  # dropping torch's handle undoes it
_on = True
# Times: a CPU that has bfloat16 is at least as fast in it, one that has not takes ten times as long or more.
SLOW_BF16 = 3.0


def use_tricks(on: bool) -> None:
    """Turn all tricks of this process on or off. Before it is called, memory and products are torch's own."""
    global _on
    _on = on
    if on:
        keep_memory()
        fast_products()
    else:
        _products.clear()


def tricks_for(tensor: torch.Tensor) -> bool:
    """Whether a tensor goes through the fast code of this module."""
    return _on and tensor.device.type == "cpu"


def keep_memory() -> None:
    """Let the allocator reuse big blocks instead of giving them back after every step.

    On Linux nearly 1.5 times the tokens a second. With another libc, another system, nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_TOP_PAD, 2**26)


def use_cores(n_threads: int | None) -> str:
    """Use so many threads; if not told, as many as `OMP_NUM_THREADS` says, or this process's share of the cores.

    Returns:
        Why so many.
    """
    if n_threads is None and not _on:
        return "torch's own choice"
    if n_threads is not None:
        torch.set_num_threads(n_threads)
        return "--num_threads"
    if given := _told_by_environment():
        torch.set_num_threads(given)
        return "OMP_NUM_THREADS"
    n_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(max(1, cores() // n_processes))
    return "all cores" if n_processes == 1 else f"cores / {n_processes} processes"


def _told_by_environment() -> int | None:
    """What the user set; `accelerate launch` sets 1 where nobody did, which would leave all other cores idle."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ
    return int(given) if given.isdecimal() and int(given) > launched else None


def bf16_slowdown() -> float:
    """How many times as long a product takes in bfloat16 as in float32; about 40 on a CPU with AVX2 only."""
    return _seconds(torch.bfloat16) / _seconds(torch.float32)


def slow_in_bf16() -> bool:
    """Whether this CPU lacks bfloat16."""
    return bf16_slowdown() > SLOW_BF16


def _seconds(dtype: torch.dtype) -> float:
    """Of one product, the fastest of a few; the first compiles."""
    a, b, times = torch.ones(64, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype), []
    for _ in range(4):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return min(times)


def suits_short_attention(query: torch.Tensor, key: torch.Tensor) -> bool:
    """Whether `short_attention` is for these."""
    return tricks_for(query) and query.shape[2] == key.shape[2] and query.shape[2] <= _LONGEST_ATTENTION


def short_attention(query, key, value, scaling: float) -> torch.Tensor:
    """Causal attention as two batched products, faster than torch's kernel on short rows.

    Args:
        query, key, value: (b, heads, length, width of a head).
        scaling: of the scores.

    Returns:
        (b, length, heads, width of a head).
    """
    length, width = query.shape[-2:]
    future = torch.full((length, length), -torch.inf).triu(1)
    query, key, values = (states.reshape(-1, length, width) for states in (query, key, value))
    probabilities = torch.baddbmm(future, query, key.mT, alpha=scaling).softmax(-1)
    return torch.bmm(probabilities, values).view(value.shape).transpose(1, 2).contiguous()


def wanted_states(model, input_ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Last hidden states that predict the wanted tokens: (number wanted, width), in row-major order of `wanted`."""
    predicts = _shifted(wanted, False)
    hidden, numbers = [], []
    for rows, states in _groups(model, input_ids, predicts):
        row, column = predicts[rows, : states.shape[1]].nonzero(as_tuple=True)
        hidden.append(states[row, column])
        numbers.append(rows[row] * predicts.shape[1] + column)
    return torch.cat(hidden)[torch.cat(numbers).argsort()]


def token_loss(model, input_ids, labels, attribute_ids, template_weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    """What `modeling.loss.TokenLoss` is, with few rows and few logits at a time."""
    targets, attributes = _shifted(labels, -1), _shifted(attribute_ids, 0)
    weight, sums = model.get_output_embeddings().weight, []
    for rows, hidden in _groups(model, input_ids, targets >= 0):
        where = (rows, slice(hidden.shape[1]))
        states, wanted, is_value = (t.flatten(0, 1) for t in (hidden, targets[where], attributes[where] > 0))
        if (wanted >= 0).float().mean() < _FEW:
            states, wanted, is_value = (t[wanted >= 0] for t in (states, wanted, is_value))
        sums.append(torch.stack(_ChunkedLoss.apply(states, weight, wanted, is_value, template_weight)))
    total, value_loss = torch.stack(sums).sum(0)
    return total, value_loss.detach()


def _shifted(tokens: torch.Tensor, fill) -> torch.Tensor:
    """At each position, what belongs to the token it predicts: the next one."""
    return functional.pad(tokens[:, 1:], (0, 1 + -tokens.shape[1] % _WIDTH_MULTIPLE), value=fill)


def _groups(model, input_ids: torch.Tensor, predicts: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Rows, and their last hidden states up to the last position that predicts."""
    lengths = predicts.shape[1] - predicts.flip(1).int().argmax(1)
    input_ids = functional.pad(input_ids, (0, predicts.shape[1] - input_ids.shape[1]))
    for rows in lengths.argsort(stable=True).split(ROWS):
        width = -(-int(lengths[rows].max()) // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE
        yield rows, model.base_model(input_ids=input_ids[rows, :width], use_cache=False).last_hidden_state


class _ChunkedLoss(torch.autograd.Function):
    """Cross-entropy from hidden states, few logits at a time: gradients are made while the logits are in the cache.

    `torch.nn.functional.linear_cross_entropy` does the same, but gives no losses of single tokens without computing
    all logits twice.
    """

    @staticmethod
    def forward(ctx, hidden, weight, targets, is_value, template_weight):
        for_hidden, for_weight, losses = torch.empty_like(hidden), torch.zeros_like(weight), []
        counts = torch.where(is_value, 1.0, template_weight) * (targets >= 0)
        chunks = (tensor.split(LOGITS) for tensor in (hidden, targets, counts, for_hidden))
        for states, labels, count, for_states in zip(*chunks, strict=True):
            count, which = count[:, None], labels.clamp(min=0)[:, None]
            p = functional.linear(states, weight).float().softmax(1)
            losses.append(-p.gather(1, which).clamp(min=_TINY).log()[:, 0])
            p.scatter_add_(1, which, p.new_full(which.shape, -1.0))
            for_states.copy_((p @ weight) * count)
            for_weight += p.T @ (states * count)
        ctx.save_for_backward(for_hidden, for_weight)
        losses = torch.cat(losses) * counts
        return losses.sum(), losses[is_value].sum()

    @staticmethod
    def backward(ctx, scale, _):
        for_hidden, for_weight = ctx.saved_tensors
        return for_hidden * scale, for_weight * scale, None, None, None


def fast_products() -> None:
    """Use oneDNN for products where MKL, which torch uses, leaves AVX-512 alone: on x86 processors that aren't Intel's.

    From then on `mm` and `addmm` of this process, forward and backward, are oneDNN's where they are of float32 and
    large; elsewhere (other processors, other builds of torch) nothing is changed.
    """
    if _products or not _mkl_is_slow():
        return
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings(action="ignore"):  # that kernels are replaced is the purpose
        library.impl("mm", _mm, "CPU")
        library.impl("addmm", _addmm, "CPU")
    _products.append(library)


def _mkl_is_slow() -> bool:
    cpu = Path("/proc/cpuinfo")
    has_both = torch.backends.mkl.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    has_avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return has_both and has_avx512 and cpu.exists() and "GenuineIntel" not in cpu.read_text()


def _mm(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if not _suits(a, b):
        return torch.mm(a, b, out=a.new_empty(0))  # another kernel than `mm`: torch's own
    if a.is_contiguous() or a.numel() < b.numel():
        return _product(a, b)
    return _product(b.T, a.T).T  # oneDNN wants its left matrix row by row: the smaller one is copied


def _addmm(bias, a, b, *, beta=1, alpha=1) -> torch.Tensor:
    # oneDNN would read a bias with gaps, or one number for all, as if its entries lay side by side.
    plain = bias.shape == b.shape[1:] and bias.dtype == b.dtype and bias.is_contiguous()
    if plain and beta == alpha == 1 and _suits(a, b):
        return _product(a, b, bias)
    return torch.addmm(bias, a, b, beta=beta, alpha=alpha, out=a.new_empty(0))


def _suits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """All else is torch's own, its error messages too."""
    if not a.dtype == b.dtype == torch.float32 or not a.ndim == b.ndim == 2 or a.shape[1] != b.shape[0]:
        return False
    return a.shape[0] * b.numel() >= _SMALLEST_PRODUCT and all(t.is_contiguous() or t.T.is_contiguous() for t in (a, b))


def _product(a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(a, b.T, bias, "none", [], "")
