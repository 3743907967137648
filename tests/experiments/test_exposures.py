"""What the plateau waits for, on curves that are known."""

from pathlib import Path

import pytest
from matplotlib import pyplot as plt

from run_directory.records import Run
from sweeps.__main__ import load_plot
from sweeps.results import Result
from tests.helpers.pretraining import ROOT

plot = load_plot(ROOT / "experiments" / "exposures")


def run_of(batch, ends, seed=0):
    """A run whose plateau ends at a step."""
    losses = [(0, 1.5), (ends / 2, 1.0), (ends - 1, 1.0), (ends + 1, 0.9), (2 * ends, 0.1)]
    records = [{"step": step, "seen_attribute_loss": loss, "no_knowledge_baseline": 1.0} for step, loss in losses]
    config = {"n_individuals": 512, "per_device_train_batch_size": batch, "gradient_accumulation_steps": 1}
    return Result(f"batch-{batch}", f"batch-{batch}", seed, {}, Run(Path(), config, records))


@pytest.mark.parametrize(("steps", "power"), [(lambda batch: 16_000 / batch, 0), (lambda batch: 500, 1)])
def test_data_and_steps_are_told_apart(steps, power):
    groups = {batch: [run_of(batch, steps(batch))] for batch in plot.BATCHES}
    found = plot.measured(groups)
    assert found["power"][0] == pytest.approx(power, abs=0.02)
    assert found["batch-256"][0] == pytest.approx((256 / 32) ** power, rel=0.03)
    assert "batch-32" not in found
    plt.close(plot.draw(groups))


def test_what_is_missing_is_not_measured():
    groups = {batch: [run_of(batch, 500)] for batch in (16, 32)}
    assert set(plot.measured(groups)) == {"batch-16"}
    assert plot.measured({16: groups[16]}) == {}
