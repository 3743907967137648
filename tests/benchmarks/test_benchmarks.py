"""What benchmarks compute from recorded runs; they measure only when they are run."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.growth import BASE, VOCABULARY, Size, sizes
from experiments.time_to_knowledge.__main__ import figures, reached, step_seconds
from run_directory.records import Run


def recorded(accuracies, step=50, seconds=10.0, evaluation=1.0):
    """A run that is evaluated every `step` steps; each evaluation takes a second of its own."""
    return [
        {"step": step * n, "seconds": seconds * n + evaluation * (n + 1), "evaluation_seconds": evaluation * (n + 1),
         "seen_attribute_accuracy": accuracy}
        for n, accuracy in enumerate(accuracies)
    ]  # fmt: skip


def columns(records):
    """As results are stored."""
    return {key: [record[key] for record in records] for key in records[0]}


def slowly(accuracies, known):
    """The first of a million points of the curve at which so much is known, in evaluations."""
    points = np.linspace(0, len(accuracies) - 1, 10**6)
    above = np.interp(points, np.arange(len(accuracies)), accuracies) >= known
    return points[above.argmax()] if above.any() else np.inf


@given(st.lists(st.integers(0, 100), min_size=2, max_size=9), st.integers(1, 99))
def test_knowledge_is_reached_where_the_curve_first_comes_to_it(percents, percent):
    accuracies, known = [p / 100 for p in percents], percent / 100
    found = reached(Run(Path(), {}, recorded(accuracies)), known)
    at = slowly(accuracies, known)
    assert found["steps"] == pytest.approx(50 * at, abs=1e-3)
    assert found["seconds"] == pytest.approx(10 * at, abs=1e-3)
    assert found["step_seconds"] == pytest.approx(10 / 50)


def test_the_pace_is_that_of_undisturbed_steps():
    records = recorded([0.0] * 21)
    for record in records[8:]:
        record["seconds"] += 100  # another job, at once
    for number, record in enumerate(records):
        record["seconds"] += max(0, number - 12) * 7.0  # and one that goes on
    assert step_seconds(Run(Path(), {}, records)) == pytest.approx(10 / 50)


def test_the_speedup_is_a_median_over_seeds(tmp_path):
    curves = {"paper": [[0, 0.5, 0.95], [0, 0.95], [0, 0, 0, 0.95]], "fast": [[0, 0.95]] * 3}
    lines = [
        {"name": f"{variant}-{seed}", "variant": variant, "seed": seed, "settings": {}, "config": {},
         "individuals": None, "records": columns(recorded(curve, seconds=20.0 if variant == "paper" else 10.0))}
        for variant, seeds in curves.items() for seed, curve in enumerate(seeds)
    ]  # fmt: skip
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = figures(tmp_path)
    assert found["speedup_steps"] == pytest.approx(2)
    assert found["speedup_wall"] == pytest.approx(4)
    assert found["ratio_step_seconds"] == pytest.approx(2)
    assert found["speedup_wall_by_seed"] == pytest.approx({0: 4, 1: 2, 2: 6})


def test_the_sizes_vary_one_thing_at_a_time():
    for size in sizes():
        changed = [name for name in vars(size) if getattr(size, name) != getattr(BASE, name)]
        assert len(changed) == (size != BASE)
    assert len(set(sizes())) == len(sizes())


def test_the_operations_of_a_step_are_those_of_its_matrices():
    size = Size(width=64, layers=3, batch=2, length=10)
    matrices = 3 * (64 * 3 * 64 + 64 * 64 + 2 * 64 * 256) + VOCABULARY * 64
    attention = 3 * 2 * (10 * 10 / 2) * 64  # two products, half of them masked
    assert size.gflop == pytest.approx(6e-9 * 2 * (10 * matrices + attention))
