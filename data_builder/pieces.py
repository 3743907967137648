"""Pieces of sentences, numbered: a biography is a row of these numbers, whether its pieces are tokens or texts."""

import numpy as np

from data_builder.population import Wording


class Pieces:
    """Where the tables of pieces begin, which lie end to end: of names and values, and of what stands around them.

    Attributes:
        names, values, heads, middles, tails: the number of the first piece, for each part of a name or each attribute.
        starts, lengths: of each piece, in the one array that holds what all of them are made of.
    """

    names: list[int]
    values: list[int]
    heads: list[int]
    middles: list[int]
    tails: list[int]
    starts: np.ndarray
    lengths: np.ndarray

    def sentences(self, names: np.ndarray, values: np.ndarray, wording: Wording) -> np.ndarray:
        """The pieces of b biographies: (b, sentences, head + parts of the name + middle + value + tail).

        Args:
            names: (b, parts of a name) as in `Population`.
            values: (b, attributes) as in `Population`.
            wording: templates and order of the b biographies.
        """
        order = wording.order
        template = np.take_along_axis(wording.templates, order, axis=1)
        value = np.take_along_axis(values, order, axis=1)
        sentences = np.empty((*order.shape, len(self.names) + 4), dtype=np.int64)
        sentences[..., 0] = np.array(self.heads)[order] + template
        sentences[..., 1:-3] = (names + np.array(self.names))[:, None, :]
        sentences[..., -3] = np.array(self.middles)[order] + template
        sentences[..., -2] = np.array(self.values)[order] + value
        sentences[..., -1] = np.array(self.tails)[order] + template
        return sentences

    def places(self, pieces: np.ndarray) -> np.ndarray:
        """Where in the one array the elements of these pieces are, one after the other; (elements,)."""
        lengths = self.lengths[pieces].ravel()
        # element k of all is element (k - elements before its piece) of that piece
        shift = np.repeat(self.starts[pieces].ravel() - (np.cumsum(lengths) - lengths), lengths)
        return shift + np.arange(len(shift))
