"""How the plateau grows with the number of individuals (paper, Fig. 2 right): powers, and what they hang on."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.ticker import LogLocator, ScalarFormatter

from analysis.drawing import shades
from analysis.phases import TOLERANCE, phases_of
from analysis.statistics import interval_text, markdown
from sweeps.claims import Values
from sweeps.results import Result, by_seed

Sizes = Mapping[int, list[Result]]  # results by the number of individuals, or by what else is varied
TOLERANCES = (0.02, 0.03, TOLERANCE, 0.08)


def end(result: Result, tolerance: float = TOLERANCE) -> float | None:
    """The step at which the plateau ends; None if the run is still on it."""
    return phases_of(result.run, tolerance).plateau_end


def length(result: Result, tolerance: float = TOLERANCE) -> float | None:
    """Steps from its beginning to its end."""
    return phases_of(result.run, tolerance).plateau_length


def exposures(result: Result, tolerance: float = TOLERANCE) -> float | None:
    """Biographies of an individual read when the plateau ends."""
    step, config = end(result, tolerance), result.run.config
    batch = config["per_device_train_batch_size"] * config["gradient_accumulation_steps"]  # a sweep's run: one process
    return None if step is None else step * batch / config["n_individuals"]


def draw_against(axes, groups: Sizes, measure: Callable[..., float | None], what: str) -> None:
    """A dot for each run that has it, on log scales, against what the groups are by: individuals, or the batch."""
    for size, color in zip(groups, shades(len(groups)), strict=True):
        values = [value for value in map(measure, groups[size]) if value]
        axes.plot([size] * len(values), values, "o", color=color, markerfacecolor="none")
    axes.set(xscale="log", yscale="log", xlabel=what, xlim=(min(groups) / 1.3, max(groups) * 1.3))
    axes.set_xticks([*groups], [f"{size:,}" for size in groups])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())


MEASURES = {"end (step)": end, "length (steps)": length, "exposures at the end": exposures}


def powers(sizes: Mapping[int, Values]) -> Values:
    """The power of the number of individuals that fits best (least squares of logarithms), for each seed that all have.

    None for a seed of which one size has no value.
    """
    seeds = sorted(set.intersection(*(set(values) for values in sizes.values())))
    return {seed: _slope([*sizes], [values[seed] for values in sizes.values()]) for seed in seeds}


def _slope(sizes: list[int], values: list[float | None]) -> float | None:
    return None if None in values else float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def powers_of(groups: Sizes, measure: Callable[..., float | None], tolerance: float = TOLERANCE) -> Values:
    """`powers` of one of `MEASURES`."""
    return powers({n: by_seed(results, lambda r: measure(r, tolerance)) for n, results in groups.items()})


def sensitivity(groups: Sizes) -> str:
    """The powers by how near to the baseline the plateau is said to be, as Markdown; means and 95% intervals."""
    rows = []
    for tolerance in TOLERANCES:
        found = (powers_of(groups, measure, tolerance) for measure in MEASURES.values())
        rows.append([f"{tolerance:.0%}", *(interval_text([*values.values()], "{:.2f}") for values in found)])
    return markdown(["plateau: within", *(f"power of N of the {name}" for name in MEASURES)], rows)
