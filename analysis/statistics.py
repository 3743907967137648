"""Intervals, and tables of them."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95% interval by Student's t: (mean, low, high); the ends are nan for a single value."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float(values.mean()), np.nan, np.nan
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def interval_text(values: Sequence[float | None], form: str) -> str:
    """Mean and interval in words: `64.3% (60.1% to 68.5%)`; the mean alone for a single value.

    None is what a run did not come to, such as the end of its plateau: `1 of 3 not reached`.
    """
    if None in values:
        return f"{values.count(None)} of {len(values)} not reached"
    mean, low, high = mean_interval(values)
    return form.format(mean) if np.isnan(low) else f"{form.format(mean)} ({form.format(low)} to {form.format(high)})"


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table, without an end of line."""
    header = list(header)
    first, *others = (f"| {' | '.join(map(str, cells))} |" for cells in (header, *rows))
    return "\n".join((first, "|" + "---|" * len(header), *others))
