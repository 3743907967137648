"""A run as it is explored: its record, its people, and its model at each step at which that was saved."""

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from command_line import UserError
from data_builder.biographies import Renderer
from data_builder.fetch import find_people
from data_builder.reading import Reading, reading_of
from data_builder.rows import in_blocks
from data_builder.stages import groups_of_model
from data_builder.stream import BiographyStream
from evaluation.questions import Values
from run_directory.layout import is_reported
from run_directory.models import find_record, find_step, saved_steps
from run_directory.records import load_run

_KEPT_MODELS = 4


class Explored:
    """A run, opened to be looked at.

    Args:
        name: a run directory or a repository id.

    Attributes:
        title: the name without the path to it.
        run: its record.
        source: its people.
        steps: at which its model was saved, ascending.
        notices: what somebody who looks at it should know, a line each.

    Raises:
        UserError: no run, no record, no people, or no model at all.
    """

    def __init__(self, name: str):
        self.name = name
        self.title = Path(name).resolve().name if Path(name).exists() else name
        found = find_record(name)
        self.run = load_run(found.path)
        self.source = find_people(found, name)
        self.steps, self.notices = saved_steps(name, found)
        if not self.steps:
            damaged = f" ({'; '.join(self.notices)})" if self.notices else ""
            raise UserError(f"{name} holds no model yet{damaged}; train with --save_steps, or wait for its first one")
        if len(self.steps) == 1 and not self.notices:
            kind = "checkpoints" if Path(name).exists() else "revisions"
            self.notices.append(f"no {kind}, so only the model of step {self.steps[0]:,} is shown")
        if not is_reported(found.path):
            self.notices.append("not finished: what was recorded until now is shown; start again to see more")
        self.model = lru_cache(_KEPT_MODELS)(self._model)
        self.renderer = Renderer(self.source)
        self._drawn = {0: np.zeros(len(self.source.population), dtype=np.int64)}  # by step, those asked for

    def _model(self, step: int):
        import transformers

        transformers.logging.set_verbosity_error()  # it warns of padding without a mask: see modeling/loss.py
        model, _ = find_step(self.name, step).load()
        return model.eval()

    @cached_property
    def tokenizer(self):
        """Of all its checkpoints."""
        return find_step(self.name, self.steps[-1]).load()[1]

    @cached_property
    def stream(self) -> BiographyStream:
        """For probes and token tables."""
        return BiographyStream(self.source, self.tokenizer, None, seed=0)

    @cached_property
    def values(self) -> list[Values]:
        """Of each attribute."""
        sizes = enumerate(self.stream.value_sizes.values())
        return [Values(self.stream.tables, attribute, size) for attribute, size in sizes]

    @cached_property
    def reading(self) -> Reading | None:
        """What the run read; None where that cannot be told, as of a schedule of somebody's own."""
        try:
            return reading_of(self.name)
        except UserError:
            return None

    def times_drawn(self, step: int, person: int) -> int | None:
        """How often the run had drawn somebody by a step; None where that cannot be told."""
        if self.reading is None:
            return None
        if step not in self._drawn:
            before = max(s for s in self._drawn if s <= step)
            self._drawn[step] = self._drawn[before] + self.reading.times_drawn(step, before)
        return int(self._drawn[step][person])

    @cached_property
    def names(self) -> "Names":
        """Of all individuals."""
        return Names(self.source.population, self.renderer)

    def taught(self, person: int) -> str | None:
        """Which fine-tuning taught somebody: that of this run (`new`, `rare`), an earlier one (`stage1`), or none."""
        groups = groups_of_model(self.run.config, self.source.population.groups)
        return next((n for n, people in groups.items() if n not in ("seen", "unseen") and person in people), None)

    def group(self, person: int) -> str:
        """`seen`, `unseen` or `new`."""
        return next(name for name, members in self.source.population.groups.items() if person in members)

    def nearest_step(self, step: float) -> int:
        """The step among those at which the model was saved."""
        return min(self.steps, key=lambda saved: abs(saved - step))


class Names(Sequence):
    """The names of all individuals, each told when it is asked for: millions would take seconds and a gigabyte."""

    def __init__(self, population, renderer: Renderer):
        self._population, self._renderer = population, renderer

    def __len__(self) -> int:
        return len(self._population)

    def __getitem__(self, person: int) -> str:
        return self._renderer.name(self._population.names[person])

    def __iter__(self) -> Iterator[str]:
        for block in in_blocks(range(len(self))):
            yield from map(self._renderer.name, self._population.names[block].tolist())
