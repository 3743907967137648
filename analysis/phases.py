"""When the plateau begins and ends.

The paper leaves the definition open. Here the plateau is where the attribute loss of seen people
is within TOLERANCE of the no-knowledge baseline:

- it **begins** where the loss first comes down to (1 + TOLERANCE) x baseline,
- it **ends** where the loss goes below (1 - TOLERANCE) x baseline for the last time, that is, for good.

Between two evaluations the loss is interpolated linearly.

How flat it is, its `slowdown`, is told by how much longer the loss stays there than it later takes for an equal
descent.
"""

from dataclasses import dataclass

import numpy as np

from run_directory.records import Run, baseline

TOLERANCE = 0.05
PHASE_NAMES = ("1 statistics", "2 plateau", "3 knowledge")


@dataclass(frozen=True)
class Phases:
    """Phase boundaries in steps; None where the run did not come that far."""

    plateau_start: float | None
    plateau_end: float | None

    @property
    def plateau_length(self) -> float | None:
        """Steps between the two."""
        return None if self.plateau_end is None else self.plateau_end - self.plateau_start


def find_phases(steps: np.ndarray, losses: np.ndarray, baseline: float, tolerance: float = TOLERANCE) -> Phases:
    """Find where the plateau begins and ends.

    Args:
        steps: (n,) ascending steps of the evaluations.
        losses: (n,) attribute loss of seen people there, in nats.
        baseline: the no-knowledge baseline in nats.
        tolerance: relative distance from the baseline.
    """
    upper, lower = (1 + tolerance) * baseline, (1 - tolerance) * baseline
    start = crossings(steps, losses, upper)[:1]
    end = crossings(steps, losses, lower)[-1:] if losses[-1] < lower else []
    return Phases(start[0] if start else None, end[0] if end else None)


def phases_of(run: Run, tolerance: float = TOLERANCE) -> Phases:
    """The phases of a run, as far as it came."""
    return find_phases(*run.curve("seen_attribute_loss"), baseline(run), tolerance)


def edges_of(phases: Phases, last: float) -> list[float]:
    """Where the phases that were reached begin, in steps; and the last step, where the last of them ends."""
    inner = [edge for edge in (phases.plateau_start, phases.plateau_end) if edge is not None]
    return [0.0, *inner, float(last)]


def slowdown(steps: np.ndarray, losses: np.ndarray, baseline: float, tolerance: float = TOLERANCE) -> float | None:
    """Length of the plateau / steps in which the loss comes down by as much where it falls fastest after it.

    Arguments are those of `find_phases`; None if the loss did not come down by as much once more.
    """
    phases, width = find_phases(steps, losses, baseline, tolerance), 2 * tolerance * baseline
    if phases.plateau_length is None:
        return None
    levels = np.append(losses[steps > phases.plateau_end], (1 - tolerance) * baseline)
    times = [
        crossings(steps, losses, level - width)[-1] - crossings(steps, losses, level)[-1]
        for level in levels[levels - width > losses[-1]]
    ]
    return phases.plateau_length / min(times) if times else None


def crossings(steps: np.ndarray, losses: np.ndarray, level: float) -> list[float]:
    """Where the interpolated curve goes from the level or above to below it; its beginning, if below already."""
    if losses[0] < level:
        steps, losses = np.insert(steps, 0, steps[0]), np.insert(losses, 0, level)
    down = np.flatnonzero((losses[:-1] >= level) & (losses[1:] < level))
    share = (losses[down] - level) / (losses[down] - losses[down + 1])
    return (steps[down] + share * (steps[down + 1] - steps[down])).tolist()
