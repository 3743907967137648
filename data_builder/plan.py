"""What a schedule knows of its run, and what all schedules share."""

from dataclasses import dataclass, field

import numpy as np

from command_line import UserError
from settings.schedule import ScheduleSettings


@dataclass(frozen=True)
class Plan:
    """What a schedule may know of its run.

    Args:
        individuals: who may be drawn.
        settings: parameters of all schedules.
        max_steps: length of the run.
        batch_size: biographies in a step, over all processes.
        baseline: the no-knowledge baseline in nats.
        old: in fine-tuning, who was learned before: in pre-training, in the first fine-tuning, the second, ...
    """

    individuals: range
    settings: ScheduleSettings = field(default_factory=ScheduleSettings)
    max_steps: int = 1
    batch_size: int = 1
    baseline: float = 0.0
    old: tuple[range, ...] = ()

    def first(self, name: str) -> range:
        """As many of the first individuals as the setting of this name says."""
        given, population = getattr(self.settings, name), len(self.individuals)
        size = max(1, population // 8) if given is None else given
        if not 1 <= size <= population:
            raise UserError(f"{name} is {size}; it must be from 1 to {population}, the population")
        return self.individuals[:size]

    def warmup_steps(self) -> int:
        """Steps in `epochs_warmup` epochs of population / batch size steps each (paper, Sec. 3.2)."""
        epochs = self.settings.epochs_warmup
        steps = epochs * len(self.individuals) / self.batch_size
        if not 0 <= steps < self.max_steps - 0.5:  # also refuses nan
            raise UserError(f"epochs_warmup {epochs} is {steps:g} steps; it must end within max_steps {self.max_steps}")
        return round(steps)


class Schedule:
    """What all schedules share; a subclass says who may be drawn at a step.

    Attributes:
        watching: whether `observe` wants the training loss of the next step.
        state: what was decided during the run (JSON); it goes into every checkpoint.
    """

    watching = False

    def __init__(self, plan: Plan):
        self.plan = plan
        self.state: dict = {}

    def groups(self, step: int) -> list[tuple[range, float]]:
        """Ranges of individuals who may be drawn at a step, and the weight of each individual in them."""
        raise NotImplementedError

    def draw(self, step: int, draws: np.ndarray) -> np.ndarray:
        """Turn uniform numbers in [0, 1), shape (b,), into b individuals for batch `step`."""
        groups = self.groups(step)
        starts, ends, weights = (np.array(column) for column in zip(*_bounds(groups), strict=True))
        tops = np.cumsum((ends - starts) * weights)
        masses = draws * tops[-1]
        group = np.searchsorted(tops[:-1], masses, side="right")
        within = (masses - np.append(0.0, tops)[group]) / weights[group]
        return np.minimum(starts[group] + within.astype(np.int64), ends[group] - 1)  # rounding may reach the end

    def observe(self, step: int, attribute_loss: float) -> None:
        """Be told the attribute loss, in nats, of the batch that update `step` learned from (1, 2, ...)."""

    def recall(self, record: dict) -> None:
        """Put back into `state` what was decided by the time of a line of metrics.jsonl.

        Raises:
            UserError: this schedule decides something, and does not say how it is read there.
        """
        if self.watching:
            raise UserError(
                f"{type(self).__name__} reacts to training and has no `recall`, so nobody can tell whom it drew"
            )

    def parts(self) -> dict[str, range]:
        """Individuals between whom the schedule makes a difference, by what metrics call them; none in most."""
        return {}

    def turns(self) -> list[int]:
        """The steps at which those who may be drawn become others all at once."""
        return []

    def metrics(self, step: int) -> dict[str, float | None]:
        """What metrics.jsonl says: `n_drawable`, the individuals from whom batch `step` is drawn."""
        return {"n_drawable": sum(len(individuals) for individuals, _ in self.groups(step))}


def _bounds(groups: list[tuple[range, float]]):
    return ((individuals.start, individuals.stop, weight) for individuals, weight in groups if len(individuals))
