"""Batches in which some rows are about nobody: random words, or invented people."""

import functools

import numpy as np
import torch

from command_line import UserError
from data_builder.population import unused_names
from data_builder.random import uniforms
from data_builder.stream import BiographyStream

NOBODY = -1  # `individual_ids` of such rows
_BIOGRAPHY, _RANDOM_WORDS, _INVENTED = range(3)


class MixedStream(BiographyStream):
    """A stream in which some rows of each batch are about nobody, spread evenly among the others.

    Rows of random words are learned from like any text. In rows about invented people (names that nobody of the
    population has, random values) all labels are -100: there is nothing to learn from them. `attribute_ids` are 0 in
    both.

    Args:
        random_words, invented: shares of rows, from 0 to below 1 together; rounded to whole rows.
        source, tokenizer, schedule, seed: of `BiographyStream`.

    Raises:
        UserError: shares that can't be, or that are no row of a batch, or all.
    """

    def __init__(self, random_words: float, invented: float, source, tokenizer, schedule, seed: int):
        if invented and source.settings.facts:
            raise UserError("share_invented invents names from word lists, and a table of facts has none; leave it out")
        super().__init__(source, tokenizer, schedule, seed)
        self.shares = {"share_random_words": random_words, "share_invented": invented}
        self._check(schedule.plan.batch_size)
        self.tokenizer = tokenizer
        self.special = torch.tensor(tokenizer.all_special_ids)
        self.words = np.setdiff1d(self.tables.tokens, tokenizer.all_special_ids)  # all that biographies are made of

    def _check(self, batch_size: int) -> None:
        shares = ", ".join(f"{name} {share}" for name, share in self.shares.items())
        if not min(self.shares.values()) >= 0 or not sum(self.shares.values()) < 1:
            raise UserError(f"{shares}: each must be 0 or more, and both together below 1")
        found = np.bincount(self._kinds(batch_size), minlength=3)
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
        return batch

    def texts(self, step, batch_size):
        """As in `BiographyStream`; random words as the tokenizer writes them."""
        texts, ids = super().texts(step, batch_size), self.batch(step, batch_size)["input_ids"]
        for row in np.flatnonzero(self._kinds(batch_size) == _RANDOM_WORDS):
            texts[row] = self.tokenizer.decode(ids[row], skip_special_tokens=True).strip()
        return texts

    def _facts(self, step, individuals):
        names, values = super()._facts(step, individuals)
        draws = uniforms(self.seed, "invented people", (len(names), 1 + values.shape[1]), step)
        invented = (self._kinds(len(names)) == _INVENTED)[:, None]
        others = self._invented_names(draws[:, 0]), self._values(draws[:, 1:])
        return np.where(invented, others[0], names), np.where(invented, others[1], values)

    def _invented_names(self, draws: np.ndarray) -> np.ndarray:
        n_named = len(self.population) - len(self.source.added)
        return unused_names(draws, self.source.word_lists.name_sizes, n_named, self.source.settings.population_seed)

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
