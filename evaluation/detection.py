"""Confidence as a measure of knowledge: calibration, telling known from unknown, abstaining.

Plain functions on arrays; the training loop and the `evaluate` modules of this folder both use them.
"""

import warnings
from collections.abc import Callable

import numpy as np
from scipy import stats

N_BINS = 15  # of the calibration error, as is usual since Guo et al. 2017
N_RESAMPLED = 1000  # of the bootstrap


def calibration_error(confidences, correct, n_bins: int = N_BINS) -> float:
    """Expected calibration error: how far the share of right answers is from the confidence, 0-1.

    Args:
        confidences: (n,) the probability of each answer, 0-1.
        correct: (n,) whether it is right.
        n_bins: equally wide bins of confidence, over which the distances are averaged by their number of answers.
    """
    confidences, correct = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=float)
    bins = np.minimum((confidences * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, weights=correct - confidences, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidences))


def auroc(positive, negative) -> np.ndarray:
    """Area under the ROC curve: the chance that a positive has a higher score than a negative (a tie is a half).

    Args:
        positive: (..., p) scores of those to be found.
        negative: (..., q) scores of the others.

    Returns:
        (...) 0-1; 0.5 is guessing.
    """
    positive, negative = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
    p, q = positive.shape[-1], negative.shape[-1]
    ranks = stats.rankdata(np.concatenate((positive, negative), axis=-1), axis=-1)
    return (ranks[..., :p].sum(-1) - p * (p + 1) / 2) / (p * q)


def auprc(positive, negative) -> np.ndarray:
    """Area under the precision-recall curve (average precision); arguments as in `auroc`.

    Guessing gives p / (p + q). Among equal scores all are found at once.
    """
    positive, negative = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
    at_least = stats.rankdata(-np.concatenate((positive, negative), axis=-1), method="max", axis=-1)
    at_least = at_least[..., : positive.shape[-1]]
    found = stats.rankdata(-positive, method="max", axis=-1)
    return (found / at_least).mean(-1)


def bootstrap(measure: Callable, positive, negative, seed: int = 0) -> tuple[float, float, float]:
    """A measure of two samples and its 95% interval: both are drawn again, with replacement (BCa bootstrap).

    Where all that is drawn gives the same value, as when a score tells all apart, it is nearly so at most: the interval
    allows for a share of people that goes unseen in 2.5% of samples as large as the smaller one, and for whom the
    measure is 0 or 1.

    Args:
        measure: `auroc` or `auprc`.
        positive: (p,) scores.
        negative: (q,) scores.
        seed: of the draws.

    Returns:
        (value, low, high).
    """
    samples = [np.asarray(sample, dtype=float) for sample in (positive, negative)]
    value, n, ends = float(measure(*samples)), min(map(len, samples)), (np.nan, np.nan)
    if n > 1:
        with warnings.catch_warnings(action="ignore"):  # of draws that all agree
            found = stats.bootstrap(samples, lambda *drawn, axis: measure(*drawn), n_resamples=N_RESAMPLED,
                                    vectorized=True, random_state=np.random.default_rng(seed))  # fmt: skip
        ends = found.confidence_interval
    if np.isnan(ends).any():
        seen = 0.025 ** (1 / n)
        ends = value * seen, 1 - (1 - value) * seen
    return value, *map(float, ends)


def risk_coverage(confidences, correct) -> tuple[np.ndarray, np.ndarray]:
    """Share of wrong answers when only the most confident ones are given.

    Args:
        confidences: (n,) of each answer.
        correct: (n,) whether it is right.

    Returns:
        coverage (n,), the share of answers given, ascending to 1; risk (n,), the share of these that is wrong. Equal
        confidences count with their mean, as if drawn in random order.
    """
    confidences, wrong = np.asarray(confidences, dtype=float), 1 - np.asarray(correct, dtype=float)
    levels, level, counts = np.unique(-confidences, return_inverse=True, return_counts=True)
    means = np.bincount(level, weights=wrong, minlength=len(levels)) / counts
    given = np.arange(1, len(confidences) + 1)
    return given / len(confidences), np.cumsum(np.repeat(means, counts)) / given
