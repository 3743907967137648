"""What linear probes read, in words for a terminal (docs/MECHANISM.md)."""

import numpy as np

from analysis.maps import words_of
from analysis.statistics import mean_of_known


def readings(report: dict) -> str:
    """How much is read at each position at the last step, in its best layer, and since when half of that.

    Args:
        report: of `python -m evaluation probe`.
    """
    steps = sorted(report["steps"], key=int)
    accuracy = np.array([report["steps"][step]["accuracy"] for step in steps], dtype=float)
    said = np.array([report["steps"][step]["said"] for step in steps], dtype=float)[:, 0].mean(1)
    means = np.nan_to_num(mean_of_known(accuracy, 4))  # (steps, told, groups, positions, layers)
    chance = float(means[-1, :, 1:].max())
    rows = [("", *(_heading(told) for told in report["axes"]["told"])), ("the model says", _cell(steps, said), "")]
    for place, position in enumerate(report["axes"]["position"]):
        curves = [means[:, told, 0, place, means[-1, told, 0, place].argmax()] for told in range(means.shape[1])]
        rows.append((words_of(position), *(_cell(steps, curve, chance) for curve in curves)))
    rows.append(("controls, highest", f"{chance:4.0%}", ""))
    return "\n".join(f"{name:18}  {asked:24}  {other}".rstrip() for name, asked, other in rows)


def _heading(told: str) -> str:
    return words_of(told).removeprefix("the ")


def _cell(steps: list[str], curve: np.ndarray, chance: float = 0.0) -> str:
    """The last value; if it is far above chance, since when half of it."""
    if len(steps) < 2 or curve[-1] <= 2 * chance:
        return f"{curve[-1]:4.0%}"
    after = max(1, int(np.argmax(curve >= curve[-1] / 2)))
    around = slice(after - 1, after + 1)
    half = np.interp(curve[-1] / 2, curve[around], np.array(steps[around], dtype=float))
    return f"{curve[-1]:4.0%}, half at step {half:,.0f}"
