"""Steps that a regular row of checkpoints lacks: Pythia's are 0, 1, 2, 4, ..., 512 and every 1,000th."""

from collections.abc import Iterable
from itertools import pairwise

# A row is regular if it has so many steps, and lacks no more than a fifth.
_LEAST, _SHARE = 5, 0.8


def missing_steps(steps: Iterable[int]) -> dict[int, str]:
    """The steps that are missing within a row of equal distances, or of equal ratios, that is regular otherwise.

    Args:
        steps: those that are there.

    Returns:
        Each missing step, and what is regular, in words.
    """
    there = sorted({*steps})
    evenly = max(_rows(there, _distances(there)), key=lambda row: len(row[0]), default=((), ""))
    by_factors = max(_rows(there, _powers(there)), key=lambda row: len(row[0]), default=((), ""))
    found = {step: words for row, words in (by_factors, evenly) for step in row if step not in there}
    return dict(sorted(found.items()))


def _rows(there: list[int], candidates: Iterable[tuple[list[int], str]]) -> Iterable[tuple[list[int], str]]:
    """The candidates of which nearly all is there."""
    for row, words in candidates:
        present = len({*row} & {*there})
        if present >= max(_LEAST, _SHARE * len(row)):
            yield row, words


def _distances(there: list[int]) -> Iterable[tuple[list[int], str]]:
    for distance in {b - a for a, b in pairwise(there)}:
        for rest in {step % distance for step in there}:
            members = [step for step in there if step % distance == rest]
            if len(members) >= _LEAST and len(members) >= _SHARE * ((members[-1] - members[0]) / distance + 1):
                yield list(range(members[0], members[-1] + 1, distance)), f"every {distance:,} steps otherwise"


def _powers(there: list[int]) -> Iterable[tuple[list[int], str]]:
    first = next((step for step in there if step), None)
    for factor in {b // a for a, b in pairwise(there) if a and b % a == 0}:
        row = [first]
        while row[-1] * factor <= there[-1]:
            row.append(row[-1] * factor)
        while row[-1] not in there:
            row.pop()
        yield row, f"by a factor of {factor} otherwise"
