"""What all figures share: colors, curves with their spread, scales, files."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter

from run_directory.layout import replace_text
from run_directory.records import Run

# Okabe and Ito's colors, then the same ones dashed.
COLORS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7")
_LINES = ("-", "--", ":")

# Told apart by color-blind readers; line styles differ as well.
GROUP_STYLES = {
    "seen": {"color": "#0072B2", "linestyle": "-", "label": "seen people"},
    "unseen": {"color": "#D55E00", "linestyle": "--", "label": "unseen people"},
    "new": {"color": "#009E73", "linestyle": "-.", "label": "new people"},
    "rare": {"color": "#009E73", "linestyle": "-.", "label": "rare seen people"},
}

Groups = dict[str, list[Run]]


def style(number: int) -> dict:
    """Color and line of a group; 21 differ."""
    return {"color": COLORS[number % len(COLORS)], "linestyle": _LINES[number // len(COLORS) % len(_LINES)]}


def curves(runs: list[Run], key: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps at which all runs of a group were measured, and a row of values for each."""
    found = [dict(zip(*run.curve(key), strict=True)) for run in runs]
    steps = sorted(set.intersection(*(set(curve) for curve in found)))
    return np.array(steps), np.array([[curve[step] for step in steps] for curve in found])


def band(axes, runs: list[Run], key: str, **how) -> None:
    """A metric over steps: mean over runs, and their range shaded."""
    steps, values = curves(runs, key)
    (line,) = axes.plot(steps, values.mean(axis=0), **{"linewidth": 1.8} | how)
    axes.fill_between(steps, values.min(axis=0), values.max(axis=0), alpha=0.15, color=line.get_color(), linewidth=0)


def mark_baseline(axes, value: float) -> None:
    """A dotted line with its name, for the no-knowledge baseline."""
    axes.axhline(value, color="gray", linestyle=":", linewidth=1.2)
    axes.annotate("no-knowledge baseline", (1, value), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                  fontsize="small", color="gray")  # fmt: skip


def steps_on_a_log_scale(axes) -> None:
    """A logarithmic axis of steps that has a place for step 0."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    last = axes.get_xlim()[1]
    ticks = [0, *(10**power for power in range(7) if 10**power <= last)]
    axes.set_xticks(ticks, minor=False)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))


def save(figure, path: Path, dpi: int | None = None) -> None:
    """Write a figure and forget it."""
    figure.savefig(path, dpi=dpi or (100 if figure.get_figwidth() > 10 else 120))
    plt.close(figure)


def save_all(folder: Path, figures: Mapping, table: str) -> None:
    """Write `<name>.png` of each figure, and table.md; print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save(figure, folder / f"{name}.png")
    replace_text(folder / "table.md", table + "\n")
    print(table)
