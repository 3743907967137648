"""Arrays that may be too long to be whole in memory: each row is a pure function of its number."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

# Rows of a table in memory: 9 MB of a population, a third of a second to make. Also up to where a dataset's digest is
# of all rows (data_builder/source.py), so another number makes datasets between the two unreadable.
LONGEST_KEPT = 2**17
BLOCK = 2**13  # rows looked at together by what looks at all of them


class Rows:
    """An array whose rows are made when they are asked for, by their numbers: `rows[3]`, `rows[10:20]`, `rows[who]`.

    Args:
        make: gives the rows of (b,) numbers as an array (b, *of_row).
        n: how many there are.
        of_row: shape of one.
    """

    def __init__(self, make: Callable[[np.ndarray], np.ndarray], n: int, of_row: tuple[int, ...]):
        self._make, self.shape = make, (n, *of_row)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which) -> np.ndarray:
        if isinstance(which, slice):
            return self._make(np.arange(*which.indices(len(self))))
        numbers = np.asarray(which, dtype=np.int64)
        if ((numbers < 0) | (numbers >= len(self))).any():
            raise IndexError(f"rows are 0 to {len(self) - 1}")
        return self._make(numbers.reshape(-1)).reshape(*numbers.shape, *self.shape[1:])


def kept(rows: Rows) -> np.ndarray | Rows:
    """As an array in memory if it is a short one, whose rows are then faster to get."""
    return rows[:] if len(rows) <= LONGEST_KEPT else rows


def followed_by(rows: np.ndarray | Rows, more: np.ndarray) -> np.ndarray | Rows:
    """The rows of both, those of `more` last."""
    if isinstance(rows, np.ndarray):
        return np.concatenate((rows, more))
    return Rows(partial(_either, rows=rows, more=more), len(rows) + len(more), more.shape[1:])


def _either(numbers: np.ndarray, rows: Rows, more: np.ndarray) -> np.ndarray:
    late = numbers >= len(rows)
    found = np.empty((len(numbers), *more.shape[1:]), dtype=more.dtype)
    found[~late], found[late] = rows[numbers[~late]], more[numbers[late] - len(rows)]
    return found


def in_blocks(numbers: range) -> Iterator[np.ndarray]:
    """Numbers of rows, some thousands at a time."""
    return (np.array(numbers[start : start + BLOCK]) for start in range(0, len(numbers), BLOCK))
