"""The stream: batch t of token ids as a pure function of (seed, t), by array operations alone."""

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from data_builder.biographies import Renderer
from data_builder.population import Wording
from data_builder.random import permute, quasi_uniforms, uniforms
from data_builder.rendered import token_tables

if TYPE_CHECKING:
    import datasets


class BiographyStream:
    """Batches of biographies, drawn afresh for every step (paper, Sec. 1).

    Args:
        source: the population.
        tokenizer: of `train_tokenizer`, or any other fast one.
        schedule: who is drawn (`data_builder.schedules`).
        seed: with the step, decides everything about a batch.
        redraw_values: control experiment: values are drawn anew for each biography, so that there
            is nothing to know about individuals.
        templates_per_individual: in how many templates of each attribute an individual is told; in all that are not
            held out if None (paper, Fig. A).
        sentence_order: `random`, or `fixed`, that of the attributes (paper, Fig. A).

    Raises:
        UserError: there are not so many templates.
    """

    unknown_token: int | None = None  # the first of what stands for a value that nobody knows; None if nothing does

    def __init__(
        self, source, tokenizer, schedule, seed: int, redraw_values: bool = False,
        templates_per_individual: int | None = None, sentence_order: str = "random",
    ):  # fmt: skip
        self.source, self.population = source, source.population
        self.value_sizes = source.word_lists.value_sizes
        self.tables = token_tables(source, tokenizer)
        self.schedule = schedule
        self.seed = seed
        self.redraw_values = redraw_values
        n = templates_per_individual
        self.own_templates = None if n is None else self.population.own_templates(n, source.settings.population_seed)
        self.sentence_order = sentence_order

    def batch(self, step: int, batch_size: int) -> dict[str, torch.Tensor]:
        """Batch `step`: every process makes the same one and takes its own rows.

        Args:
            step: which batch.
            batch_size: biographies in it, over all processes.

        Returns:
            `input_ids`, `attention_mask`, `labels` (-100 where padded), `attribute_ids` (0 = text,
            1, 2, ... = token of that attribute's value), each (b, length), and `individual_ids` (b,); int64 tensors.
        """
        return self._tensors(*self.told(step, batch_size), with_names=False)  # nothing learns from them

    def told(self, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Wording]:
        """Who is drawn for batch `step`, (b,); under which names and values, as in `Population`; in which wording."""
        draws = self._draws(step, batch_size)
        individuals = self.schedule.draw(step, draws[:, 0])
        return individuals, *self._facts(step, individuals), self._wording(individuals, draws[:, 1:], heldout=False)

    def texts(self, step: int, batch_size: int) -> list[str]:
        """What batch `step` reads, as text."""
        _, names, values, wording = self.told(step, batch_size)
        columns = (array.tolist() for array in (names, values, wording.templates, wording.order))
        renderer = Renderer(self.source)
        return [renderer.biography(*row).text for row in zip(*columns, strict=True)]

    def to_iterable_dataset(self, batch_size: int, n_steps: int | None = None) -> "datasets.IterableDataset":
        """The rows of batch 0, 1, ... one after the other, for the trainers of others.

        Args:
            batch_size: rows of a batch, over all processes.
            n_steps: how many batches; endless if None.

        Returns:
            `input_ids`, `attention_mask` and `labels` (all tokens), without padding. Collators pad them, e.g.
            `DataCollatorForSeq2Seq(tokenizer)`.
        """
        import datasets  # which training needs not

        columns = ("input_ids", "attention_mask", "labels")

        def rows():
            for step in itertools.count() if n_steps is None else range(n_steps):
                batch = self.batch(step, batch_size)
                for row, length in enumerate(batch["attention_mask"].sum(1).tolist()):
                    yield {name: batch[name][row, :length].tolist() for name in columns}

        features = datasets.Features(dict.fromkeys(columns, datasets.List(datasets.Value("int64"))))
        return datasets.IterableDataset.from_generator(rows, features=features)

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

    def times_drawn(self, n_steps: int, batch_size: int, first: int = 0) -> np.ndarray:
        """How often batches `first` to n_steps - 1 drew each individual of the population; (individuals,)."""
        counts = np.zeros(len(self.population.names), dtype=np.int64)
        for step in range(first, n_steps):
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

    def in_words(self, batch_size: int) -> np.ndarray:
        """Which rows of a batch tell of somebody, of the population or invented: all of them; (b,) booleans."""
        return np.ones(batch_size, dtype=bool)

    def further_probes(self, size: int) -> dict[str, dict[str, torch.Tensor]]:
        """What to measure beside groups of individuals: `memorized`, which is those drawn in wording and order of
        training, where these are not as various as templates allow.
        """
        if self.own_templates is None and self.sentence_order == "random":
            return {}
        return {"memorized": self.probe("seen", size, self.schedule.plan.individuals, heldout=False)}

    def probe(
        self, group: str, size: int, members: range | None = None, heldout: bool = True
    ) -> dict[str, torch.Tensor]:
        """A fixed sample of a group's individuals, in wording held out for them and random order.

        Args:
            group: its name.
            size: of the sample; all of them if there are fewer.
            members: who is in it, if not all whom the population has in the group of that name.
            heldout: False for wording and order of training.

        Returns:
            Keys as in `batch`, and `name_ids` (b, length): 1 where the name stands in the first sentence, 2 in the
            second, ...
        """
        members = self.population.groups[group] if members is None else members
        size = min(size, len(members))
        chosen = permute(np.arange(size), len(members), self.seed, f"probe {group}")
        draws = uniforms(self.seed, f"probe wording {group}", (size, 2 * len(self.value_sizes)))
        people = members.start + chosen
        facts = self.population.names[people], self.population.values[people]
        return self._tensors(people, *facts, self._wording(people, draws, heldout), with_names=True)

    def _wording(self, individuals: np.ndarray, draws: np.ndarray, heldout: bool) -> Wording:
        wording = self.population.draw_wording(individuals, draws, heldout, self.own_templates)
        if heldout or self.sentence_order == "random":
            return wording
        return replace(wording, order=np.broadcast_to(np.arange(wording.order.shape[1]), wording.order.shape))

    def _tensors(self, individuals, names, values, wording: Wording, with_names: bool) -> dict[str, torch.Tensor]:
        arrays = self.tables.assemble(names, values, wording, with_names)
        arrays["labels"] = np.where(arrays["attention_mask"], arrays["input_ids"], -100)
        arrays["attention_mask"] = arrays["attention_mask"].astype(np.int64)
        arrays["individual_ids"] = individuals
        return {key: torch.from_numpy(array) for key, array in arrays.items()}
