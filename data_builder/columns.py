"""Columns of the dataset's tables, made for many rows at once by array operations."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from data_builder.biographies import Renderer
from data_builder.pieces import Pieces
from data_builder.population import Wording


class TextTables(Pieces):
    """The biographies that `Renderer` tells one by one, with the same spans, many at once.

    Pieces are texts in UTF-8, with their leading spaces, end to end in one array.
    """

    def __init__(self, renderer: Renderer):
        self._pieces: list[bytes] = []
        self._characters: list[int] = []
        self.names = [self._add(f" {entry}" if entry else "" for entry in entries) for entries in renderer.name_lists]
        self.values = [self._add(f" {value}" for value in values) for values in renderer.values]
        self.heads = [self._add(t.head for t in templates) for templates in renderer.templates]
        self.middles = [self._add(t.middle for t in templates) for templates in renderer.templates]
        self.tails = [self._add(t.tail for t in templates) for templates in renderer.templates]
        self.bytes = np.frombuffer(b"".join(self._pieces), dtype=np.uint8)
        self.lengths, self.n_characters = np.array([*map(len, self._pieces)]), np.array(self._characters)
        self.starts = np.cumsum(self.lengths) - self.lengths

    def _add(self, texts: Iterable[str]) -> int:
        """Append pieces; the number of the first is where their table begins."""
        first, texts = len(self._pieces), list(texts)
        self._pieces += [text.encode() for text in texts]
        self._characters += map(len, texts)
        return first

    def biographies(self, names: np.ndarray, values: np.ndarray, wording: Wording) -> dict[str, pa.Array]:
        """The columns `text`, `name_spans` and `value_spans`.

        Args:
            names, values, wording: of b biographies, as in `Pieces.sentences`.
        """
        pieces = self.sentences(names, values, wording)
        told = self.n_characters[pieces]
        ends = np.cumsum(told.reshape(len(told), -1), axis=1).reshape(told.shape)
        # A text still begins with a space; once that is cut off, each span begins one to the left of where its name or
        # value does, which is after the space before it.
        spans = {
            "name_spans": np.stack((ends[..., 0], ends[..., -4] - 1), axis=-1),
            "value_spans": np.stack((ends[..., -3], ends[..., -2] - 1), axis=-1),
        }
        return {"text": self._texts(pieces)} | {key: lists(span.astype(np.int32)) for key, span in spans.items()}

    def _texts(self, pieces: np.ndarray) -> pa.Array:
        """Each row of pieces as one text, without the space that it begins with."""
        ends = np.cumsum(self.lengths[pieces].reshape(len(pieces), -1).sum(axis=1))
        places = np.delete(self.places(pieces), np.append(0, ends[:-1]))
        offsets = np.append(0, ends - np.arange(1, len(ends) + 1)).astype(np.int32)
        return pa.StringArray.from_buffers(len(pieces), *map(pa.py_buffer, (offsets, self.bytes[places])))


def lists(array: np.ndarray) -> pa.Array:
    """An array as a column of its rows, which are lists of one length, or lists of these, ..."""
    column = pa.array(array.ravel())
    for length in array.shape[:0:-1]:
        column = pa.FixedSizeListArray.from_arrays(column, length)
    return column
