"""Figures of a run."""

import math
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.attention import layers_of, signature_figure
from analysis.drawing import ROLES, draw_runs, group_styles, label_x, legend, mark_baseline, panels, save
from analysis.hallucination import hallucination_figure
from analysis.mechanism import draw_reports
from analysis.phases import PHASE_NAMES, Phases, edges_of
from analysis.sequential import sequential_figure, sequential_summary, visits_of
from analysis.summary import summarize
from run_directory.layout import FIGURES, LEARNING_CURVE
from run_directory.records import Run, baseline, load_run

_PHASE_SHADES = ("#F2F2F2", ROLES["plateau"], "#F2F2F2")


def draw_run(path: str | Path) -> Phases | None:
    """Draw a run's learning curve, with its phases unless it is a fine-tuning, and how sure it is of what it says.

    Writes `figures/learning_curve.png`, `figures/phases.json` (steps) and, where unseen people, attention or groups
    that take turns were measured, `hallucination.png`, `signatures.png` and `groups.png`, into the run's directory; and
    of what was seen in its checkpoints (docs/MECHANISM.md) the figures again.

    Raises:
        UserError: not a run, or nothing evaluated yet.
    """
    run = load_run(path)
    phases, folder = summarize(run), run.path / FIGURES
    folder.mkdir(exist_ok=True)
    save(learning_curve(run, phases), folder / LEARNING_CURVE)
    if len(run.curve("unseen_entropy")[0]):
        save(hallucination_figure([run]), folder / "hallucination.png")
    if visits := visits_of(run):
        save(sequential_figure(run, visits), folder / "groups.png")
        print(sequential_summary(visits))
    if layers_of(run):
        save(signature_figure([run]), folder / "signatures.png")
    draw_reports(run.path)
    print(f"figures: {folder}")
    return phases


def learning_curve(run: Run, phases: Phases | None):
    """Attribute loss above, attribute accuracy below, over steps; phases shaded and named if there are any."""
    figure, (loss, accuracy) = panels(2, 1, 5.6, sharex=True, height_ratios=(3, 2))
    for group, style in group_styles(run).items():
        for axes, metric in ((loss, "loss"), (accuracy, "accuracy")):
            draw_runs(axes, [run], f"{group}_attribute_{metric}", **style)
    mark_baseline(loss, baseline(run))
    _mark_bits(loss, run)
    last = max(1, int(run.curve("seen_attribute_loss")[0][-1]))
    loss.set(ylabel="attribute loss (nats)", ylim=(0, None), xlim=(0, last))
    accuracy.set(ylabel="attribute accuracy", ylim=(0, 1.02))
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    label_x(accuracy, [run])
    legend(figure, f"one run, seed {run.config['seed']}" if "seed" in run.config else "one run", columns=5)
    if phases:
        for axes in (loss, accuracy):
            _shade_phases(axes, phases, last)
        _name_phases(loss, phases, last)
    return figure


def _mark_bits(axes, run: Run) -> None:
    """Learned bits on the right: they are the loss's distance to the baseline, summed over attributes."""
    n_attributes = sum(key.startswith("seen_attribute_loss_") for key in run.records[-1])
    if not n_attributes:
        return
    nats, bit = baseline(run), math.log(2)
    ways = (lambda loss: n_attributes * (nats - loss) / bit, lambda bits: nats - bits * bit / n_attributes)
    right = axes.secondary_yaxis("right", functions=ways)
    right.tick_params(labelsize=axes.yaxis.get_ticklabels()[0].get_size())
    right.set_ylabel("learned bits of an individual", size=axes.yaxis.label.get_size())


def _shade_phases(axes, phases: Phases, last: int) -> None:
    edges = edges_of(phases, last)
    for begin, end, shade in zip(edges[:-1], edges[1:], _PHASE_SHADES, strict=False):
        axes.axvspan(begin, end, color=shade, zorder=0, linewidth=0)
    for edge in edges[1:-1]:
        axes.axvline(edge, color="gray", linewidth=1)


def _name_phases(axes, phases: Phases, last: int) -> None:
    """The name of each phase above its band; aslant where one is wider than its band."""
    edges = np.array(edges_of(phases, last))
    how = {"transform": axes.get_xaxis_transform(), "fontsize": 9, "va": "bottom", "ha": "center"}
    names = [
        axes.text(x, 1.02, name, **how) for x, name in zip((edges[:-1] + edges[1:]) / 2, PHASE_NAMES, strict=False)
    ]
    axes.figure.draw_without_rendering()
    room = np.diff(edges) / last * axes.get_window_extent().width
    if any(name.get_window_extent().width > width for name, width in zip(names, room, strict=True)):
        for name in names:
            name.set(rotation=30, ha="left", rotation_mode="anchor")
