"""The fast products against torch's own, in a process of their own: they would stay in this one."""

import subprocess
import sys

import pytest
import torch

from modeling import cpu
from tests.helpers.pretraining import ROOT

SHAPES = [(512, 64, 256), (700, 130, 77), (2, 3, 4), (1, 2100, 2100)]


@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="torch without oneDNN")
def test_fast_products_and_their_gradients_are_those_of_torch():
    module = [sys.executable, "-m", "tests.modeling.test_cpu"]
    done = subprocess.run(module, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def operands(rows, inner, columns):
    """Each as it lies in memory, transposed, with gaps, and with one number for all; and a bias."""
    a, b = torch.randn(rows, inner, dtype=torch.float64), torch.randn(inner, columns, dtype=torch.float64)
    yield a, b
    yield a.T.contiguous().T, b.T.contiguous().T
    yield torch.randn(rows, 2 * inner, dtype=torch.float64)[:, ::2], b
    yield a, torch.randn(inner, 1, dtype=torch.float64).expand(inner, columns)
    yield a.T.contiguous().T, torch.randn(1, 1, dtype=torch.float64).expand(inner, columns)


def check(a, b, bias):
    """Float32 products of float64 numbers, plain and with a bias, and gradients for all."""
    results = []
    for dtype in (torch.float64, torch.float32):
        leaves = [t.to(dtype).requires_grad_() for t in (a, b, bias)]
        x, y, z = leaves
        outputs = [x @ y, torch.addmm(z, x, y), torch.addmm(z, x, y, beta=0.5, alpha=2.0), torch.mm(x, x.T)]
        gradients = torch.autograd.grad(sum(o.square().sum() for o in outputs) / len(a), leaves)
        results.append([*outputs, *gradients])
    for expected, actual in zip(*results, strict=True):
        scale = expected.abs().max().item()
        torch.testing.assert_close(actual.double(), expected, rtol=1e-4, atol=1e-5 * scale)


def check_biases(a, b):
    """A bias is added as it is: as one lies in a layer, with gaps, and one number for all."""
    columns = b.shape[1]
    for bias in (torch.randn(columns), torch.randn(2 * columns)[::2], torch.randn(1).expand(columns)):
        expected, actual = torch.addmm(bias.double(), a, b), torch.addmm(bias, a.float(), b.float())
        torch.testing.assert_close(actual.double(), expected, rtol=1e-4, atol=1e-3)


def check_errors(a, b):
    """What torch refuses is refused, in its own words."""
    for wrong in (b[1:], b.double(), b[0]):
        with pytest.raises(RuntimeError, match=r"mat1 and mat2|same dtype|must be a matrix"):
            torch.mm(a, wrong)
    with pytest.raises(RuntimeError, match="dtype"):
        torch.addmm(torch.randn(b.shape[1], dtype=torch.float64), a, b)


if __name__ == "__main__":
    torch.manual_seed(0)
    cpu._mkl_is_slow = lambda: True
    cpu.use_tricks(True)
    cpu.use_tricks(True)  # a second time changes nothing
    for shape in SHAPES:
        for a, b in operands(*shape):
            check(a, b, torch.randn(b.shape[1], dtype=torch.float64))
        check_biases(*next(operands(*shape)))
    check_errors(torch.randn(512, 300), torch.randn(300, 256))
    half = torch.randn(256, 256, dtype=torch.bfloat16)
    assert (half @ half).dtype == torch.bfloat16
    assert (torch.ones(3, 0) @ torch.ones(0, 4) == 0).all()
    calls, product = [], cpu._product
    cpu._product = lambda *matrices: calls.append(matrices) or product(*matrices)
    for on in (True, False, True):
        cpu.use_tricks(on)
        torch.randn(512, 300) @ torch.randn(300, 256)
        assert bool(calls) == on
        calls.clear()
