"""What benchmarks compute; they measure only when they are run."""

import pytest

from benchmarks.growth import BASE, VOCABULARY, Size, sizes


def test_the_sizes_vary_one_thing_at_a_time_and_the_operations_of_a_step_are_those_of_its_matrices():
    for size in sizes():
        changed = [name for name in vars(size) if getattr(size, name) != getattr(BASE, name)]
        assert len(changed) == (size != BASE)
    assert len(set(sizes())) == len(sizes())
    size = Size(width=64, layers=3, batch=2, length=10)
    matrices = 3 * (64 * 3 * 64 + 64 * 64 + 2 * 64 * 256) + VOCABULARY * 64
    attention = 3 * 2 * (10 * 10 / 2) * 64  # two products, half of them masked
    assert size.gflop == pytest.approx(6e-9 * 2 * (10 * matrices + attention), rel=0.01)  # and a few biases
