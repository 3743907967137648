"""How long a run will take, from its first steps."""

import statistics

from settings.training import TrainingSettings
from training.checkpoints import Progress

# The first steps are up to three times as slow (on a CPU, oneDNN compiles a kernel for each new width of a batch;
# docs/LOG.md); a median over the next ten forgives an outlier.
SKIPPED, TIMED = 20, 10


class Forecast:
    """Counts the first updates' time, and predicts once it has enough of them.

    Args:
        settings: of the run.
        first: the step at which it begins.
        evaluations: the steps at which it evaluates; those of the settings if None.

    Attributes:
        seconds: predicted wall-clock time of the whole run; None before.
    """

    def __init__(self, settings: TrainingSettings, first: int = 0, evaluations: list[int] | None = None):
        self.settings, self.first = settings, first
        self.evaluations = settings.evaluations() if evaluations is None else evaluations
        self.updates: list[float] = []
        self.seconds: float | None = None

    def note(self, update_seconds: float, progress: Progress) -> str | None:
        """Take note of an update's time; at the last one needed, predict and say so in one line."""
        if len(self.updates) == SKIPPED + TIMED:
            return None
        self.updates.append(update_seconds)
        if len(self.updates) < SKIPPED + TIMED:
            return None
        update = statistics.median(self.updates[SKIPPED:])
        steps = self.settings.last_step
        evaluations = {self.first, *(step for step in self.evaluations if step > self.first)}
        n_evaluations = sum(step >= progress.step for step in evaluations)  # that of this step is still to come
        evaluation = progress.evaluation_seconds / (len(evaluations) - n_evaluations)
        n_updates = steps - progress.step
        self.seconds = progress.seconds + n_updates * update + n_evaluations * evaluation
        return (
            f"about {duration(self.seconds)} in all: {steps - self.first:,} steps of {update:.3g} s, "
            f"{len(evaluations):,} evaluations of {evaluation:.2g} s"
        )


def duration(seconds: float) -> str:
    """Seconds for people: `48 s`, `2 min 50 s`, `3 h 05 min`, `12 days`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes < 3 * 24 * 60 else f"{minutes / 60 / 24:,.0f} days"
