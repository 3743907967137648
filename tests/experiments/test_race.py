"""The race of experiments/fast."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_directory.records import Run
from sweeps.__main__ import load_plot
from sweeps.results import Result
from tests.helpers.pretraining import ROOT

plot = load_plot(ROOT / "experiments" / "fast")


def recorded(accuracies, step=50, seconds=10.0, evaluation=1.0):
    """A run that is evaluated every `step` steps; each evaluation takes a second of its own."""
    return [
        {"step": step * n, "seconds": seconds * n + evaluation * (n + 1), "evaluation_seconds": evaluation * (n + 1),
         "seen_attribute_accuracy": accuracy}
        for n, accuracy in enumerate(accuracies)
    ]  # fmt: skip


def slowly(accuracies, known):
    """The first of a million points of the curve at which more is known, in evaluations."""
    points = np.linspace(0, len(accuracies) - 1, 10**6)
    above = np.interp(points, np.arange(len(accuracies)), accuracies) > known
    return points[above.argmax()] if above.any() else np.inf


@given(st.lists(st.integers(0, 100), min_size=2, max_size=9), st.integers(1, 99))
def test_knowledge_is_reached_where_the_curve_first_goes_above_it(percents, percent):
    accuracies, known = [p / 100 for p in percents], percent / 100
    found = plot.reached(Run(Path(), {}, recorded(accuracies)), known)
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
    assert plot.step_seconds(Run(Path(), {}, records)) == pytest.approx(10 / 50)


def test_the_race_is_told_in_times_by_seed():
    def results(*curves, seconds):
        runs = [Run(Path(), {}, recorded([*curve, 1], seconds=seconds)) for curve in curves]
        return [Result("run", "v", seed, {}, run) for seed, run in enumerate(runs)]

    paper = results([0, 0.5, 0.95], [0, 0.95], [0, 0, 0, 0.95], seconds=20.0)
    racing = {"paper": paper, "fast": results(*[[0, 0.95]] * 3, seconds=10.0)}
    assert plot.race_times(racing, "seconds", *plot.RACE) == pytest.approx({0: 4, 1: 2, 2: 6})
    assert plot.race_times(racing, "steps", *plot.RACE) == pytest.approx({0: 2, 1: 1, 2: 3})
