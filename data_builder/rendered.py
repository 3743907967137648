"""Batches with the tokens of the rendered text: by piece tables where these give the same, else text by text."""

import itertools
import sys

import numpy as np
from transformers import PreTrainedTokenizerFast

from command_line import UserError, is_first_process
from data_builder.biographies import Biography, Renderer
from data_builder.encoding import Encoder
from data_builder.population import Wording
from data_builder.random import uniforms
from data_builder.source import Source
from data_builder.tables import LENGTH_MULTIPLE, TokenTables

_TRIED = 64  # biographies whose tokens are compared with the tokenizer's, beside all junctions


def token_tables(source: Source, tokenizer: PreTrainedTokenizerFast) -> TokenTables:
    """Piece tables if their tokens are always those of the rendered text, else `RenderedTables`, which a note says.

    Raises:
        UserError: values or names that the tokenizer cannot tell apart, or has no tokens for.
    """
    encoder = Encoder(tokenizer)
    tables = TokenTables(source, encoder)
    _check_told_apart(tables, source)
    _note_losses(source, encoder)
    _note_junctions(source, encoder)
    rendered = RenderedTables(source, encoder)
    if reason := encoder.inexact or _difference(tables, rendered, source):
        _say(f"note: each batch is tokenized as text, since for this tokenizer {reason}")
        return rendered
    return tables


class RenderedTables(TokenTables):
    """The same batches from rendered texts, for tokenizers that have other tokens where pieces meet.

    A token belongs to a name or value if it has a character of it, or is the space before it alone.
    """

    def __init__(self, source: Source, encoder: Encoder):
        super().__init__(source, encoder)
        self._renderer, self._encoder = Renderer(source), encoder

    def assemble(
        self, names: np.ndarray, values: np.ndarray, wording: Wording, with_names: bool = False
    ) -> dict[str, np.ndarray]:
        """As of `TokenTables`."""
        columns = (array.tolist() for array in (names, values, wording.templates, wording.order))
        told = [self._renderer.biography(*row) for row in zip(*columns, strict=True)]
        encoded = self._encoder.texts([biography.text for biography in told])
        begin, end = self._encoder.begin, self._encoder.end
        rows: dict[str, list[list[int]]] = {"input_ids": [[*begin, *ids, *end] for ids, _ in encoded]}
        marks = {"attribute_ids": (wording.order + 1, _value_spans)}
        if with_names:
            places = np.broadcast_to(np.arange(1, 1 + len(self.values)), wording.order.shape)
            marks["name_ids"] = (places, _name_spans)
        for key, (numbers, spans) in marks.items():
            marked = zip(told, encoded, numbers.tolist(), strict=True)
            inside = (_marks(offsets, spans(biography), of_row) for biography, (_, offsets), of_row in marked)
            rows[key] = [[0] * len(begin) + row + [0] * len(end) for row in inside]
        return _padded(rows)


def _value_spans(biography: Biography) -> list[tuple[int, int]]:
    return biography.value_spans


def _name_spans(biography: Biography) -> list[tuple[int, int]]:
    return biography.name_spans


def _marks(offsets: list[tuple[int, int]], spans: list[tuple[int, int]], numbers: list[int]) -> list[int]:
    """Of each token, the number of the first span that it belongs to; 0 of one that belongs to none."""
    marks = [0] * len(offsets)
    begins = np.array([begin for begin, _ in offsets])
    for (begin, end), number in zip(spans, numbers, strict=True):
        for token in range(max(0, int(begins.searchsorted(begin)) - 1), len(offsets)):
            first, last = offsets[token]
            if first >= end:
                break
            if not marks[token] and (last > begin or (first, last) == (begin - 1, begin)):
                marks[token] = number
    return marks


def _padded(rows: dict[str, list[list[int]]]) -> dict[str, np.ndarray]:
    lengths = np.array([len(row) for row in rows["input_ids"]], dtype=np.int64)
    width = -(-int(lengths.max(initial=0)) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
    mask = np.arange(width) < lengths[:, None]
    padded = {key: np.zeros(mask.shape, np.int64) for key in rows}
    for key, of_rows in rows.items():
        padded[key][mask] = np.fromiter(itertools.chain(*of_rows), dtype=np.int64)
    return padded | {"attention_mask": mask}


def _note_junctions(source: Source, encoder: Encoder) -> None:
    """Where pieces meet: at a space, which no token may reach over, or a mark that follows a name or value at once."""
    encoder.note_spaces()
    lists, world = source.word_lists, source.world
    templates = [t for ts in source.templates.values() for t in ts]
    names = {entry for name in world.name for entry in lists.names(name)}
    values = {entry for parts in world.attributes.values() for entry in lists.lists[parts[-1]]}
    values |= {entry for attribute in world.attributes for entry in lists.extra.get(attribute, ())}
    for entries, followers in ((names, [t.middle for t in templates]), (values, [t.tail for t in templates])):
        marks = {text.split(" ")[0] for text in followers} - {""}
        encoder.goes_together({entry.split(" ")[-1] for entry in entries if entry}, marks)


def _difference(tables: TokenTables, rendered: RenderedTables, source: Source) -> str | None:
    """Whether some biographies have other tokens as text; in wording and of people at random."""
    people = source.population
    size = min(_TRIED, len(people))
    who = np.linspace(0, len(people) - 1, size).astype(np.int64)
    wording = people.draw_wording(who, uniforms(0, "tried", (size, 2 * people.values.shape[1])), heldout=False)
    rows = (people.names[who], people.values[who], wording, True)
    ours, theirs = tables.assemble(*rows), rendered.assemble(*rows)
    same = all(np.array_equal(ours[key], theirs[key]) for key in theirs)
    return None if same else "pieces of a text have other tokens than the whole"


def _check_told_apart(tables: TokenTables, source: Source) -> None:
    lists, world = source.word_lists, source.world
    values = zip(world.attributes, map(lists.values, world.attributes), tables.values, strict=True)
    names = zip(world.name, map(lists.names, world.name), tables.names, strict=True)
    for attribute, texts, first in (*names, *values):
        spelled: dict[bytes, str] = {}
        for text, piece in zip(texts, range(first, first + len(texts)), strict=True):
            start = tables.starts[piece]
            other = spelled.setdefault(tables.tokens[start : start + tables.lengths[piece]].tobytes(), text)
            if other != text:
                raise UserError(f"{attribute}: the model's tokenizer reads '{other}' and '{text}' alike; leave out one")


def _note_losses(source: Source, encoder: Encoder) -> None:
    entries = (entry for texts in source.word_lists.lists.values() for entry in texts)
    sentences = (part for ts in source.templates.values() for t in ts for part in (t.head, t.middle, t.tail))
    if lost := encoder.losses(itertools.chain(entries, *source.word_lists.extra.values(), sentences)):
        _say(f"note: the model's tokenizer reads {lost}; what it leaves out cannot be learned")


def _say(line: str) -> None:
    if is_first_process():
        print(line, file=sys.stderr)
