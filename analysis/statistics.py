"""Intervals and tests over seeds, and tables of them."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import special, stats

Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-np.inf, np.inf)
SHARE: Bounds = (0, 1)
PERCENT: Bounds = (0, 100)

Rows = tuple[Iterable[str], list[tuple]]  # of a table: its header, and the cells of each row

_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "α": r"$\alpha$", "–": "--",
}  # fmt: skip


def mean_interval(values: Sequence[float], bounds: Bounds = UNBOUNDED) -> tuple[float, float, float]:
    """Mean and its 95% interval by Student's t: (mean, low, high); the ends are nan for a single value.

    Args:
        values: one of each seed.
        bounds: what values can be at all, e.g. (0, 1). The interval is then made on a scale without ends
            (`to_scale`, by the delta method), and lies within them; for (-1, 1) it is that of Fisher's z.
    """
    values = np.asarray(values, dtype=float)
    if np.ptp(values) == 0:
        end = float(values[0]) if len(values) > 1 else np.nan
        return float(values[0]), end, end
    mean, middle, error = _on_scale(values, bounds)
    half = stats.t.ppf(0.975, len(values) - 1) * error
    return mean, from_scale(middle - half, bounds), from_scale(middle + half, bounds)


def p_above(values: Sequence[float], level: float, bounds: Bounds = UNBOUNDED) -> float:
    """p of Student's one-sided test that the mean is above a level, on the scale of `mean_interval`.

    The level lies between the bounds. nan without at least two different values.
    """
    values = np.asarray(values, dtype=float)
    if np.ptp(values) == 0:
        return np.nan
    _, middle, error = _on_scale(values, bounds)
    return float(stats.t.sf((middle - to_scale(level, bounds)) / error, len(values) - 1))


def _on_scale(values: np.ndarray, bounds: Bounds) -> tuple[float, float, float]:
    """Mean of (n,) values that differ; where it lies on the scale; and its standard error there."""
    mean, error, (low, high) = float(values.mean()), values.std(ddof=1) / np.sqrt(len(values)), bounds
    stretch = (1 / (mean - low) if np.isfinite(low) else 0) + (1 / (high - mean) if np.isfinite(high) else 0)
    return mean, to_scale(mean, bounds), float(error * (stretch or 1))


def to_scale(value: float, bounds: Bounds) -> float:
    """A value on a scale without ends: the logit between two bounds, the logarithm above one."""
    low, high = bounds
    if np.isinf(high):
        return value if np.isinf(low) else float(np.log(value - low))
    return float(np.log((value - low) / (high - value)))


def from_scale(value: float, bounds: Bounds) -> float:
    """From the scale of `to_scale` back."""
    low, high = bounds
    if np.isinf(high):
        return value if np.isinf(low) else float(low + np.exp(value))
    return float(low + (high - low) * special.expit(value))


def holm(ps: Sequence[float]) -> list[float]:
    """p values that are adjusted for their number, each at most 1 (Holm 1979); nan is not counted."""
    adjusted, largest = [np.nan] * len(ps), 0.0
    order = sorted((p, place) for place, p in enumerate(ps) if not np.isnan(p))
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[place] = largest
    return adjusted


def interval_text(values: Sequence[float | None], form: str, bounds: Bounds = UNBOUNDED) -> str:
    """Mean and interval in words: `64.3% (60.1% to 68.5%)`; the mean alone of one value, or of many that are the same.

    None is what a run did not come to, such as the end of its plateau: `1 of 3 not reached`.
    """
    if None in values:
        return f"{values.count(None)} of {len(values)} not reached"
    mean, low, high = mean_interval(values, bounds)
    if np.isnan(low) or low == high:
        return form.format(mean)
    return f"{form.format(mean)} ({form.format(low)} to {form.format(high)})"


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table, without an end of line."""
    header = list(header)
    first, *others = (f"| {' | '.join(map(str, cells))} |" for cells in (header, *rows))
    return "\n".join((first, "|" + "---|" * len(header), *others))


def latex(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """The same table for a paper; needs `\\usepackage{booktabs}`."""
    header = list(header)
    first, *others = (" & ".join(map(_escaped, cells)) + r" \\" for cells in (header, *rows))
    begin, end = rf"\begin{{tabular}}{{{'l' * len(header)}}}", r"\end{tabular}"
    return "\n".join([begin, r"\toprule", first, r"\midrule", *others, r"\bottomrule", end, ""])


def _escaped(cell) -> str:
    return "".join(_LATEX.get(character, character) for character in str(cell))


def mean_of_known(numbers: np.ndarray, axis: int) -> np.ndarray:
    """Mean along an axis of what is not nan; nan where nothing is."""
    known = ~np.isnan(numbers)
    sums, counts = np.where(known, numbers, 0).sum(axis), known.sum(axis)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
