"""Several runs side by side: curves, individuals, tables; seeds as one group."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from analysis.curves import check_metrics, curves, is_percentage, metric_words
from analysis.drawing import (
    MARKERS,
    Groups,
    Look,
    draw_runs,
    label_x,
    legend,
    mark_baseline,
    n_seeds,
    name_panels,
    panels,
    save_all,
    seeds_note,
    styles,
)
from analysis.finetuning import end_points, finetuning_curves, finetuning_table, frontier, trade_off
from analysis.grouping import differences, grouped
from analysis.phases import phases_of
from analysis.statistics import SHARE, UNBOUNDED, Rows, interval_text, latex, markdown, mean_interval
from command_line import UserError
from run_directory.layout import replace_text
from run_directory.records import Run, baseline, last

METRICS = ("seen_attribute_loss", "seen_attribute_accuracy")


def compare_curves(groups: Groups, metrics: Sequence[str] = METRICS, x: str = "steps", look: Look | None = None):
    """Metrics over training: means over seeds, and each seed.

    Args:
        groups: of runs.
        metrics: keys of metrics.jsonl, a panel for each.
        x: `steps`, `tokens`, `exposures` or `seconds`.
        look: color and line of each group, if it has a role or an order; see `drawing.styles`.
    """
    columns = min(2, len(metrics))
    rows = -(-len(metrics) // columns)
    figure, axes = panels(rows, columns, 2.9 * rows, squeeze=False)
    for one, metric in zip(axes.flat, metrics, strict=False):
        for name, how in (look or styles(groups)).items():
            draw_runs(one, groups[name], metric, x, label=name, **how)
        first = next(iter(groups.values()))[0]
        one.set_ylim(0, _top(groups, metric))
        _lift(one)
        if metric.endswith("_attribute_loss"):
            _mark_baselines(one, groups)
        if is_percentage(metric):
            one.yaxis.set_major_formatter(PercentFormatter(1))
        label_x(one, [first], x)
    for one in axes.flat[len(metrics) :]:
        one.remove()
    name_panels(axes.flat, map(metric_words, metrics))
    legend(figure, seeds_note(groups.values()))
    return figure


def _mark_baselines(axes, groups: Groups) -> None:
    """One, or where groups are of worlds that differ in it, that of each."""
    found: dict[float, list[str]] = {}
    for name, runs in groups.items():
        found.setdefault(round(baseline(runs[0]), 2), []).append(name)
    for value, names in found.items():
        mark_baseline(axes, value, "no-knowledge baseline" + (f" of {', '.join(names)}" if len(found) > 1 else ""))


def _lift(axes) -> None:
    """What is at 0 would lie under the frame."""
    axes.set_ylim(bottom=-0.02 * axes.get_ylim()[1])


def _top(groups: Groups, metric: str) -> float | None:
    """Of a loss twice the baseline, as where it begins is of no interest; more if runs are too short to come there."""
    if not metric.endswith("_attribute_loss"):
        return None
    values = [curves(runs, metric)[1] for runs in groups.values()]
    highest = max(baseline(runs[0]) for runs in groups.values())
    return max([2 * highest, *(1.3 * v[:, -1].max() for v in values if v.size)])


def compare_individuals(groups: Groups, n_bins: int = 8, look: Look | None = None):
    """Accuracy of single individuals at the end against how often they were drawn: means of equally large bins."""
    figure, axes = panels(1, 1, 4)
    places: list[float] = []
    for marker, (name, how) in zip(MARKERS, (look or styles(groups)).items(), strict=False):
        tables = [run.individuals for run in groups[name] if run.individuals]
        if tables:
            times, accuracies = (np.array(binned) for binned in zip(*(_bins(t, n_bins) for t in tables), strict=True))
            means, lows, highs = np.array([mean_interval(seeds, SHARE) for seeds in accuracies.T]).T
            bars = None if np.isnan(lows).any() else (means - lows, highs - means)
            places += times.mean(axis=0).tolist()
            axes.errorbar(times.mean(axis=0), means, bars, marker=marker, markersize=5, linestyle="none", capsize=2,
                          elinewidth=0.7, label=name, color=how["color"])  # fmt: skip
    axes.set(xlabel="how often an individual was drawn in training", ylabel="attribute accuracy")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks([0, *(digit * 10**power for power in range(6) for digit in (1, 2, 5))])
    axes.set(xlim=(0.9 * min(places) - 0.1, 1.1 * max(places)), ylim=(0, min(1.02, axes.get_ylim()[1])))
    _lift(axes)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    shown = [[run for run in runs if run.individuals] for runs in groups.values()]
    numbers = [len(runs) for runs in shown if runs]
    seeds = "one seed" if max(numbers) == 1 else f"mean and 95% interval of {n_seeds(numbers)}"
    legend(figure, f"each mark: 1/{n_bins} of a run's individuals, in the order of how often they were drawn; {seeds}")
    return figure


def _bins(individuals: dict, n_bins: int) -> tuple[list[float], list[float]]:
    """Mean times drawn and mean accuracy of each."""
    times, accuracies = (np.array(individuals[key]) for key in ("times_drawn", "attribute_accuracy"))
    bins = [b for b in np.array_split(times.argsort(kind="stable"), n_bins) if len(b)]
    return [times[b].mean() for b in bins], [accuracies[b].mean() for b in bins]


def compare_table(groups: Groups) -> str:
    """Plateau end, final attribute loss and accuracy of each group, as Markdown; 95% intervals over seeds."""
    return markdown(*_compared(groups, METRICS))


def _compared(groups: Groups, metrics: Sequence[str]) -> Rows:
    """Plateau end, and metrics at the end."""
    header = ("runs", "seeds", "plateau ends (step)", *map(metric_words, metrics))
    rows = []
    for name, runs in groups.items():
        ends = interval_text([plateau_end(run) for run in runs], "{:.0f}")
        rows.append((name, len(runs), ends, *_last_values(runs, metrics)))
    return header, rows


def _last_values(runs: Sequence[Run], metrics: Sequence[str]) -> list[str]:
    """Of each metric, mean and 95% interval at the end, in words."""
    forms = [("{:.1%}", SHARE) if is_percentage(metric) else ("{:.3f}", UNBOUNDED) for metric in metrics]
    return [interval_text([last(run, m) for run in runs], *form) for m, form in zip(metrics, forms, strict=True)]


def plateau_end(run: Run) -> float | None:
    """The step at which a run left the plateau (docs/DEFINITIONS.md)."""
    return phases_of(run).plateau_end


def write_comparison(
    runs: list[Run], folder: Path, metrics: Sequence[str] = (), x: str = "steps", labels: Sequence[str] = ()
) -> None:
    """Write figures, `table.md` and `table.tex`; print the table.

    Pre-trainings give `learning_curves.png` and, where runs recorded it, `individuals.png`; fine-tunings give
    `finetuning.png`, `trade_off.png` and `frontier.png`.

    Args:
        runs: pre-trainings, or fine-tunings.
        folder: where to.
        metrics: keys of metrics.jsonl for the curves and the table; loss and accuracy if none.
        x: what they are drawn over: `steps`, `tokens`, `exposures` or `seconds`.
        labels: names of the groups; those of their directories if none.

    Raises:
        UserError: runs of both kinds, or what they have not recorded.
    """
    check_metrics(runs, metrics)
    groups = grouped(runs, labels)
    figures, table = comparison(groups, metrics, x)
    if len(groups) > 1:
        table = _with_column(table, "what differs", differences(groups).values())
    save_all(folder, figures, markdown(*table))
    replace_text(folder / "table.tex", latex(*table))
    print(f"figures: {folder}")


def comparison(groups: Groups, metrics: Sequence[str] = (), x: str = "steps") -> tuple[dict, Rows]:
    """The figures and the table of `write_comparison`.

    Raises:
        UserError: runs of several kinds.
    """
    runs = [run for group in groups.values() for run in group]
    if len({run.finetune_group for run in runs}) > 1:
        raise UserError("compare either pre-trainings or fine-tunings of one kind (individuals_finetune), not both")
    if runs[0].finetune_group:
        figures = {"finetuning": compare_curves(groups, metrics, x) if metrics else finetuning_curves(groups, x)}
        figures |= {"trade_off": trade_off(groups), "frontier": frontier(end_points(groups))}
        return figures, _finetuned(groups, metrics)
    figures = {"individuals": compare_individuals(groups)} if any(run.individuals for run in runs) else {}
    figures["learning_curves"] = compare_curves(groups, metrics or METRICS, x)
    return figures, _compared(groups, metrics or METRICS)


def _finetuned(groups: Groups, metrics: Sequence[str]) -> Rows:
    table = finetuning_table(groups)
    for metric in metrics:
        values = [_last_values(runs, [metric])[0] for runs in groups.values()]
        table = _with_column(table, f"{metric_words(metric)} at the end", values)
    return table


def _with_column(table: Rows, name: str, cells: Iterable[str]) -> Rows:
    header, rows = table
    return (*header, name), [(*row, cell) for row, cell in zip(rows, cells, strict=True)]
