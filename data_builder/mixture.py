"""Batches in which some rows are about nobody: random words, or invented people."""

import numpy as np
import torch

from command_line import UserError
from data_builder.random import uniforms
from data_builder.stream import BiographyStream

NOBODY = -1  # `individual_ids` of such rows
_BIOGRAPHY, _RANDOM_WORDS, _INVENTED = range(3)


class MixedStream(BiographyStream):
    """A stream in which some rows of each batch are about nobody; spread evenly, so that all processes have some.

    Rows of random words are learned from like any text. In rows about invented people (random names and values of the
    lists) all labels are -100: there is nothing to learn from them. `attribute_ids` are 0 in both.

    Args:
        random_words, invented: shares of rows, from 0 to below 1 together.
        source, tokenizer, schedule, seed: of `BiographyStream`.

    Raises:
        UserError: shares that can't be.
    """

    def __init__(self, random_words: float, invented: float, source, tokenizer, schedule, seed: int):
        super().__init__(source, tokenizer, schedule, seed)
        if not min(random_words, invented) >= 0 or not random_words + invented < 1:
            raise UserError(
                f"share_random_words is {random_words} and share_invented {invented}; each must be 0 or more, and "
                "both together below 1"
            )
        self.random_words, self.either = random_words, random_words + invented
        self.name_sizes = np.array(source.word_lists.name_sizes)
        self.special = torch.tensor(tokenizer.all_special_ids)
        self.words = np.setdiff1d(self.tables.tokens, tokenizer.all_special_ids)  # all that biographies are made of

    def batch(self, step, batch_size):
        """As in `BiographyStream`."""
        batch, kinds = super().batch(step, batch_size), torch.from_numpy(self._kinds(batch_size))
        random, invented = kinds == _RANDOM_WORDS, kinds == _INVENTED
        draws = uniforms(self.seed, "random words", tuple(batch["input_ids"].shape), step)
        words = torch.from_numpy(self.words[(draws * len(self.words)).astype(np.int64)])
        replaced = random[:, None] & ~torch.isin(batch["input_ids"], self.special)
        for key in ("input_ids", "labels"):
            batch[key] = torch.where(replaced, words, batch[key])
        batch["labels"][invented] = -100
        batch["attribute_ids"][kinds != _BIOGRAPHY] = 0
        batch["individual_ids"] = torch.where(kinds == _BIOGRAPHY, batch["individual_ids"], NOBODY)
        return batch

    def _facts(self, step, individuals):
        names, values = super()._facts(step, individuals)
        sizes = np.concatenate((self.name_sizes, self.value_sizes))
        fresh = (uniforms(self.seed, "invented people", (len(names), len(sizes)), step) * sizes).astype(np.int64)
        invented = (self._kinds(len(names)) == _INVENTED)[:, None]
        n_names = names.shape[1]
        return np.where(invented, fresh[:, :n_names], names), np.where(invented, fresh[:, n_names:], values)

    def _about_individuals(self, batch_size):
        return self._kinds(batch_size) == _BIOGRAPHY

    def _kinds(self, batch_size: int) -> np.ndarray:
        """What each row is: by its number alone, (batch_size,)."""
        places = np.array([_radical_inverse(row) for row in range(batch_size)])
        rest = np.where(places < self.either, _INVENTED, _BIOGRAPHY)
        return np.where(places < self.random_words, _RANDOM_WORDS, rest)


def _radical_inverse(number: int) -> float:
    """The bits of a number mirrored at the point (van der Corput): 0, 1/2, 1/4, 3/4, ..., even in every stretch."""
    return int(f"{number:032b}"[::-1], 2) / 2**32
