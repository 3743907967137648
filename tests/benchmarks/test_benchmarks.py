"""What benchmarks compute; they measure only when they are run."""

import os

import psutil
import pytest

from benchmarks.busy import WAYS, company, waiting
from benchmarks.growth import BASE, VOCABULARY, Size, sizes
from benchmarks.millions import DONE, draw, measured


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


def test_a_program_tells_its_own_figures_and_those_of_its_children_or_why_it_failed():
    told = measured("bytearray(50_000_000)\nended(words=sys.argv[1:])", ["{size}", "-"], size=3)
    assert told["words"] == ["3", "-"]
    assert 0 < told["cpu_seconds"] < 10
    child = "import subprocess\nsubprocess.run([sys.executable, '-c', 'bytearray(200_000_000)'])\nended()"
    assert measured(child, [])["peak_mb"] > told["peak_mb"] + 100
    with pytest.raises(RuntimeError, match="out of room"):
        measured("raise OSError('out of room')", [])


def test_millions_are_drawn_where_not_all_of_it_was_measured(tmp_path):
    row = {f"{what}_{key}": 2.0 for what in DONE for key in ("cpu_seconds", "peak_mb")}
    sizes = [{"individuals": 10} | row, {"individuals": 100, "start_cpu_seconds": 3.0, "start_peak_mb": 1.0}]
    draw({"sizes": sizes}, tmp_path / "figure.png")
    assert 5_000 < (tmp_path / "figure.png").stat().st_size < 200_000
