"""What tests of experiments share."""

from pathlib import Path

import pytest

from sweeps.__main__ import load_plot


@pytest.fixture(scope="session")
def plot_of():
    """The plot.py of an experiment, as a module."""
    return lambda name: load_plot(Path(__file__).parents[2] / "experiments" / name)
