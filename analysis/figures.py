"""Figures of a run."""

import json
from dataclasses import asdict
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import PercentFormatter

from analysis.phases import TOLERANCE, Phases, find_phases
from analysis.runs import Run, baseline, load_run

# Okabe and Ito's colours, told apart by colour-blind readers; line styles differ as well.
GROUP_STYLES = {
    "seen": {"color": "#0072B2", "linestyle": "-", "label": "seen people, held-out wording"},
    "unseen": {"color": "#D55E00", "linestyle": "--", "label": "unseen people"},
    "new": {"color": "#009E73", "linestyle": "-.", "label": "new people"},
}
PHASE_NAMES = ("1 statistics", "2 plateau", "3 knowledge")
_PHASE_SHADES = ("#F2F2F2", "#D9D9D9", "#F2F2F2")


def draw_run(path: str | Path) -> Phases:
    """Draw a run's learning curve with its phases.

    Writes `figures/learning_curve.png` and `figures/phases.json` (steps) into the run's directory.

    Raises:
        UserError: not a run, or nothing evaluated yet.
    """
    run = load_run(path)
    phases = find_phases(*run.curve("seen_attribute_loss"), baseline(run))
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    figure = learning_curve(run, phases)
    figure.savefig(folder / "learning_curve.png", dpi=150)
    plt.close(figure)
    numbers = asdict(phases) | {"plateau_length": phases.plateau_length, "tolerance": TOLERANCE}
    (folder / "phases.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    print(summary(run, phases))
    return phases


def learning_curve(run: Run, phases: Phases):
    """Attribute loss above, attribute accuracy below, over steps; phases shaded."""
    figure, (loss, accuracy) = plt.subplots(
        2, 1, figsize=(7, 6), sharex=True, height_ratios=(3, 2), layout="constrained"
    )
    for group, style in GROUP_STYLES.items():
        for axes, metric in ((loss, "loss"), (accuracy, "accuracy")):
            steps, values = run.curve(f"{group}_attribute_{metric}")
            if len(steps):
                axes.plot(steps, values, linewidth=2, **style)
    loss.axhline(baseline(run), color="black", linestyle=":", linewidth=1.2, label="no-knowledge baseline")
    last = max(1, int(run.curve("seen_attribute_loss")[0][-1]))
    for axes in (loss, accuracy):
        _shade_phases(axes, phases, last)
    _label_phases(loss, phases, last)
    loss.set(ylabel="attribute loss (nats)", ylim=(0, None), xlim=(0, last))
    accuracy.set(ylabel="attribute accuracy", xlabel="training step", ylim=(0, 1.02))
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    loss.legend(loc="upper right", frameon=True, framealpha=0.9)
    return figure


def _edges(phases: Phases, last: int) -> list[float]:
    """Where the phases that were reached begin and end."""
    inner = [edge for edge in (phases.plateau_start, phases.plateau_end) if edge is not None]
    return [0.0, *inner, float(last)]


def _shade_phases(axes, phases: Phases, last: int) -> None:
    edges = _edges(phases, last)
    for begin, end, shade in zip(edges[:-1], edges[1:], _PHASE_SHADES, strict=False):
        axes.axvspan(begin, end, color=shade, zorder=0, linewidth=0)
    for edge in edges[1:-1]:
        axes.axvline(edge, color="grey", linewidth=1)


def _label_phases(axes, phases: Phases, last: int) -> None:
    """A numeral above each phase, which has room in a narrow one too, and a line that names them."""
    edges = np.array(_edges(phases, last))
    for number, middle in enumerate((edges[:-1] + edges[1:]) / 2, 1):
        axes.text(middle, 1.02, str(number), transform=axes.get_xaxis_transform(), ha="center", weight="bold")
    reached = PHASE_NAMES[: len(edges) - 1]
    axes.set_title("Phases:  " + "    ".join(reached), fontsize="medium", pad=20)


def summary(run: Run, phases: Phases) -> str:
    """One paragraph of numbers for the terminal."""

    def last(key: str) -> float:
        return run.curve(key)[1][-1]

    def step(edge: float | None) -> str:
        return "not reached" if edge is None else f"step {edge:.0f}"

    lines = [
        f"no-knowledge baseline {baseline(run):.3f} nats; plateau begins: {step(phases.plateau_start)}, "
        f"ends: {step(phases.plateau_end)}",
        f"seen people, held-out wording: attribute loss {last('seen_attribute_loss'):.3f} nats, "
        f"accuracy {last('seen_attribute_accuracy'):.1%}",
    ]
    if len(run.curve("unseen_attribute_loss")[0]):
        lines.append(
            f"unseen people: attribute loss {last('unseen_attribute_loss'):.3f} nats, "
            f"accuracy {last('unseen_attribute_accuracy'):.1%}"
        )
    return "\n".join([*lines, f"figure: {run.path / 'figures' / 'learning_curve.png'}"])
