"""What benchmarks compute; they measure only when they are run."""

import os

import psutil
import pytest

from benchmarks.busy import WAYS, company, waiting
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


def test_each_way_of_waiting_finds_its_own_environment_and_leaves_none(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    names = {name for way in WAYS.values() for name in way}
    before = {name: os.environ.get(name) for name in names}
    for way in WAYS.values():
        with waiting(way):
            assert {name: os.environ[name] for name in names if name in os.environ} == way
        assert {name: os.environ.get(name) for name in names} == before


def test_a_busy_machine_has_a_process_for_each_core_and_then_none():
    own = psutil.Process()
    with company():
        others = own.children()
        assert len(others) == os.cpu_count()
    assert not any(other.is_running() for other in others)
