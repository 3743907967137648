"""What new people cost those known before (paper, Fig. 5 middle and right, Figs. N and P)."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.drawing import COLORS, Groups, band, curves, mark_baseline, steps_on_a_log_scale, style
from analysis.statistics import SHARE, interval_text, markdown, mean_interval
from run_directory.records import baseline, last

_MARKERS = "osD^vP*Xhpd<>8"

Points = Mapping[str, Sequence[tuple[float, float]]]


def finetuning_curves(groups: Groups):
    """Attribute loss and accuracy of old people (left) and of those trained on (right), over steps."""
    figure, panels = plt.subplots(2, 2, figsize=(11, 7.4), sharex=True, layout="constrained")
    for number, (name, runs) in enumerate(groups.items()):
        for column, group in enumerate(("seen", runs[0].finetune_group)):
            for row, metric in enumerate(("loss", "accuracy")):
                band(panels[row, column], runs, f"{group}_attribute_{metric}", label=name, **style(number))
    first = next(iter(groups.values()))[0]
    for column, group in enumerate(("old people", f"{first.finetune_group} people")):
        loss, accuracy = panels[:, column]
        mark_baseline(loss, baseline(first))
        loss.set(title=group, ylim=(0, None), ylabel="attribute loss (nats)")
        accuracy.set(xlabel="fine-tuning step", ylim=(0, 1.02), ylabel="attribute accuracy")
        accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    steps_on_a_log_scale(panels[1, 0])
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    return figure


def finetuning_table(groups: Groups) -> str:
    """Accuracy on old people before, at its lowest and at the end, and on those trained on, as Markdown."""
    first = next(iter(groups.values()))[0]
    columns = ("old before", "old at the lowest", "old at the end", f"{first.finetune_group} at the end")
    rows = []
    for name, runs in groups.items():
        old = [run.curve("seen_attribute_accuracy")[1] for run in runs]
        finetuned = [last(run, f"{first.finetune_group}_attribute_accuracy") for run in runs]
        cells = [[curve[0] for curve in old], [curve.min() for curve in old], [curve[-1] for curve in old], finetuned]
        rows.append((name, len(runs), *(interval_text(values, "{:.1%}", SHARE) for values in cells)))
    return markdown(("runs", "seeds", *columns), rows)


def trade_off(groups: Groups):
    """Loss of old people against loss of those trained on, from the start (a cross) to the end (a dot): Fig. 5."""
    figure, axes = plt.subplots(figsize=(7, 5.6), layout="constrained")
    for number, (name, runs) in enumerate(groups.items()):
        pair = (runs[0].finetune_group, "seen")
        new, old = (curves(runs, f"{group}_attribute_loss")[1].mean(axis=0) for group in pair)
        axes.plot(new, old, label=name, linewidth=1.8, marker="o", markevery=[-1], **style(number))
        axes.plot(new[0], old[0], marker="x", color="black", markersize=8, zorder=5)
    first = next(iter(groups.values()))[0]
    axes.axhline(baseline(first), color="gray", linestyle=":", linewidth=1.2)
    axes.axvline(baseline(first), color="gray", linestyle=":", linewidth=1.2)
    axes.set(xlabel=f"attribute loss of {first.finetune_group} people (nats)", xlim=(0, None))
    axes.set(ylabel="attribute loss of old people (nats)", ylim=(0, None))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    return figure


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
    figure, axes = plt.subplots(figsize=(9, 6.4), layout="constrained")
    for line, (label, points_of) in zip(("-", "--", ":"), (curves or {}).items(), strict=False):
        _curve(axes, label, {name: np.mean(points, axis=0) for name, points in points_of.items()}, line)
    for number, (name, points) in enumerate(methods.items()):
        (new, *new_ends), (old, *old_ends) = (mean_interval(values) for values in zip(*points, strict=True))
        spread = [[[new - new_ends[0]], [new_ends[1] - new]], [[old - old_ends[0]], [old_ends[1] - old]]]
        color = COLORS[number % len(COLORS)]
        axes.errorbar(new, old, xerr=spread[0], yerr=spread[1], color=color, marker=_MARKERS[number % len(_MARKERS)],
                      markersize=7, linewidth=1, linestyle="none", label=name)  # fmt: skip
    axes.set(xlabel="accuracy on new people", ylabel="accuracy on old people", xlim=(-0.07, 1.02), ylim=(-0.02, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure


def _curve(axes, label: str, means: Mapping[str, np.ndarray], line: str) -> None:
    axes.plot(*zip(*means.values(), strict=True), color="gray", marker=".", linewidth=1.8, linestyle=line, label=label)
    for name, place in means.items():
        axes.annotate(name, place, xytext=(-6, -2), textcoords="offset points", ha="right", va="top",
                      fontsize="small", color="gray")  # fmt: skip
