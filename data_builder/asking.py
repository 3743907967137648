"""Question-answer pairs: can a model that knows facts be asked for them? (Allen-Zhu and Li, arXiv 2309.14316)"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from command_line import UserError
from data_builder.conflicts import Conflict, refuse
from data_builder.mixture import spread
from data_builder.population import Wording
from data_builder.random import permute, uniforms
from data_builder.sentences import Template, add_templates
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.texts import Beginnings, read_lines
from data_builder.world import load_world

_FOLDER = Path(__file__).parent / "asking"
GROUPS = ("asked", "unasked")


def with_questions(source: Source) -> Source:
    """A source in which the question templates of each attribute come after those of sentences; who exists stays.

    Raises:
        Conflicts: sentences of a user's own that read like a question up to its value.
    """
    templates, found = {}, []
    kept = Beginnings()
    bundled = source.world.facts() == load_world().facts()
    for attribute, sentences in source.templates.items():
        path = _FOLDER / (f"{attribute}.txt" if bundled else "generic.txt")
        named = attribute.replace("_", " ")
        asked = [(path, n, line.replace("{attribute}", named)) for n, line in enumerate(read_lines(path), 1)]
        templates[attribute] = sentences + _added(asked, sentences, kept, found)
    refuse(found)
    return replace(source, templates=templates)


def _added(
    asked: list[tuple[Path, int, str]], sentences: list[Template], kept: Beginnings, found: list[Conflict]
) -> list[Template]:
    own = [(Path("templates"), number, sentence.text) for number, sentence in enumerate(sentences, 1)]
    return add_templates([*own, *asked], kept, found)[len(sentences) :]


class AskingStream(BiographyStream):
    """A stream in which some rows of each batch ask about individuals: one question for each attribute, and its answer.

    Questions are about some of the individuals that may be drawn, the `asked`; whether it can also answer those about
    the others tells whether a model can be asked for what it knows.

    Args:
        questions: share of rows, above 0; 1 for questions alone.
        asked: share of the individuals who are asked about, chosen by the population's seed.
        source, tokenizer, schedule, seed, told: of `BiographyStream`.

    Raises:
        UserError: shares that are no row of a batch, or nobody, or everybody.
    """

    def __init__(self, questions: float, asked: float, source, tokenizer, schedule, seed: int, **told):
        super().__init__(with_questions(source), tokenizer, schedule, seed, **told)
        individuals, size = schedule.plan.individuals, schedule.plan.batch_size
        n_asked = round(asked * len(individuals))
        self.n_rows = round(questions * size)
        if not self.n_rows:
            raise UserError(f"share_questions is {questions}; of a batch of {size} it must be a row at least")
        if not 0 < n_asked < len(individuals):
            raise UserError(
                f"share_asked is {asked}; of {len(individuals)} individuals it must leave some of each kind"
            )
        order = permute(np.arange(len(individuals)), len(individuals), source.settings.population_seed, "asked")
        self.members = dict(zip(GROUPS, np.split(individuals.start + order, [n_asked]), strict=True))
        self.first = self.population.n_templates  # of the questions, (attributes,)
        self.n_questions = np.array([len(ts) for ts in self.source.templates.values()]) - self.first

    def told(self, step, batch_size):
        """As in `BiographyStream`; rows of questions are about the asked, whatever the schedule."""
        individuals, names, values, wording = super().told(step, batch_size)
        rows = spread(batch_size, self.n_rows) > 0
        draws = uniforms(self.seed, "asked", (batch_size, 1 + values.shape[1]), step)
        asked = self.members["asked"][(draws[:, 0] * len(self.members["asked"])).astype(np.int64)]
        templates = np.where(rows[:, None], self._questions(draws[:, 1:]), wording.templates)
        individuals = np.where(rows, asked, individuals)
        people = self.population
        names, values = (
            np.where(rows[:, None], of_asked, told)
            for of_asked, told in ((people.names[individuals], names), (people.values[individuals], values))
        )
        return individuals, names, values, replace(wording, templates=templates)

    def times_drawn(self, n_steps, batch_size, first=0):
        """As in `BiographyStream`, asked about or told of."""
        counts = np.zeros(len(self.population), dtype=np.int64)
        for step in range(first, n_steps):
            np.add.at(counts, self.told(step, batch_size)[0], 1)
        return counts

    def further_probes(self, size):
        """Also questions about those who are asked about, and about the others."""
        return super().further_probes(size) | {group: self.probe_questions(group, size) for group in GROUPS}

    def probe_questions(self, group: str, size: int) -> dict[str, torch.Tensor]:
        """A fixed sample of the `asked` or the `unasked`: keys as of `probe`, questions in place of sentences."""
        people = self.members[group][:size]
        draws = uniforms(self.seed, f"probe questions {group}", (len(people), 2 * len(self.n_questions)))
        asked, order = np.split(draws, 2, axis=1)
        wording = Wording(self._questions(asked), np.argsort(order, axis=1, kind="stable"))
        facts = self.population.names[people], self.population.values[people]
        return self._tensors(people, *facts, wording, with_names=True)

    def _questions(self, draws: np.ndarray) -> np.ndarray:
        return self.first + (draws * self.n_questions).astype(np.int64)
