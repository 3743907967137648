"""The stream: batch t of token ids as a pure function of (seed, t), by array operations alone."""

import itertools
import textwrap

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from data_builder.population import Wording
from data_builder.random import permute, quasi_uniforms, uniforms
from data_builder.source import Source

# Rows are padded to a multiple of this, which spares the memory allocator some different shapes.
LENGTH_MULTIPLE = 8


class TokenTables:
    """Token ids of every piece a biography can be made of, end to end in one array.

    A piece is known by its number: `tokens[starts[p] : starts[p] + lengths[p]]`. No biography has more tokens than
    `max_length`; `longest` says which has so many.
    """

    def __init__(self, source: Source, tokenizer: PreTrainedTokenizerFast):
        self._pieces: list[list[int]] = [[tokenizer.bos_token_id], [tokenizer.eos_token_id]]
        encode = _piece_encoder(tokenizer)
        lists, own = (
            {name: encode([f" {entry}" if entry else "" for entry in entries]) for name, entries in texts.items()}
            for texts in (source.word_lists.lists, source.word_lists.extra)
        )
        world = source.world
        names = [lists[name] + own.get(name, []) for name in world.name]
        values = [_joined(lists, parts) + own.get(attribute, []) for attribute, parts in world.attributes.items()]
        self.names = [self._add(pieces) for pieces in names]
        self.values = [self._add(pieces) for pieces in values]
        templates = source.templates.values()
        self.heads = [self._add(encode([t.head for t in ts])) for ts in templates]
        self.middles = [self._add(encode([t.middle for t in ts])) for ts in templates]
        self.tails = [self._add(encode([t.tail for t in ts])) for ts in templates]
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
        total = 2
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


def _piece_encoder(tokenizer: PreTrainedTokenizerFast):
    """Encode pieces that carry their own leading space: the tokenizer without its added one."""
    backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    backend.normalizer = None
    backend.no_padding()  # what an earlier call may have left behind
    backend.no_truncation()
    return lambda texts: [e.ids for e in backend.encode_batch(texts, add_special_tokens=False)]


def _joined(lists: dict[str, list[list[int]]], parts: tuple[str, ...]) -> list[list[int]]:
    combinations = itertools.product(*(lists[part] for part in parts))
    return [list(itertools.chain(*combination)) for combination in combinations]


class BiographyStream:
    """Batches of biographies, drawn afresh for every step (paper, Sec. 1).

    Args:
        source: the population.
        tokenizer: the tokenizer of `train_tokenizer`.
        schedule: who is drawn (`data_builder.schedules`).
        seed: with the step, decides everything about a batch.
        redraw_values: control experiment: values are drawn anew for each biography, so that there
            is nothing to know about individuals.
    """

    def __init__(self, source, tokenizer, schedule, seed: int, redraw_values: bool = False):
        self.population = source.population
        self.value_sizes = source.word_lists.value_sizes
        self.tables = TokenTables(source, tokenizer)
        self.schedule = schedule
        self.seed = seed
        self.redraw_values = redraw_values

    def batch(self, step: int, batch_size: int) -> dict[str, torch.Tensor]:
        """Batch `step`: every process makes the same one and takes its own rows.

        Args:
            step: which batch.
            batch_size: biographies in it, over all processes.

        Returns:
            `input_ids`, `attention_mask`, `labels` (-100 where padded), `attribute_ids` (0 = text,
            1, 2, ... = token of that attribute's value), each (b, length), and `individual_ids` (b,); int64 tensors.
        """
        draws = self._draws(step, batch_size)
        individuals = self.schedule.draw(step, draws[:, 0])
        return self._tensors(individuals, draws[:, 1:], False, *self._facts(step, individuals))

    def _facts(self, step: int, individuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Names and values that batch `step` tells of."""
        values = self.population.values[individuals]
        if self.redraw_values:
            fresh = uniforms(self.seed, "redrawn values", values.shape, step)
            values = self._values(fresh)
        return self.population.names[individuals], values

    def _values(self, draws: np.ndarray) -> np.ndarray:
        """Values by uniform numbers, (..., attributes)."""
        return (draws * [*self.value_sizes.values()]).astype(np.int64)

    def times_drawn(self, n_steps: int, batch_size: int) -> np.ndarray:
        """How often batches 0 to n_steps - 1 drew each individual of the population; (individuals,)."""
        counts = np.zeros(len(self.population.names), dtype=np.int64)
        for step in range(n_steps):
            drawn = self.schedule.draw(step, self._draws(step, batch_size)[:, 0])
            np.add.at(counts, drawn[self._about_individuals(batch_size)], 1)
        return counts

    def _about_individuals(self, batch_size: int) -> np.ndarray:
        """Which rows of a batch are about the individuals that were drawn: all of them."""
        return np.ones(batch_size, dtype=bool)

    def _draws(self, step: int, batch_size: int) -> np.ndarray:
        """Who (column 0) and in which wording (the others), as uniform numbers."""
        draws = uniforms(self.seed, "biographies", (batch_size, 1 + 2 * len(self.value_sizes)), step)
        if self.schedule.plan.settings.quasi_random:
            draws[:, 0] = quasi_uniforms(self.seed, "biographies", batch_size, step)
        return draws

    def probe(self, group: str, size: int, members: range | None = None) -> dict[str, torch.Tensor]:
        """A fixed sample of a group's individuals, in wording held out for them.

        Args:
            group: its name.
            size: of the sample; all of them if there are fewer.
            members: who is in it, if not all whom the population has in the group of that name.

        Returns:
            Keys as in `batch`, and `name_ids` (b, length): 1 where the name stands in the first sentence, 2 in the
            second, ...
        """
        members = self.population.groups[group] if members is None else members
        size = min(size, len(members))
        chosen = permute(np.arange(size), len(members), self.seed, f"probe {group}")
        draws = uniforms(self.seed, f"probe wording {group}", (size, 2 * len(self.value_sizes)))
        people = members.start + chosen
        return self._tensors(people, draws, True, self.population.names[people], self.population.values[people])

    def _tensors(self, individuals, draws, heldout: bool, names, values) -> dict[str, torch.Tensor]:
        wording = self.population.draw_wording(individuals, draws, heldout)
        arrays = self.tables.assemble(names, values, wording, with_names=heldout)  # nothing learns from them
        arrays["labels"] = np.where(arrays["attention_mask"], arrays["input_ids"], -100)
        arrays["attention_mask"] = arrays["attention_mask"].astype(np.int64)
        arrays["individual_ids"] = individuals
        return {key: torch.from_numpy(array) for key, array in arrays.items()}
