"""The fit of experiments/optimizers."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.runs import Run
from experiments.results import Result

PLOT = Path(__file__).parents[1] / "experiments" / "optimizers" / "plot.py"


@pytest.fixture(scope="module")
def plot():
    spec = importlib.util.spec_from_file_location("plot_optimizers", PLOT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(st.floats(-1, 3), st.floats(0.1, 10), st.sets(st.sampled_from([256, 512, 1024, 2048, 4096]), min_size=2))
def test_the_exponent_of_a_power_law_is_found(plot, power, factor, sizes):
    ends = {n: {0: factor * n**power, 1: 2 * factor * n**power, n: 1.0} for n in sorted(sizes)}
    # Only seeds that all sizes have count.
    assert plot.exponents(ends) == pytest.approx({0: power, 1: power}, abs=1e-6)


def test_two_sizes_give_the_ratio_of_logarithms(plot):
    assert plot.exponents({512: {3: 100.0}, 1024: {3: 800.0}}) == pytest.approx({3: 3.0})


def test_claims_compare_what_both_have(plot):
    ends = {
        "AdamW": {512: {0: 300, 1: 310, 2: 290}, 1024: {0: 500, 1: 520, 2: 480}},
        "Muon": {512: {0: 100, 1: 110, 2: 90}, 1024: {0: 400, 1: 440, 2: 360}},
    }
    found = {claim["id"]: claim for claim in plot.claims(ends, {"AdamW": {}, "Muon": {2048: {0: 800, 1: 880, 2: 720}}})}
    assert found["exponent-muon"]["value"] == pytest.approx(2)
    assert found["exponent-muon"]["holds"] is False
    assert found["exponent-adamw"]["holds"] is True
    assert found["exponents-muon"]["holds"] is True
    assert found["end-512-muon"]["value"] == 200
    assert found["muon-2048"]["value"] == pytest.approx(1)  # at least: these runs are still on their plateau
    assert "end-2048-muon" not in found


def test_a_run_on_its_plateau_bounds_what_muon_gains(plot):
    ends = {"AdamW": {n: {0: n, 1: n + 10, 2: n - 10} for n in (512, 1024)}, "Muon": {512: {0: 100, 1: 110, 2: 90}}}
    ends["Muon"][256] = {0: 50, 1: 55, 2: 45}
    found = plot.claims(ends, {"AdamW": {}, "Muon": {1024: {0: 1100, 1: 1100, 2: 1100}}})
    (bound,) = (claim for claim in found if claim["id"] == "end-1024-muon")
    assert bound["value"] == pytest.approx(1024 - 1100)
    assert bound["holds"] is False
    assert bound["claim"].endswith("(at most)")


def people_of(times, accuracies):
    return Run(Path("run"), {}, [], individuals={"times_drawn": times, "attribute_accuracy": accuracies})


def test_individuals_are_taken_by_how_often_they_were_drawn(plot):
    run = people_of([9, 10, 39, 40, 80, 500], [1.0, 0.5, 0.0, 1.0, 0.25, 0.5])
    assert plot.known(run, 10, 40) == pytest.approx(25)
    assert plot.known(run, 80, float("inf")) == pytest.approx(37.5)


def test_what_muon_gains_on_a_long_tail_is_compared_by_seed(plot):
    def results(*accuracies):
        return [Result("run", "v", seed, {}, people_of([3, 20, 100], accuracies)) for seed in (0, 1, 2)]

    found = {c["id"]: c["value"] for c in plot.rare_claims({"AdamW": results(0, 0.2, 1), "Muon": results(0.1, 0.7, 1)})}
    assert found == pytest.approx({"rarest": 10, "rare": 50, "common": 0, "rare-common": 50})
