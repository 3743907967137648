"""Figures of what was seen in the checkpoints of a run (docs/MECHANISM.md): layers by steps, layers by positions."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.drawing import ROLES, legend, name_panels, panels, save, shades
from analysis.maps import (
    both_ways,
    color_key,
    from_zero,
    layers_by_positions,
    layers_by_steps,
    mark_phases,
    numbered_map,
    plateau_note,
    words_of,
    wrapped,
)
from analysis.phases import Phases, phases_of
from analysis.statistics import mean_of_known
from command_line import UserError
from run_directory.layout import FIGURES, LOOKED_INTO, config_file
from run_directory.records import load_run, read_report

_LINES = ("-", "--", "-.", ":")
_SHARES = "gradient, in units of that before the value; layer upwards, 0: embeddings"
_NATS = "log-probability of the truth (nats)"


def draw_report(name: str, folder: Path, report: dict) -> Path:
    """Draw one of LOOKED_INTO, into the figures of a run or, elsewhere, beside the report.

    Where several steps were measured, `<name>.png` is over steps; `<name>_<step>.png` is of the last one alone.

    Returns:
        Where they are.
    """
    place = folder / FIGURES if config_file(folder).is_file() else folder
    place.mkdir(parents=True, exist_ok=True)
    over_steps, of_step = _FIGURES[name]
    last = max(map(int, report["steps"]))
    save(of_step(report, last), place / f"{name}_{last}.png")
    if len(report["steps"]) > 1:
        save(over_steps(report, _phases(folder)), place / f"{name}.png")
    return place


def draw_reports(run: Path) -> None:
    """Draw all of LOOKED_INTO that a run has."""
    for name in LOOKED_INTO:
        if report := read_report(run, name):
            draw_report(name, run, report)


def _phases(folder: Path) -> Phases | None:
    """Those of the run in a folder, if there is one with a plateau."""
    try:
        run = load_run(folder)
    except UserError:
        return None
    return phases_of(run) if run.has_phases else None


def _over_steps(report: dict, key: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps, and what was measured there, steps first."""
    steps = sorted(report["steps"], key=int)
    return np.array(steps, dtype=int), np.array([report["steps"][step][key] for step in steps], dtype=float)


def probing_over_steps(report: dict, phases: Phases | None):
    """Above, the model's own accuracy beside that of probes; below, for each position, that of probes, layer by step.

    Args:
        report: of `python -m evaluation probe`.
        phases: of the run, if it has some.
    """
    steps, accuracy = _over_steps(report, "accuracy")
    said, positions, layers = _over_steps(report, "said")[1], report["axes"]["position"], report["axes"]["layer"]
    means = mean_of_known(accuracy, 4)  # (steps, told, groups, positions, layers)
    color = from_zero(means[:, :, 0])
    figure, axes = panels(1 + len(positions), 2, 2.6 + 0.95 * len(positions), sharex=True, squeeze=False,
                          height_ratios=[2.4] + [1] * len(positions))  # fmt: skip
    for told, one in enumerate(axes[0]):
        one.plot(steps, mean_of_known(said[:, 0], 1), color="black", linewidth=1.8, label="the model says it")
        for position, role in (("before_value", "value"), ("last_name", "name")):
            best = _highest(means[:, told, 0, positions.index(position)], (1,))
            one.plot(steps, best, color=ROLES[role], label=f"read by a probe, {words_of(position)}, best layer")
        for group, line, words in ((1, ":", "control: values of others"), (2, "--", "control: unseen individuals")):
            highest = _highest(means[:, told, group], (1, 2))
            one.plot(steps, highest, color=ROLES["baseline"], linestyle=line, label=f"{words}, highest of all")
        one.set_ylim(0, 1.02)
        one.yaxis.set_major_formatter(PercentFormatter(1))
        mark_phases(one, phases)
        for place, below in enumerate(axes[1:, told]):
            image = layers_by_steps(below, steps, means[:, told, 0, place].T, layers, phases, color)
            below.set_ylabel(wrapped(positions[place]) if not told else "", size=8)
    name_panels(axes[0], [words_of(told) for told in report["axes"]["told"]])
    for one in axes[-1]:
        one.set_xlabel("steps")
    color_key(figure, image, axes, "accuracy of the probes; layer upwards, 0: embeddings")
    legend(figure, plateau_note(phases), columns=3, axes=[axes[0, 0]])
    return figure


def probing_of_step(report: dict, step: int):
    """Accuracy of probes at one step, layer by position."""
    means = mean_of_known(np.array(report["steps"][str(step)]["accuracy"], dtype=float), 3)
    layers = report["axes"]["layer"]
    drawn = [(words_of(told), means[number, 0].T, layers) for number, told in enumerate(report["axes"]["told"])]
    return layers_by_positions(
        report["axes"]["position"], step, drawn, 2, "accuracy of the probes", from_zero(means[:, 0]), "{:.0%}"
    )


def tracing_over_steps(report: dict, phases: Phases | None):
    """Above, what the model says of the right and of the other name; below, what states of the right name restore.

    Args:
        report: of `python -m evaluation trace`.
        phases: of the run, if it has some.
    """
    steps, effects = _over_steps(report, "effects")  # (steps, effects, sites, positions)
    components, positions = _sites(report), report["axes"]["position"]
    figure, axes = panels(1 + len(positions), len(components), 2.4 + 0.95 * len(positions), sharex=True, squeeze=False,
                          height_ratios=[2] + [1] * len(positions))  # fmt: skip
    color = both_ways(effects[:, 0])
    for column, (component, (layers, numbers)) in enumerate(components.items()):
        for key, name, role in (("clean", "right", "name"), ("other", "other", "baseline")):
            line = _over_steps(report, key)[1]
            axes[0, column].plot(steps, line, color=ROLES[role], label=f"with the {name} name")
        mark_phases(axes[0, column], phases)
        for place, below in enumerate(axes[1:, column]):
            image = layers_by_steps(below, steps, effects[:, 0, numbers, place].T, layers, phases, color)
            below.set_ylabel(wrapped(positions[place]) if not column else "", size=8)
        axes[-1, column].set_xlabel("steps")
        axes[0, column].set_title(component.replace("_", "-"), size=9.5)
    axes[0, 0].set_ylabel("log-probability\nof the truth", size=8)
    color_key(figure, image, axes, "restored by states of the right name (nats); layer upwards, 0: embeddings")
    legend(figure, plateau_note(phases), axes=[axes[0, 0]])
    return figure


def tracing_of_step(report: dict, step: int):
    """What exchanged states do at one step, layer by position."""
    effects = np.array(report["steps"][str(step)]["effects"], dtype=float)
    drawn = [
        (f"{component.replace('_', '-')}, {words_of(effect)}", effects[number, numbers], layers)
        for component, (layers, numbers) in _sites(report).items()
        for number, effect in enumerate(report["axes"]["effect"])
    ]
    return layers_by_positions(
        report["axes"]["position"], step, drawn, 2, f"change of the {_NATS}", both_ways(effects), "{:.2f}"
    )


def knockout_over_steps(report: dict, phases: Phases | None):
    """What the model says, and what each cut takes of it, a line for each layer.

    Args:
        report: of `python -m evaluation knockout`.
        phases: of the run, if it has some.
    """
    steps, effects = _over_steps(report, "effects")  # (steps, cuts, layers)
    cuts, layers = report["axes"]["cut"], report["axes"]["layer"]
    figure, axes = panels(-(-(1 + len(cuts)) // 2), 2, 2.4 * -(-(1 + len(cuts)) // 2), sharex=True, squeeze=False)
    first, *others = axes.flat
    first.plot(steps, _over_steps(report, "clean")[1], color=ROLES["seen"], label="nothing cut")
    colors = [*shades(len(layers) - 1), "black"]
    for number, one in enumerate(others[: len(cuts)]):
        for layer, color in enumerate(colors):
            line = _LINES[layer % 4] if layer < len(layers) - 1 else "-"
            words = "all layers" if layers[layer] == "all" else f"layer {layers[layer]}"
            one.plot(steps, effects[:, number, layer], color=color, linestyle=line, label=words)
        one.sharey(others[0])
    for one in others[len(cuts) :]:
        one.remove()
    name_panels([first, *others], [_NATS, *(f"lost without {_arrow(cut)} (nats)" for cut in cuts)])
    for one in [first, *others[: len(cuts)]]:
        one.set_xlabel("steps")
        mark_phases(one, phases)
    legend(figure, "one run", columns=6)
    return figure


def knockout_of_step(report: dict, step: int):
    """What each cut takes at one step, by layer."""
    effects = np.array(report["steps"][str(step)]["effects"], dtype=float)
    cuts, layers = report["axes"]["cut"], report["axes"]["layer"]
    figure, one = panels(1, 1, 1.2 + 0.4 * len(cuts))
    image = numbered_map(one, effects, both_ways(effects), "{:.2f}")
    one.set_xticks(range(len(layers)), layers)
    one.set_yticks(range(len(cuts)), map(_arrow, cuts))
    one.set(xlabel="layer without this attention", title=f"step {step:,}")
    figure.colorbar(image, ax=one, label="lost (nats)")
    return figure


def gradients_over_steps(report: dict, phases: Phases | None):
    """Above, the model's accuracy; below, for each position, how much of errors reaches it, layer by step.

    Args:
        report: of `python -m evaluation gradients`.
        phases: of the run, if it has some.
    """
    steps, norms = _over_steps(report, "norms")
    positions, shares, layers = _reached(report, norms)
    figure, axes = panels(1 + len(positions), 1, 2.2 + 0.95 * len(positions), sharex=True,
                          height_ratios=[2] + [1] * len(positions))  # fmt: skip
    axes[0].plot(steps, _over_steps(report, "said")[1], color=ROLES["seen"], label="accuracy of the model")
    axes[0].set_ylim(0, 1.02)
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    mark_phases(axes[0], phases)
    for place, one in enumerate(axes[1:]):
        image = layers_by_steps(one, steps, shares[:, place].T, layers, phases, from_zero(shares))
        one.set_ylabel(wrapped(positions[place]), size=8)
    axes[-1].set_xlabel("steps")
    color_key(figure, image, axes, _SHARES)
    legend(figure, plateau_note(phases), axes=[axes[0]])
    return figure


def gradients_of_step(report: dict, step: int):
    """How much of errors reaches each position at one step, by layer."""
    norms = np.array(report["steps"][str(step)]["norms"], dtype=float)
    positions, shares, layers = _reached(report, norms)
    return layers_by_positions(positions, step, [("", shares.T, layers)], 1, _SHARES, from_zero(shares), "{:.2f}")


def _reached(report: dict, norms: np.ndarray) -> tuple[list[str], np.ndarray, list[int]]:
    """Norms (..., positions, layers) at all places but the last, divided by those there; of layers before the last."""
    *positions, _ = report["axes"]["position"]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = norms[..., :-1, :-1] / norms[..., -1:, :-1]
    return positions, shares, report["axes"]["layer"][:-1]


_FIGURES: dict[str, tuple[Callable, Callable]] = {
    "probing": (probing_over_steps, probing_of_step),
    "tracing": (tracing_over_steps, tracing_of_step),
    "knockout": (knockout_over_steps, knockout_of_step),
    "gradients": (gradients_over_steps, gradients_of_step),
}


def _highest(numbers: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    highest = np.where(np.isnan(numbers), -np.inf, numbers).max(axes)
    return np.where(np.isinf(highest), np.nan, highest)


def _sites(report: dict) -> dict[str, tuple[list[int], list[int]]]:
    """Of each component, its layers and their places along the axis `site`."""
    found: dict[str, tuple[list[int], list[int]]] = {}
    for number, site in enumerate(report["axes"]["site"]):
        component, layer = site.split()
        layers, numbers = found.setdefault(component, ([], []))
        layers.append(int(layer))
        numbers.append(number)
    return found


def _arrow(cut: str) -> str:
    return cut.replace("_", " ").replace(":", " → ")
