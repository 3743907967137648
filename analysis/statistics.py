"""Intervals and tests over seeds, and tables of them."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-np.inf, np.inf)
SHARE: Bounds = (0, 1)
PERCENT: Bounds = (0, 100)
NEAREST = 1e-3  # of the range: values nearer to a bound count as being so far from it

Rows = tuple[Iterable[str], list[tuple]]  # of a table: its header, and the cells of each row

_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "α": r"$\alpha$", "–": "--",
}  # fmt: skip


def mean_interval(values: Sequence[float], bounds: Bounds = UNBOUNDED) -> tuple[float, float, float]:
    """Mean and its 95% interval by Student's t: (mean, low, high); the ends are nan for a single value.

    Args:
        values: one of each seed.
        bounds: what values can be at all, e.g. (0, 1). Mean and interval are then those of the transformed values
            (`transform`), and lie within the bounds: of (0, inf) the geometric mean.
    """
    if len(values) > 1 and np.ptp(values) == 0:
        return (float(values[0]),) * 3
    values = transform(values, bounds)
    mean, half = values.mean(), np.nan
    if len(values) > 1:
        half = stats.t.ppf(0.975, len(values) - 1) * standard_error(values)
    return tuple(float(back) for back in inverse_transform(np.array([mean, mean - half, mean + half]), bounds))


def standard_error(values: np.ndarray) -> float:
    """Of the mean of (n,) values."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def p_above(values: Sequence[float], level: float, bounds: Bounds = UNBOUNDED) -> float:
    """p of Student's one-sided test that the mean is above a level; nan without at least two different values."""
    values, level = transform(values, bounds), transform([level], bounds)[0]
    if np.isinf(level):  # the bound itself, above which all values lie
        return 0.0
    if len(values) < 2 or np.ptp(values) == 0:
        return np.nan
    return float(stats.t.sf((values.mean() - level) / standard_error(values), len(values) - 1))


def holm(ps: Sequence[float]) -> list[float]:
    """p values that are adjusted for their number, each at most 1 (Holm 1979); nan is not counted."""
    adjusted, largest = [np.nan] * len(ps), 0.0
    order = sorted((p, place) for place, p in enumerate(ps) if not np.isnan(p))
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[place] = largest
    return adjusted


def transform(values: Sequence[float], bounds: Bounds) -> np.ndarray:
    """(n,) values on a scale without ends: logit between two bounds (twice Fisher's z for (-1, 1)), log above one."""
    values, (low, high) = np.asarray(values, dtype=float), bounds
    if np.isinf(high) and np.isinf(low):
        return values
    if np.isinf(high):
        with np.errstate(divide="ignore"):
            return np.log(values - low)
    shares = np.clip((values - low) / (high - low), NEAREST, 1 - NEAREST)
    return np.log(shares / (1 - shares))


def inverse_transform(values: np.ndarray, bounds: Bounds) -> np.ndarray:
    """From the scale of `transform` back."""
    low, high = bounds
    if np.isinf(high) and np.isinf(low):
        return values
    if np.isinf(high):
        return low + np.exp(values)
    return low + (high - low) / (1 + np.exp(-values))


def interval_text(values: Sequence[float | None], form: str, bounds: Bounds = UNBOUNDED) -> str:
    """Mean and interval in words: `64.3% (60.1% to 68.5%)`; the mean alone of one value, or of many that are the same.

    None is what a run did not come to, such as the end of its plateau: `1 of 3 not reached`.
    """
    if None in values:
        return f"{values.count(None)} of {len(values)} not reached"
    mean, low, high = mean_interval(values, bounds)
    return (
        form.format(mean)
        if np.isnan(low) or low == high
        else f"{form.format(mean)} ({form.format(low)} to {form.format(high)})"
    )


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
