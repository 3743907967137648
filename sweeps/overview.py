"""Figures and table of an experiment without a plot.py: its variants side by side, as `analysis compare` has runs."""

from pathlib import Path

from analysis.compare import comparison
from analysis.statistics import markdown
from run_directory.records import Run
from sweeps.results import load_results, publish


def main(folder: Path) -> None:
    """Write learning curves and a table by variant; of fine-tunings, what `compare` draws of those.

    Raises:
        UserError: there are no results yet.
    """
    groups: dict[str, list[Run]] = {}
    for result in load_results(folder):
        groups.setdefault(result.variant, []).append(result.run)
    figures, table = comparison(groups)
    publish(folder, figures, markdown(*table), {})
