"""Who is drawn at step t. A schedule changes who, never the text."""

import numpy as np


class Uniform:
    """Every individual with the same probability 1/N (paper, Sec. 2: the default).

    Args:
        individuals: the range of individuals to draw from.
    """

    def __init__(self, individuals: range):
        self.individuals = individuals

    def draw(self, step: int, draws: np.ndarray) -> np.ndarray:
        """Turn uniform numbers in [0, 1), shape (b,), into b individuals for batch `step`."""
        return self.individuals.start + (draws * len(self.individuals)).astype(np.int64)
