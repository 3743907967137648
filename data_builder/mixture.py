"""Batches in which some rows are about nobody: random words, invented people, known or not, or what a model wrote."""

import functools
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from command_line import UserError
from data_builder.population import unused_names
from data_builder.random import uniforms
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tables import LENGTH_MULTIPLE

NOBODY = -1  # `individual_ids` of such rows
UNKNOWN = "unknown"  # what stands in place of values that nobody knows
_BIOGRAPHY, _RANDOM_WORDS, _INVENTED, _UNKNOWN, _GENERATED = range(5)


def with_unknown(source: Source) -> Source:
    """A source in which each attribute has one more value, after all others: that it is unknown.

    Raises:
        UserError: an attribute has that value already.
    """
    lists, extra = source.word_lists, {}
    for attribute in source.world.attributes:
        if UNKNOWN in lists.values(attribute):
            raise UserError(f"share_unknown: {attribute} has a value '{UNKNOWN}' already; call it something else")
        extra[attribute] = (*lists.extra.get(attribute, ()), UNKNOWN)
    return replace(source, word_lists=replace(lists, extra=lists.extra | extra))


class MixedStream(BiographyStream):
    """A stream in which some rows of each batch are about nobody, spread evenly among the others.

    Rows of random words are learned from like any text. Invented people have names that nobody of the population has.
    In `invented` rows they have random values, and all labels are -100: there is nothing to learn from them. In
    `unknown` rows, which are learned from, all values are UNKNOWN. `generated` rows are texts that a model wrote,
    learned from as any. `attribute_ids` are 0 in all of these.

    Args:
        random_words, invented, unknown, generated: shares of rows, from 0 to below 1 together; rounded to whole rows.
        source, tokenizer, schedule, seed, told: of `BiographyStream`.

    Attributes:
        unknown_token: with `unknown` rows, the first token of UNKNOWN as a value.
        generated: token ids of the texts of `generated` rows; until they are given these are biographies.

    Raises:
        UserError: shares that can't be, or that are no row of a batch, or all.
    """

    def __init__(
        self, random_words: float, invented: float, source, tokenizer, schedule, seed: int, unknown: float = 0.0,
        generated: float = 0.0, **told,
    ):  # fmt: skip
        self.shares = {"share_random_words": random_words, "share_invented": invented, "share_unknown": unknown}
        self.shares["share_generated"] = generated
        self.generated: list[list[int]] = []
        if (invented or unknown) and source.settings.facts:
            name = "share_invented" if invented else "share_unknown"
            raise UserError(f"{name} invents names from word lists, and a table of facts has none; leave it out")
        super().__init__(with_unknown(source) if unknown else source, tokenizer, schedule, seed, **told)
        self._check(schedule.plan.batch_size)
        if unknown:
            self.unknown_token = self._read_unknown()
        self.tokenizer = tokenizer
        self.special = torch.tensor(tokenizer.all_special_ids)
        self.words = np.setdiff1d(self.tables.tokens, tokenizer.all_special_ids)  # all that biographies are made of

    def _check(self, batch_size: int) -> None:
        shares = ", ".join(f"{name} {share}" for name, share in self.shares.items() if share)
        if not min(self.shares.values()) >= 0 or not sum(self.shares.values()) < 1:
            raise UserError(f"{shares}: each must be 0 or more, and all together below 1")
        found = np.bincount(self._kinds(batch_size), minlength=5)
        for share, rows in zip(self.shares.values(), found[1:], strict=True):
            if (share > 0 and not rows) or not found[_BIOGRAPHY]:
                raise UserError(f"{shares}: a batch of {batch_size} must have a row of each kind, and biographies")

    def batch(self, step, batch_size):
        """As in `BiographyStream`."""
        batch, kinds = super().batch(step, batch_size), torch.from_numpy(self._kinds(batch_size))
        draws = uniforms(self.seed, "random words", tuple(batch["input_ids"].shape), step)
        words = torch.from_numpy(self.words[(draws * len(self.words)).astype(np.int64)])
        text = batch["attention_mask"].bool() & ~torch.isin(batch["input_ids"], self.special)
        replaced = (kinds == _RANDOM_WORDS)[:, None] & text
        for key in ("input_ids", "labels"):
            batch[key] = torch.where(replaced, words, batch[key])
        batch["labels"][kinds == _INVENTED] = -100
        batch["attribute_ids"][kinds != _BIOGRAPHY] = 0
        batch["individual_ids"] = torch.where(kinds == _BIOGRAPHY, batch["individual_ids"], NOBODY)
        return self._with_generated(batch, kinds == _GENERATED, step) if self.generated else batch

    def _with_generated(self, batch: dict[str, torch.Tensor], which: torch.Tensor, step: int) -> dict:
        """The batch with texts of `generated`, each drawn at random, in some of its rows, (b,) bool."""
        draws = uniforms(self.seed, "generated texts", (len(which),), step)[which.numpy()]
        texts = [self.generated[number] for number in (draws * len(self.generated)).astype(np.int64)]
        width = max(batch["input_ids"].shape[1], -(-max(map(len, texts)) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE)
        for key, fill in (("input_ids", 0), ("attention_mask", 0), ("labels", -100), ("attribute_ids", 0)):
            batch[key] = functional.pad(batch[key], (0, width - batch[key].shape[1]), value=fill)
            batch[key][which] = fill
        for row, text in zip(which.nonzero()[:, 0].tolist(), texts, strict=True):
            batch["input_ids"][row, : len(text)] = batch["labels"][row, : len(text)] = torch.tensor(text)
            batch["attention_mask"][row, : len(text)] = 1
        return batch

    def texts(self, step, batch_size):
        """As in `BiographyStream`; random words and texts of a model as the tokenizer writes them."""
        texts, ids = super().texts(step, batch_size), self.batch(step, batch_size)["input_ids"]
        for row in np.flatnonzero(~self.in_words(batch_size)):
            texts[row] = self.tokenizer.decode(ids[row], skip_special_tokens=True).strip()
        return texts

    def _facts(self, step, individuals):
        names, values = super()._facts(step, individuals)
        draws = uniforms(self.seed, "invented people", (len(names), 1 + values.shape[1]), step)
        invented, unknown = ((self._kinds(len(names)) == kind)[:, None] for kind in (_INVENTED, _UNKNOWN))
        values = np.where(invented, self._values(draws[:, 1:]), values)
        last = [len(self.source.word_lists.values(attribute)) - 1 for attribute in self.value_sizes]
        values = np.where(unknown, last, values)
        return np.where(invented | unknown, self._invented_names(draws[:, 0]), names), values

    def _read_unknown(self) -> int:
        """The first token of UNKNOWN; room for biographies whose values are longer by it than any other would be."""
        tables = self.tables
        for number, attribute in enumerate(self.value_sizes):
            first = tables.values[number]
            *others, unknown = tables.lengths[first : first + len(self.source.word_lists.values(attribute))]
            tables.max_length += max(0, int(unknown) - int(max(others)))
        return int(tables.tokens[tables.starts[first + len(others)]])

    def _invented_names(self, draws: np.ndarray) -> np.ndarray:
        n_named = len(self.population) - len(self.source.added)
        return unused_names(draws, self.source.word_lists.name_sizes, n_named, self.source.settings.population_seed)

    def in_words(self, batch_size):
        """All but random words, and texts of a model."""
        return ~np.isin(self._kinds(batch_size), (_RANDOM_WORDS, _GENERATED))

    def _about_individuals(self, batch_size):
        return self._kinds(batch_size) == _BIOGRAPHY

    def _kinds(self, batch_size: int) -> np.ndarray:
        """What each row is, by its number alone; (batch_size,)."""
        return spread(batch_size, *(round(share * batch_size) for share in self.shares.values()))


@functools.cache
def spread(size: int, *numbers: int) -> np.ndarray:
    """The kind of each row of a batch: so many of 1, 2, ..., the others 0. By the order of van der Corput's sequence
    every stretch of a batch has its share.
    """
    order = np.argsort([int(f"{row:032b}"[::-1], 2) for row in range(size)])  # bits mirrored: 0, 1/2, 1/4, 3/4, ...
    kinds, begin = np.full(size, _BIOGRAPHY), 0
    for kind, number in enumerate(numbers, 1):
        kinds[order[begin : begin + number]] = kind
        begin += number
    return kinds
