"""The fit of experiments/optimizers."""

from pathlib import Path

import pytest

from run_directory.records import Run
from sweeps.__main__ import load_plot
from sweeps.results import Result
from tests.helpers.pretraining import ROOT

plot = load_plot(ROOT / "experiments" / "optimizers")


def plateaus_of(sizes, left=True):
    """Three runs of each population, around the step that is given."""
    return {n: plot.Plateau({0: end, 1: 1.1 * end, 2: 0.9 * end}, left) for n, end in sizes.items()}


@pytest.fixture
def plateaus():
    """AdamW in proportion to the population; of Muon's rates a high one suits few people, a low one many."""
    found = {name: {} for name in plot.OPTIMIZERS}
    found["AdamW"] = plateaus_of({n: n for n in plot.SIZES})
    found["Muon, .05"] = plateaus_of({512: 100, 1024: 400})
    found["Muon, .02"] = plateaus_of({512: 120, 1024: 300, 2048: 800})
    found["Muon, .02"] |= plateaus_of({4096: 3000}, left=False)
    found["Muon, .01"] = plateaus_of({512: 200, 1024: 350, 2048: 850, 4096: 2600})
    return found


def test_claims_compare_the_best_rate_of_the_shortest_plateau_that_ended_with_adamw(plateaus):
    assert plot.best(plateaus) == {512: "Muon, .05", 1024: "Muon, .02", 2048: "Muon, .02", 4096: "Muon, .01"}
    (row,) = (line for line in plot.table(plateaus).splitlines() if "Muon, .02" in line)
    assert "still on it after 3,300" in row
    assert plot.table(plateaus).splitlines()[-1].count("–") == len(plot.SIZES)
    claimed = {id: values for id, values in plot.claimed(plateaus).items() if None not in values.values()}
    found = {id: sum(values.values()) / len(values) for id, values in claimed.items()}
    assert found["end-adamw"] == pytest.approx(1)
    assert found["end-muon"] > 1.5
    assert found["exponents"] == pytest.approx(found["end-muon"] - 1)
    assert found["sooner-512"] == pytest.approx(100 * 412 / 512)
    assert found["sooner-4096"] == pytest.approx(100 * 1496 / 4096)
    assert found["lead"] == pytest.approx(512 / 100 - 4096 / 2600)
    assert found["rate-512"] == pytest.approx(50)
    assert plot.claimed(plateaus)["rate-4096"] == {0: None, 1: None, 2: None}  # the other runs are still on theirs


def people_of(times, accuracies):
    return Run(Path("run"), {}, [], individuals={"times_drawn": times, "attribute_accuracy": accuracies})


def test_what_muon_gains_on_a_long_tail_is_compared_by_seed():
    run = people_of([9, 10, 39, 40, 80, 500], [1.0, 0.5, 0.0, 1.0, 0.25, 0.5])
    assert [plot.known(run, 10, 40), plot.known(run, 80, float("inf"))] == pytest.approx([25, 37.5])

    def results(*accuracies):
        return [Result("run", "v", seed, {}, people_of([3, 20, 100], accuracies)) for seed in (0, 1, 2)]

    found = plot.rare(results(0, 0.2, 1), results(0.1, 0.7, 1))
    gains = {"rarest": 10, "rare": 50, "common": 0, "rare-common": 50}
    assert found == {id: pytest.approx(dict.fromkeys((0, 1, 2), gain)) for id, gain in gains.items()}
