"""Figures, tables and claims of this experiment, from its results and those of experiments/signatures."""

import itertools
from collections.abc import Callable
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

Patched = dict[tuple[int, int], list[Result]]  # by start_patching and reference_patching


def main(folder: Path) -> None:
    """Write results/*.png, table.md and claims.json."""
    patched: Patched = {}
    for result in load_results(folder):
        patched.setdefault(_steps(result), []).append(result)
    own = [r for r in load_results(ROOT / "experiments" / "signatures") if r.variant == "facts"]
    figures = {"references": references(patched, own), "grid": grid(patched, own)}
    publish(folder, figures, table(patched, own), measured(patched, own))


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


def table(patched: Patched, own: list[Result]) -> str:
    """Plateau end, loss and accuracy at the end; means and 95% intervals over seeds."""
    columns = {
        "plateau begins (step)": (lambda r: phases_of(r.run).plateau_start, "{:.0f}"),
        "ends": (lambda r: plateau_end(r.run), "{:.0f}"),
        "attribute loss (nats)": (lambda r: last(r.run, LOSS), "{:.2f}"),
        "attribute accuracy": (lambda r: last(r.run, ACCURACY), "{:.1%}", SHARE),
    }
    groups = {OWN: own} | {f"from {start}: of step {step}": patched[start, step] for start, step in sorted(patched)}
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
