"""Groups that are learned one after the other: the forgetting matrix, transfer, plasticity (paper, Figs. S-W)."""

from dataclasses import dataclass

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from analysis.curves import parts_of
from analysis.drawing import ROLES, legend, mark_baseline, name_panels, panels, shades
from run_directory.records import Run, baseline

_DRAWN = "drawn_group"


@dataclass(frozen=True)
class Visits:
    """What a run that visits groups in turn knew of each of them where a visit ended.

    Attributes:
        drawn: (visits,) the group of each visit, 0, 1, ...
        begins, ends: (visits,) its first step, and the step after its last.
        before: (groups,) accuracy at step 0, 0-1.
        accuracy: (visits, groups) at the end of each visit, 0-1.
        loss: (visits, groups) attribute loss there, in nats.
    """

    drawn: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    before: np.ndarray
    accuracy: np.ndarray
    loss: np.ndarray

    def first_visits(self) -> list[tuple[int, int]]:
        """Group and number of the visit in which it was learned first, for groups that were visited."""
        groups, visits = np.unique(self.drawn, return_index=True)
        return list(zip(groups.tolist(), visits.tolist(), strict=True))

    def learned(self) -> float:
        """Accuracy of a group at the end of its own visit, mean over visits."""
        return float(self.accuracy[np.arange(len(self.drawn)), self.drawn].mean())

    def backward_transfer(self) -> float:
        """By how much the accuracy of a group is changed by all that follows its last visit; negative is forgetting.

        Mean over all groups but the one of the last visit (Lopez-Paz and Ranzato, 2017).
        """
        last = {group: visit for visit, group in enumerate(self.drawn.tolist()) if group != self.drawn[-1]}
        changes = [self.accuracy[-1, group] - self.accuracy[visit, group] for group, visit in last.items()]
        return float(np.mean(changes)) if changes else 0.0

    def forward_transfer(self) -> float:
        """By how much the accuracy of a group is above that of step 0 before its first visit, mean over groups."""
        changes = [self.accuracy[v - 1, g] - self.before[g] for g, v in self.first_visits() if v > 0]
        return float(np.mean(changes)) if changes else 0.0


def visits_of(run: Run) -> Visits | None:
    """The visits of a run with the schedule `sequential` whose groups were measured apart; None of another run."""
    groups = parts_of(run)
    measured = [record for record in run.records if groups and f"{groups[0]}_attribute_loss" in record]
    if len(measured) < 2 or _DRAWN not in measured[0]:
        return None
    drawn = [record[_DRAWN] for record in measured]
    turns = [number for number in range(1, len(drawn) - 1) if drawn[number] != drawn[number - 1]]
    last, first = [*turns, len(measured) - 1], [0, *turns]
    ends, begins = (np.array([measured[number]["step"] for number in numbers]) for numbers in (last, first))
    accuracy, loss = (
        np.array([[measured[number][f"{group}_attribute_{metric}"] for group in groups] for number in (0, *last)])
        for metric in ("accuracy", "loss")
    )
    return Visits(np.array(drawn)[first] - 1, begins, ends, accuracy[0], accuracy[1:], loss[1:])


def steps_to_half(run: Run, visits: Visits) -> list[float | None]:
    """Plasticity: after how many steps of its first visit each group is half known.

    Returns:
        For each group in the order of first visits, between two evaluations by a straight line; None where it was not
        half known in that visit.
    """
    groups, found = parts_of(run), []
    for group, visit in sorted(visits.first_visits(), key=lambda pair: pair[1]):
        steps, accuracies = run.curve(f"{groups[group]}_attribute_accuracy")
        inside = (steps >= visits.begins[visit]) & (steps <= visits.ends[visit])
        steps, accuracies = steps[inside] - visits.begins[visit], accuracies[inside]
        above = np.flatnonzero(accuracies >= 0.5)
        if not len(above):
            found.append(None)
            continue
        at = slice(max(0, above[0] - 1), above[0] + 1)
        found.append(float(np.interp(0.5, accuracies[at], steps[at])))
    return found


def sequential_figure(run: Run, visits: Visits):
    """Attribute loss of each group over steps with its visits shaded; accuracy of each group after each visit."""
    figure, (loss, matrix) = panels(1, 2, 3.6, width_ratios=(3, 2))
    groups = parts_of(run)
    colors = shades(len(groups))
    for number, (group, color) in enumerate(zip(groups, colors, strict=True)):
        name = f"group {number + 1}" if number in (0, len(groups) - 1) else None
        loss.plot(*run.curve(f"{group}_attribute_loss"), color=color, linewidth=1.4, label=name)
    for group, begin, end in zip(visits.drawn, visits.begins, visits.ends, strict=True):
        loss.axvspan(begin, end, ymin=0.97, color=colors[group], linewidth=0)
    mark_baseline(loss, baseline(run))
    loss.set(xlabel="training step", ylabel="attribute loss (nats)", ylim=(0, None), xlim=(0, visits.ends[-1]))
    _draw_matrix(figure, matrix, visits)
    name_panels((loss, matrix), ("loss of each group (bar: whose turn it is)", "accuracy after each visit"))
    legend(figure, "one run; colors of groups from the first, dark, to the last, light")
    return figure


def _draw_matrix(figure, axes, visits: Visits) -> None:
    n_visits, n_groups = visits.accuracy.shape
    image = axes.imshow(visits.accuracy, vmin=0, vmax=1, cmap="cividis", aspect="auto", origin="upper")
    for visit, group in enumerate(visits.drawn):
        axes.add_patch(Rectangle((group - 0.5, visit - 0.5), 1, 1, fill=False, color=ROLES["unseen"], linewidth=1.8))
    if n_visits * n_groups <= 40:
        for visit, group in np.ndindex(n_visits, n_groups):
            value = visits.accuracy[visit, group]
            axes.text(group, visit, f"{100 * value:.0f}", ha="center", va="center", fontsize=7,
                      color="black" if value > 0.5 else "white")  # fmt: skip
    axes.set(xlabel="group", ylabel="after visit (its group is framed)")
    for axis, number in ((axes.xaxis, n_groups), (axes.yaxis, n_visits)):
        ticks = np.unique(np.linspace(0, number - 1, min(number, 8)).round().astype(int))
        axis.set_ticks(ticks, [str(tick + 1) for tick in ticks])
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(1))
    bar.ax.tick_params(labelsize=8)


def sequential_summary(visits: Visits) -> str:
    """What the groups came to, in a line for the terminal."""
    n_groups, end = visits.accuracy.shape[1], visits.accuracy[-1]
    return (
        f"{n_groups} groups in {len(visits.drawn)} visits: accuracy {visits.learned():.1%} at the end of a visit, "
        f"{end.mean():.1%} of all groups at the run's end; backward transfer {100 * visits.backward_transfer():+.1f} "
        f"points, forward transfer {100 * visits.forward_transfer():+.1f}"
    )
