"""Which of several classes something is, by ridge regression in closed form."""

import numpy as np

# In units of the mean eigenvalue. The strongest is nearly the nearest class mean.
_STRENGTHS = 10.0 ** np.arange(4, -5, -1)
_LEAST = 1e-9


class Ridge:
    """Ridge regression from one decomposition of the Gram matrix, for all targets and strengths.

    Classes are one-hot targets, scaled to variance 1 like the features, so that none is said because it is common.

    Args:
        x: (n, width) features.
    """

    def __init__(self, x: np.ndarray):
        self.mean, scale = x.mean(0), x.std(0)
        self.scale = np.where(scale > _LEAST * max(scale.max(), 1), scale, np.inf)  # what is constant tells nothing
        z = self._scaled(x)
        values, self.vectors = np.linalg.eigh(z.T @ z)
        self.values, self.projected = np.maximum(values, 0), z @ self.vectors
        self.strengths = _STRENGTHS * max(self.values.mean(), _LEAST)

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return (x - self.mean) / self.scale

    def fit(self, classes: np.ndarray) -> "Ridge":
        """Fit the class of each row, (n,); of the strengths the one that is right most often about rows left out."""
        self.classes = np.unique(classes)
        y = (classes[:, None] == self.classes).astype(float)
        y = (y - y.mean(0)) / np.maximum(y.std(0), _LEAST)
        moments = self.projected.T @ y
        right = [(self._left_out(y, moments, s).argmax(1) == y.argmax(1)).mean() for s in self.strengths]
        strength = self.strengths[int(np.argmax(right))]
        self.weights = self.vectors @ (moments / (self.values + strength)[:, None])
        return self

    def _left_out(self, y: np.ndarray, moments: np.ndarray, strength: float) -> np.ndarray:
        """What is predicted of each row by all others: its error grows by one minus its leverage."""
        shrunk = self.projected / (self.values + strength)
        leverages = (shrunk * self.projected).sum(1) + 1 / len(y)
        return y - (y - shrunk @ moments) / np.maximum(1 - leverages, _LEAST)[:, None]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The likeliest class of each row (n, width)."""
        return self.classes[(self._scaled(x) @ self.weights).argmax(1)]
