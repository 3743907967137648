"""What is known by where in a biography it is told."""

from collections.abc import Sequence


def accuracy_by_place(right: Sequence[Sequence[int]]) -> str:
    """A line of the shares of right values in first, second, ... sentences.

    Args:
        right: for each biography and sentence, in the order of the text, whether its value is right.
    """
    shares = (f"{sum(column) / len(right):.1%}" for column in zip(*right, strict=False))
    return f"  by the sentence's place in the biography, first to last: {'  '.join(shares)}  ({len(right):,} people)"
