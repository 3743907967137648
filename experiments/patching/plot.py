"""Figures, tables and claims of this experiment, from its results and those of experiments/signatures."""

import itertools
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from analysis.compare import plateau_end
from analysis.drawing import band, mark_baseline
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
    figure, (curves, ends) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    by_reference = from_scratch(patched)
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(by_reference)))
    for (step, results), color in zip(by_reference.items(), colors, strict=True):
        band(curves, [r.run for r in results], LOSS, color=color, label="untrained" if step == 0 else f"step {step}")
    band(curves, [r.run for r in own], LOSS, color="black", linestyle="--", label=OWN)
    means = np.array([mean_interval([last(r.run, LOSS) for r in results]) for results in by_reference.values()])
    errors = (means[:, 0] - means[:, 1], means[:, 2] - means[:, 0])
    ends.errorbar([*by_reference], means[:, 0], errors, marker="o", color="#0072B2", capsize=3)
    mean = mean_interval([last(r.run, LOSS) for r in own])[0]
    ends.axhline(mean, color="black", linestyle="--", linewidth=1.2)
    ends.annotate(OWN, (1, mean), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize="small")
    ends.axvspan(*plateau(own), color="#D9D9D9", zorder=0, linewidth=0)
    ends.text(np.mean(plateau(own)), 0.01, "plateau", transform=ends.get_xaxis_transform(), ha="center", va="bottom",
              fontsize="small")  # fmt: skip
    for axes in (curves, ends):
        mark_baseline(axes, baseline(own[0].run))
    curves.set(xlabel="training step", ylabel="attribute loss (nats)", ylim=(0, 8))
    ends.set(
        xlabel="step of the reference whose attention is used", ylabel="attribute loss at the end (nats)", ylim=(0, 6)
    )
    curves.legend(title="attention of", fontsize="small", ncols=2)
    return figure


def plateau(own: list[Result]) -> tuple[float, float]:
    """Where it begins and ends with the model's own attention, means over seeds."""
    phases = [phases_of(result.run) for result in own]
    return tuple(float(np.mean([getattr(p, edge) for p in phases])) for edge in ("plateau_start", "plateau_end"))


def grid(patched: Patched, own: list[Result]):
    """Loss at the end, by when patching starts and whose attention is used (paper, App. D); mean over seeds."""
    starts, steps = (sorted({pair[axis] for pair in patched}) for axis in (0, 1))
    values = np.full((len(starts), len(steps)), np.nan)
    for (start, step), results in patched.items():
        values[starts.index(start), steps.index(step)] = np.mean([last(r.run, LOSS) for r in results])
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    image = axes.imshow(values, cmap="cividis", aspect="auto")
    middle = np.nanmean(values)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            frozen = " frozen" if starts[row] == steps[column] and starts[row] else ""
            axes.text(column, row, f"{value:.2f}{frozen}", ha="center", va="center", fontsize="small",
                      color="black" if value > middle else "white")  # fmt: skip
    axes.set_xticks(range(len(steps)), ["untrained" if step == 0 else step for step in steps])
    axes.set_yticks(range(len(starts)), starts)
    mean = mean_interval([last(r.run, LOSS) for r in own])[0]
    axes.set(xlabel="step of the reference", ylabel="patching starts at step", title=f"own attention: {mean:.2f}")
    figure.colorbar(image, label="attribute loss at the end (nats)")
    return figure


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
