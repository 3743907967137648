"""Matrix products by oneDNN where MKL, which torch uses, takes its slow path."""

import warnings
from pathlib import Path

import torch

_SMALLEST = 2**22  # multiplications; below, the call costs more than is won
_IMPLEMENTATIONS = []  # dropping torch's handle would undo it


def fast_products() -> None:
    """On x86 processors that are not Intel's, MKL leaves AVX-512 alone; oneDNN, also in torch, does not (docs/LOG.md).

    From then on `mm` and `addmm` of this process, forward and backward, are oneDNN's where they are of float32 and
    large; elsewhere (other processors, other builds of torch) nothing is changed.
    """
    if _IMPLEMENTATIONS or not _mkl_is_slow():
        return
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings(action="ignore"):  # that kernels are replaced is the purpose
        library.impl("mm", _mm, "CPU")
        library.impl("addmm", _addmm, "CPU")
    _IMPLEMENTATIONS.append(library)


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
    return a.shape[0] * b.numel() >= _SMALLEST and all(t.is_contiguous() or t.T.is_contiguous() for t in (a, b))


def _product(a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(a, b.T, bias, "none", [], "")
