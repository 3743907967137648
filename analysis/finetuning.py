"""What new people cost those known before (paper, Fig. 5 middle and right, Figs. N and P)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.curves import curves
from analysis.drawing import (
    MARKERS,
    ROLES,
    Groups,
    Look,
    draw_interval,
    draw_runs,
    intervals_note,
    label_x,
    legend,
    mark_baseline,
    n_seeds,
    name_panels,
    panels,
    seeds_note,
    style,
    styles,
)
from analysis.statistics import SHARE, Rows, interval_text, mean_interval
from run_directory.records import Run, baseline, last

_COLORS_OF_KEPT = (ROLES["seen"], ROLES["unseen"])  # without old data, and with it
Point = tuple[float, float]  # accuracy on new people, accuracy on old people
Points = Mapping[str, Sequence[Point]]


def finetuning_curves(groups: Groups, x: str = "steps", look: Look | None = None):
    """Attribute loss and accuracy of old people (left) and of those trained on (right), over fine-tuning.

    Args:
        groups: of runs.
        x: what it is drawn over, of `curves`.
        look: color and line of each group, if it has a role or an order; see `drawing.styles`.
    """
    figure, axes = panels(2, 2, 5.4, sharex=True, sharey="row")
    first = next(iter(groups.values()))[0]
    taught = first.finetune_group
    for name, how in (look or styles(groups)).items():
        for column, group in enumerate(("seen", taught)):
            for row, metric in enumerate(("loss", "accuracy")):
                draw_runs(axes[row, column], groups[name], f"{group}_attribute_{metric}", x, label=name, **how)
    for loss, accuracy in axes.T:
        mark_baseline(loss, baseline(first))
        label_x(accuracy, [first], x)
    axes[0, 0].set(ylim=(0, None), ylabel="attribute loss (nats)")
    axes[1, 0].set(ylim=(0, 1.02), ylabel="attribute accuracy")
    axes[1, 0].yaxis.set_major_formatter(PercentFormatter(1))
    name_panels(axes.flat, [f"{who} people: {what}" for what in ("loss", "accuracy") for who in ("old", taught)])
    legend(figure, seeds_note(groups.values()))
    return figure


def finetuning_table(groups: Groups) -> Rows:
    """Accuracy on old people before, at its lowest and at the end, and on those trained on."""
    first = next(iter(groups.values()))[0]
    columns = ("old before", "old at the lowest", "old at the end", f"{first.finetune_group} at the end")
    rows = []
    for name, runs in groups.items():
        old = [run.curve("seen_attribute_accuracy")[1] for run in runs]
        finetuned = [last(run, f"{first.finetune_group}_attribute_accuracy") for run in runs]
        cells = [[curve[0] for curve in old], [curve.min() for curve in old], [curve[-1] for curve in old], finetuned]
        rows.append((name, len(runs), *(interval_text(values, "{:.1%}", SHARE) for values in cells)))
    return ("runs", "seeds", *columns), rows


def trade_off(groups: Groups, look: Look | None = None):
    """Loss of old people against loss of those trained on, from the start (a cross) to the end (a dot): Fig. 5."""
    figure, axes = panels(1, 1, 4.6)
    for name, how in (look or styles(groups)).items():
        pair = (groups[name][0].finetune_group, "seen")
        new, old = (curves(groups[name], f"{group}_attribute_loss")[1] for group in pair)
        axes.plot(new.mean(axis=0), old.mean(axis=0), label=name, linewidth=1.8, marker="o", markevery=[-1], **how)
        if len(groups[name]) > 1:
            axes.plot(new.T, old.T, linewidth=0.6, alpha=0.45, color=how["color"], marker=".", markevery=[-1])
        axes.plot(new.mean(axis=0)[0], old.mean(axis=0)[0], marker="x", color="black", markersize=8, zorder=5)
    first = next(iter(groups.values()))[0]
    mark_baseline(axes, baseline(first))
    axes.axvline(baseline(first), color=ROLES["baseline"], linestyle=":", linewidth=1.4)
    axes.set(xlabel=f"attribute loss of {first.finetune_group} people (nats)", xlim=(0, None))
    axes.set(ylabel="attribute loss of old people (nats)", ylim=(0, None))
    _say_where_it_is_good(axes, "left")
    legend(figure, f"cross: before fine-tuning; dot: at its end; {seeds_note(groups.values())}")
    return figure


def _say_where_it_is_good(axes, side: str) -> None:
    """Both are known at the lower left of losses, at the upper right of accuracies."""
    place, bottom = (0.02, 0.03) if side == "left" else (0.98, 0.97)
    axes.text(place, bottom, "both known", transform=axes.transAxes, ha=side, va="bottom" if side == "left" else "top",
              style="italic", color=ROLES["baseline"])  # fmt: skip


def end_points(groups: Groups) -> Points:
    """Accuracy on those trained on, and on old people, at the end of each run of each group."""
    return {
        name: [tuple(last(run, f"{who}_attribute_accuracy") for who in (run.finetune_group, "seen")) for run in runs]
        for name, runs in groups.items()
    }


def frontier(methods: Points, curves: Mapping[str, Points] | None = None):
    """Old knowledge kept against new knowledge won, at the end; mean and 95% interval over seeds.

    Args:
        methods: name: (new accuracy, old accuracy) of each seed.
        curves: by name, the same for points of a curve, in their order, e.g. replay by weight; means alone.
    """
    figure, axes = panels(1, 1, 4.8)
    for number, (label, points_of) in enumerate((curves or {}).items()):
        means = {name: np.mean(points, axis=0) for name, points in points_of.items()}
        _curve(axes, label, means, above=number == 0)
    for number, (name, points) in enumerate(methods.items()):
        (new, *new_ends), (old, *old_ends) = (mean_interval(values, SHARE) for values in zip(*points, strict=True))
        spread = [[[new - new_ends[0]], [new_ends[1] - new]], [[old - old_ends[0]], [old_ends[1] - old]]]
        color, marker = style(number)["color"], MARKERS[number % len(MARKERS)]
        axes.errorbar(new, old, xerr=spread[0], yerr=spread[1], color=color, marker=marker, markersize=7, linewidth=1,
                      linestyle="none", label=name, markerfacecolor=color if number < 7 else "white")  # fmt: skip
        axes.plot(*zip(*points, strict=True), ".", color=color, markersize=4, alpha=0.7)
    axes.set(xlabel="accuracy on new people", ylabel="accuracy on old people", xlim=(-0.07, 1.07), ylim=(-0.02, 1.07))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    every = [*methods.values(), *(points for named in (curves or {}).values() for points in named.values())]
    legend(figure, f"bars: 95% interval; small dots: each seed; {n_seeds(map(len, every))}", columns=3)
    return figure


def passed(run: Run) -> list[Point]:
    """Accuracy on those trained on, and on old people, at each evaluation of a fine-tuning."""
    groups = (run.finetune_group, "seen")
    new, old = (run.curve(f"{group}_attribute_accuracy")[1].tolist() for group in groups)
    return list(zip(new, old, strict=True))


def between(run: Run) -> list[Point]:
    """The same of models between the old and the new one, if a fine-tuning measured some."""
    keys = [f"{group}_attribute_accuracy" for group in (run.finetune_group, "seen")]
    return [tuple(row[key] for key in keys) for row in run.interpolation or []]


def kept(points: Sequence[Point], known: float) -> float | None:
    """The most of the old that is known wherever so much of the new is, 0-1; None if that is nowhere."""
    return max((old for new, old in points if new >= known), default=None)


def kept_at(kept: Mapping[str, Mapping[float, Sequence[float | None]]], marked: Sequence[str] = ()):
    """What is kept of the old where so much of the new is known: a panel for each such accuracy, a row for each method.

    Args:
        kept: by method, from above, and by accuracy on new people: accuracy on old people of each seed; None where the
            new accuracy was not reached, and then the method has no dot, as the other seeds are a choice.
        marked: methods that are filled, as they need no old data; the others are open.
    """
    known = [*next(iter(kept.values()))]
    figure, axes = panels(1, len(known), 1.1 + 0.22 * len(kept), sharey=True, sharex=True)
    for panel, share in zip(np.ravel(axes), known, strict=True):
        for row, (name, of_method) in enumerate(kept.items()):
            fill = {} if name in marked else {"markerfacecolor": "white"}
            missing = sum(value is None for value in of_method[share])
            if not missing:
                how = {"upright": False, "seeds_at": row + 0.28, "color": _COLORS_OF_KEPT[name not in marked]}
                draw_interval(panel, row, of_method[share], SHARE, **how | fill)
            else:
                text = f"{missing} of {len(of_method[share])} not reached"
                panel.text(0.02, row, text, va="center", fontsize=7.5, color=ROLES["baseline"])
        panel.set(xlim=(-0.03, 1.03), xlabel="accuracy on old people")
        panel.xaxis.set_major_formatter(PercentFormatter(1))
        panel.grid(axis="y", linewidth=0.4, alpha=0.5)
    first = np.ravel(axes)[0]
    first.set_yticks(range(len(kept)), [*kept])
    first.set_ylim(len(kept) - 0.4, -0.6)
    name_panels(np.ravel(axes), [f"{share:.0%} of the new known" for share in known])
    every = [values for of_method in kept.values() for values in of_method.values()]
    legend(figure, f"{intervals_note(every)}; open: needs old data")
    return figure


def _curve(axes, label: str, means: Mapping[str, np.ndarray], above: bool) -> None:
    """The name of each point is above the curve or below it."""
    line, shift, (ha, va) = ("-", (4, 3), ("left", "bottom")) if above else ((0, (4, 2)), (-5, -3), ("right", "top"))
    color = ROLES["baseline"]
    how = {"color": color, "linewidth": 1.8, "linestyle": line, "label": label}
    axes.plot(*zip(*means.values(), strict=True), marker=".", **how)
    for name, place in means.items():
        axes.annotate(name, place, shift, textcoords="offset points", ha=ha, va=va, fontsize=8, color=color)
