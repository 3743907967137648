"""Piece tables: the token ids of every biography, cut from texts that were tokenized once."""

import itertools
import textwrap

import numpy as np

from data_builder.encoding import Encoder
from data_builder.population import Wording
from data_builder.source import Source

# Rows are padded to a multiple of this, which spares the memory allocator some different shapes.
LENGTH_MULTIPLE = 8


class TokenTables:
    """Token ids of every piece a biography can be made of, end to end in one array.

    A piece is known by its number: `tokens[starts[p] : starts[p] + lengths[p]]`. No biography has more tokens than
    `max_length`; `longest` says which has so many.
    """

    def __init__(self, source: Source, encoder: Encoder):
        self._pieces: list[list[int]] = [encoder.begin, encoder.end]
        encode, world = encoder.pieces, source.world
        lists, own = (
            {name: encode(f" {entry}" if entry else "" for entry in entries) for name, entries in texts.items()}
            for texts in (source.word_lists.lists, source.word_lists.extra)
        )
        names = [lists[name] + own.get(name, []) for name in world.name]
        values = [_joined(lists, parts) + own.get(attribute, []) for attribute, parts in world.attributes.items()]
        self.names = [self._add(pieces) for pieces in names]
        self.values = [self._add(pieces) for pieces in values]
        templates = source.templates.values()
        self.heads = [self._add(encode(t.head for t in ts)) for ts in templates]
        self.middles = [self._add(encode(t.middle for t in ts)) for ts in templates]
        self.tails = [self._add(encode(t.tail for t in ts)) for ts in templates]
        # The first word of a text may have other tokens than further on, where a space is before it.
        first_names = (f" {name}" for name in source.word_lists.names(world.name[0]))
        self.first_names = self._add(encoder.beginnings(first_names))
        self.first_heads = [self._add(encoder.beginnings(t.head for t in ts)) for ts in templates]
        self.lengths = np.array([len(piece) for piece in self._pieces])
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.tokens = np.fromiter(itertools.chain(*self._pieces), dtype=np.int64)
        self.longest, self.max_length = self._longest_biography(source, lists)
        del self._pieces

    def _add(self, pieces: list[list[int]]) -> int:
        """Append pieces; the number of the first is where their table begins."""
        self._pieces.extend(pieces)
        return len(self._pieces) - len(pieces)

    def _longest_biography(self, source: Source, lists: dict[str, list[list[int]]]) -> tuple[str, int]:
        """Which it is, and its tokens: of anybody whom the lists can make (streams invent some), or of a user's own."""
        total = len(self._pieces[0]) + len(self._pieces[1])
        for attribute, templates in enumerate(source.templates.values()):
            parts = [table[attribute] + np.arange(len(templates)) for table in (self.heads, self.middles, self.tails)]
            total += int(sum(self.lengths[part] for part in parts).max())
        longest = {name: max(map(len, pieces)) for name, pieces in lists.items()}
        name = sum(longest[part] for part in source.world.name)
        values = sum(longest[part] for parts in source.world.attributes.values() for part in parts)
        lengths = {"the longest biography": total + len(self.values) * name + values}
        own = slice(len(source.population) - len(source.added), None)
        names = self.lengths[source.population.names[own] + np.array(self.names)].sum(axis=1)
        values = self.lengths[source.population.values[own] + np.array(self.values)].sum(axis=1)
        for person, length in zip(source.added, total + len(self.values) * names + values, strict=True):
            lengths[f"the biography of {textwrap.shorten(person['name'], 80, placeholder=' …')}"] = int(length)
        return max(lengths.items(), key=lambda item: item[1])

    def name_tokens(self) -> np.ndarray:
        """The ids of tokens that names have and nothing else in a biography has, ascending."""
        numbers = np.repeat(np.arange(len(self.lengths)), self.lengths)
        further_on = (self.names[0] <= numbers) & (numbers < self.values[0])
        first = (self.first_names <= numbers) & (numbers < self.first_heads[0])
        return np.setdiff1d(self.tokens[further_on | first], self.tokens[~(further_on | first)])

    def pieces(self, names: np.ndarray, values: np.ndarray, wording: Wording) -> tuple[np.ndarray, np.ndarray]:
        """The pieces of b biographies, and the attribute of each piece (0 = text, 1, 2, ... = its value).

        Returns:
            Two arrays of shape (b, pieces): begin, sentences of (head, parts of the name, middle, value, tail), end.
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
        sentences[:, 0, 0] += np.array(self.first_heads)[order[:, 0]] - np.array(self.heads)[order[:, 0]]
        begins_with_name = self.lengths[sentences[:, 0, 0]] == 0
        sentences[begins_with_name, 0, 1] += self.first_names - self.names[0]
        attributes = np.zeros_like(sentences)
        attributes[..., -2] = order + 1
        return _concatenated(sentences, end=1), _concatenated(attributes)

    def assemble(
        self, names: np.ndarray, values: np.ndarray, wording: Wording, with_names: bool = False
    ) -> dict[str, np.ndarray]:
        """Token ids, attribute ids and mask of b biographies, padded on the right.

        Args:
            names: (b, parts of a name) as in `Population`.
            values: (b, attributes) as in `Population`.
            wording: templates and order of the b biographies.
            with_names: whether to tell which tokens are names, too: `name_ids`.
        """
        pieces, attributes = self.pieces(names, values, wording)
        lengths = self.lengths[pieces]
        row_lengths = lengths.sum(axis=1)
        width = -(-int(row_lengths.max(initial=0)) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
        mask = np.arange(width) < row_lengths[:, None]
        flat = lengths.ravel()
        # token k of the batch is token (k - tokens before its piece) of that piece
        shift = np.repeat(self.starts[pieces].ravel() - (np.cumsum(flat) - flat), flat)
        tokens = {
            "input_ids": self.tokens[shift + np.arange(len(shift))],
            "attribute_ids": np.repeat(attributes.ravel(), flat),
        }
        if with_names:
            is_name = np.zeros((*wording.order.shape, len(self.names) + 4), dtype=np.int64)
            is_name[..., 1:-3] = np.arange(1, 1 + len(self.values))[:, None]
            tokens["name_ids"] = np.repeat(_concatenated(is_name).ravel(), flat)
        padded = {key: np.zeros(mask.shape, np.int64) for key in tokens}
        for key, ids in tokens.items():
            padded[key][mask] = ids
        return padded | {"attention_mask": mask}


def _concatenated(sentences: np.ndarray, end: int = 0) -> np.ndarray:
    """What is said of pieces (b, sentences, pieces of each), and 0 of the begin, as (b, pieces)."""
    b, n_sentences, n_pieces = sentences.shape
    row = sentences.reshape(b, n_sentences * n_pieces)
    return np.pad(row, ((0, 0), (1, 1)), constant_values=((0, 0), (0, end)))


def _joined(lists: dict[str, list[list[int]]], parts: tuple[str, ...]) -> list[list[int]]:
    combinations = itertools.product(*(lists[part] for part in parts))
    return [list(itertools.chain(*combination)) for combination in combinations]
