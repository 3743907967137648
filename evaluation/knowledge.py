"""Attribute loss, attribute accuracy and the no-knowledge baseline (paper, Sec. 1.3).

One implementation, on flat arrays with an entry for each value token; the training loop and the
`evaluate` modules of this folder both use it.
"""

import math
from collections.abc import Sequence

import numpy as np


def attribute_losses(losses, rows, attributes, n_attributes: int) -> np.ndarray:
    """Attribute loss: cross-entropy summed over the tokens of a value, averaged over biographies.

    Args:
        losses: (t,) cross-entropy of each value token, in nats.
        rows: (t,) the biography of each token, 0, 1, ...
        attributes: (t,) the attribute of each token, 1 to n_attributes.
        n_attributes: how many there are.

    Returns:
        (n_attributes,) nats; nan where an attribute does not occur. Their mean is the attribute loss.
    """
    sums = np.bincount(np.asarray(attributes) - 1, weights=losses, minlength=n_attributes)
    return _per_value(sums, rows, attributes, n_attributes)


def attribute_accuracies(correct, rows, attributes, n_attributes: int) -> np.ndarray:
    """Attribute accuracy: share of values with all their tokens predicted right.

    Args:
        correct: (t,) whether each value token is the most likely one.
        rows, attributes, n_attributes: as in `attribute_losses`.

    Returns:
        (n_attributes,) between 0 and 1. Their mean is the attribute accuracy.
    """
    n_wrong = np.bincount(_value_ids(rows, attributes, n_attributes), weights=~np.asarray(correct, dtype=bool))
    known = np.flatnonzero(np.bincount(_value_ids(rows, attributes, n_attributes)))
    right = known[n_wrong[known] == 0]
    counts = np.bincount(right % n_attributes, minlength=n_attributes)
    return _per_value(counts, rows, attributes, n_attributes)


def no_knowledge_baseline(value_sizes: Sequence[int]) -> float:
    """Attribute loss, in nats, of an ideal model that knows the values but nobody: mean of ln(size)."""
    return float(np.mean(np.log(value_sizes)))


def learned_bits(losses: Sequence[float], value_sizes: Sequence[int]) -> float:
    """How much of an individual's facts is known: what knowing nobody would cost more (Allen-Zhu & Li, 2404.05405).

    Args:
        losses: attribute loss of each attribute, (n_attributes,), in nats.
        value_sizes: number of values of each.

    Returns:
        Bits per individual, at most the sum of log2(size). Below zero where a model is sure of what is wrong; not cut
        off there, so that one attribute's bits don't hide that another is worse than a guess.
    """
    return float(np.sum(np.log(value_sizes) - losses)) / math.log(2)


def _value_ids(rows, attributes, n_attributes: int) -> np.ndarray:
    return np.asarray(rows) * n_attributes + np.asarray(attributes) - 1


def _per_value(sums: np.ndarray, rows, attributes, n_attributes: int) -> np.ndarray:
    values = np.unique(_value_ids(rows, attributes, n_attributes))
    counts = np.bincount(values % n_attributes, minlength=n_attributes)
    return np.divide(sums, counts, out=np.full(n_attributes, np.nan), where=counts > 0)
