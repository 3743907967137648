"""Figures, tables and claims of this experiment, from its results and those of experiments/signatures."""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from analysis.compare import plateau_end
from analysis.drawing import (
    ROLES,
    draw_interval,
    draw_runs,
    intervals_note,
    legend,
    mark_baseline,
    mark_plateau,
    n_seeds,
    name_panels,
    panels,
    seeds_note,
    shades,
)
from analysis.phases import phases_of
from analysis.statistics import SHARE, mean_interval
from run_directory.records import baseline, last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish, ratios
from sweeps.sweep import ROOT

LOSS, ACCURACY = "seen_attribute_loss", "seen_attribute_accuracy"
# Steps of the references: of phase 1 (its end is near step 140), the plateau's two ends, and after it.
PHASE_1, AROUND, AFTER = (50, 100), (100, 300), (400, 700)
OWN = "own attention"

WHOLE = "from-"  # variants with attention of the reference in all layers
_RESTART = "restart"
OTHERS = {
    "layer-1": "in layer 1 alone",
    "layer-2": "in layer 2 alone",
    "other-seed": "of another seed",
    "other-people": "of other people",
}

Patched = dict[tuple[int, int], list[Result]]  # by start_patching and reference_patching
Controls = dict[tuple[str, int], list[Result]]  # by variant, and the step of the grid that it is about


def main(folder: Path) -> None:
    """Write results/*.png, table.md and claims.json."""
    results = load_results(folder)
    patched = _grouped(_steps, (r for r in results if r.variant.startswith(WHOLE)))
    controls = _grouped(_control, (r for r in results if not r.variant.startswith(WHOLE)))
    own = [r for r in load_results(ROOT / "experiments" / "signatures") if r.variant == "facts"]
    figures = {"references": references(patched, own), "grid": grid(patched, own)}
    if controls:
        figures["controls"] = whose(patched, controls, own)
    values = measured(patched, own) | of_controls(patched, controls, own)
    publish(folder, figures, table(patched, controls, own), values)


def _grouped(key: Callable[[Result], tuple], results: Iterable[Result]) -> dict[tuple, list[Result]]:
    groups: dict[tuple, list[Result]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def _control(result: Result) -> tuple[str, int]:
    """What it is a control of, and at which step: of the restart, or of the attention that is used."""
    name, _, point = result.variant.rpartition("-")
    return name, int(point.split("=")[1])


def _steps(result: Result) -> tuple[int, int]:
    return result.settings["start_patching"], result.settings["reference_patching"]


def from_scratch(patched: Patched) -> dict[int, list[Result]]:
    """The runs that were patched from their first step on, by the reference's step."""
    return {reference: patched[start, reference] for start, reference in sorted(patched) if start == 0}


def references(patched: Patched, own: list[Result]):
    """Left, loss over training with the attention of each reference; right, the loss at the end against its step."""
    figure, (curves, ends) = panels(1, 2, 3.6)
    by_reference = from_scratch(patched)
    for (step, results), color in zip(by_reference.items(), shades(len(by_reference)), strict=True):
        label = "of the untrained model" if step == 0 else f"of step {step}"
        draw_runs(curves, [r.run for r in results], LOSS, color=color, label=label)
        draw_interval(ends, step, [last(r.run, LOSS) for r in results], seeds_at=step + 14, color=color)
    draw_runs(curves, [r.run for r in own], LOSS, color=ROLES["unchanged"], linestyle="--", label=OWN)
    ends.axhline(np.mean([last(r.run, LOSS) for r in own]), color=ROLES["unchanged"], linestyle="--", linewidth=1.4)
    mark_plateau(ends, *plateau(own))
    for axes in (curves, ends):
        mark_baseline(axes, baseline(own[0].run))
    curves.set(xlabel="training step", ylim=(0, 8))
    ends.set(xlabel="step of the reference whose attention is used", ylim=(0, 6))
    name_panels((curves, ends), ("attribute loss (nats), by attention", "attribute loss at the end (nats)"))
    every = [own, *by_reference.values()]
    legend(figure, f"left, {seeds_note(every)}; right, {intervals_note(every)}")
    return figure


def plateau(own: list[Result]) -> tuple[float, float]:
    """Where it begins and ends with the model's own attention, means over seeds."""
    phases = [phases_of(result.run) for result in own]
    return tuple(float(np.mean([getattr(p, edge) for p in phases])) for edge in ("plateau_start", "plateau_end"))


def grid(patched: Patched, own: list[Result]):
    """Loss at the end, by when patching starts and whose attention is used (paper, App. D); mean over seeds."""
    starts, steps = (sorted({pair[axis] for pair in patched}) for axis in (0, 1))
    losses = {pair: mean_interval([last(r.run, LOSS) for r in results]) for pair, results in patched.items()}
    values = np.full((len(starts), len(steps)), np.nan)
    for (start, step), (mean, _, _) in losses.items():
        values[starts.index(start), steps.index(step)] = mean
    figure, axes = panels(1, 1, 3.4)
    image = axes.imshow(values, cmap="cividis", aspect="auto")
    middle = np.nanmean(values)
    for (row, column), value in np.ndenumerate(values):
        pair = starts[row], steps[column]
        text = _cell(pair, losses[pair]) if pair in losses else "not run"
        color = "black" if value > middle else "white" if pair in losses else ROLES["baseline"]
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=color)
    axes.set_xticks(range(len(steps)), ["untrained" if step == 0 else step for step in steps])
    axes.set_yticks(range(len(starts)), starts)
    axes.set(xlabel="step of the reference whose attention is used", ylabel="patching starts at step")
    figure.colorbar(image, label="attribute loss at the end (nats)\ndark: low, which is good")
    mean, low, _ = mean_interval([last(r.run, LOSS) for r in own])
    note = f"mean ± half of its 95% interval, {n_seeds(map(len, patched.values()))}; frozen: its own, of that step"
    legend(figure, f"{note}. With its own attention all along a model ends at {mean:.2f} ± {mean - low:.2f}.")
    return figure


def _cell(pair: tuple[int, int], loss: tuple[float, float, float]) -> str:
    start, step = pair
    mean, low, _ = loss
    frozen = "\nfrozen" if start == step and start else ""
    return f"{mean:.2f} ± {mean - low:.2f}{frozen}"


def whose(patched: Patched, controls: Controls, own: list[Result]):
    """Loss at the end, by whose attention a model has from step 0 on, and in which layers."""
    figure, axes = panels(1, 1, 3.0)
    labels = {"all": "of its reference", **OTHERS}
    groups = controls | {("all", step): patched[0, step] for step in AFTER if (0, step) in patched}
    for step, color, shift in zip(AFTER, shades(len(AFTER)), (-0.12, 0.12), strict=True):
        for place, name in enumerate(labels):
            if results := groups.get((name, step)):
                losses = [last(r.run, LOSS) for r in results]
                label = f"attention of step {step}" if place == 0 else None
                draw_interval(axes, place + shift, losses, seeds_at=place + shift + 0.07, color=color, label=label)
    axes.axhline(np.mean([last(r.run, LOSS) for r in own]), color=ROLES["unchanged"], linestyle="--", label=OWN)
    mark_baseline(axes, baseline(own[0].run))
    axes.set_xticks(range(len(labels)), labels.values())
    axes.set(xlabel="whose attention, from step 0 on", ylabel="attribute loss at the end (nats)", ylim=(0, 6))
    legend(figure, intervals_note([own, *groups.values()]))
    return figure


def table(patched: Patched, controls: Controls, own: list[Result]) -> str:
    """Plateau end, loss and accuracy at the end; means and 95% intervals over seeds."""
    columns = {
        "plateau begins (step)": (lambda r: phases_of(r.run).plateau_start, "{:.0f}"),
        "ends": (lambda r: plateau_end(r.run), "{:.0f}"),
        "attribute loss (nats)": (lambda r: last(r.run, LOSS), "{:.2f}"),
        "attribute accuracy": (lambda r: last(r.run, ACCURACY), "{:.1%}", SHARE),
    }
    groups = {OWN: own} | {f"from {start}: of step {step}": patched[start, step] for start, step in sorted(patched)}
    groups |= {
        f"its own, restarted at step {step}": controls[_RESTART, step]
        for name, step in sorted(controls)
        if name == _RESTART
    }
    groups |= {
        f"from 0: of step {step}, {OTHERS[name]}": controls[name, step]
        for name, step in sorted(controls)
        if name in OTHERS
    }
    return interval_table("attention", groups, columns)


def measured(patched: Patched, own: list[Result]) -> dict[str, Values]:
    """What claims.yaml asks for, paired by seed."""
    lost = {step: by_seed(results, lambda r: last(r.run, LOSS)) for step, results in from_scratch(patched).items()}
    seeds = sorted(set.intersection(*(set(values) for values in lost.values())))
    losses = {seed: {step: values[seed] for step, values in lost.items()} for seed in seeds}
    by_itself = by_seed(own, lambda r: last(r.run, LOSS))

    def of(measure: Callable[[dict[int, float]], float]) -> Values:
        return {seed: measure(values) for seed, values in losses.items()}

    frozen = {start: results for (start, step), results in patched.items() if start == step and start}
    return {
        "f3-later": of(_smallest_fall),
        **{f"f3-worse-{step}": of(lambda loss, step=step: loss[step] - loss[0]) for step in PHASE_1},
        "f3-plateau": of(lambda loss: 100 * _share(loss)),
        **{f"f3-removed-{step}": _removed(patched[0, step], own) for step in AFTER},
        "f3-own": differences(by_itself, lost[AFTER[-1]]),
        "untrained": by_seed(patched[0, 0], lambda r: baseline(r.run) - last(r.run, LOSS)),
        **{f"d-frozen-{start}": differences(by_seed(results, lambda r: last(r.run, LOSS)), by_itself)
           for start, results in frozen.items()},
    }  # fmt: skip


def of_controls(patched: Patched, controls: Controls, own: list[Result]) -> dict[str, Values]:
    """What claims.yaml asks for of the controls; nothing of those that were not run."""

    def lost(results: list[Result]) -> Values:
        return by_seed(results, lambda r: last(r.run, LOSS))

    end = AFTER[-1]
    of = {name: lost(controls.get((name, end), [])) for name in OTHERS}
    restarts = {step: lost(results) for (name, step), results in controls.items() if name == _RESTART}
    return {
        "carry-seed": differences(lost(own), of["other-seed"]),
        "carry-people": differences(lost(own), of["other-people"]),
        "carry-equal": differences(of["other-people"], of["other-seed"]),
        "layers": differences(of["layer-1"], of["layer-2"]),
        **{
            f"d-restart-{step}": differences(lost(patched.get((step, step), [])), values)
            for step, values in restarts.items()
        },
    }


def _smallest_fall(loss: dict[int, float]) -> float:
    """Of the loss, from a reference to the next one, from the last of phase 1 on."""
    ends = [loss[step] for step in sorted(loss) if step >= PHASE_1[-1]]
    return min(sooner - later for sooner, later in itertools.pairwise(ends))


def _share(loss: dict[int, float]) -> float:
    first, end = AROUND
    return (loss[first] - loss[end]) / (loss[first] - loss[AFTER[-1]])


def _removed(patched: list[Result], own: list[Result]) -> Values:
    """By how much the plateau is shorter than with the model's own attention, in percent of that."""
    lengths, whole = (by_seed(group, lambda r: phases_of(r.run).plateau_length) for group in (patched, own))
    return {seed: None if share is None else 100 * (1 - share) for seed, share in ratios(lengths, whole).items()}
