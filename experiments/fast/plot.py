"""Figure, table and claims of this experiment, from its results and those of experiments/time_to_knowledge."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.drawing import COLORS, band, save, style
from analysis.statistics import mean_interval
from experiments.time_to_knowledge.__main__ import KNOWN, step_seconds
from run_directory.records import Run, last
from sweeps.results import Result, by_seed, claim_above, differences, interval_table, load_results, write_claims
from sweeps.sweep import ROOT

LOSS, ACCURACY = "seen_attribute_loss", "seen_attribute_accuracy"
# What is changed in each variant; the first one is the recipe.
LABELS = {
    "fast": "the whole recipe",
    "random_draws": "individuals drawn at random",
    "full_text": "text counts as much as values",
    "cosine": "cosine instead of linear decay",
    "everybody": "everybody from the start",
    "adamw": "AdamW instead of Muon",
}
RACE = {"paper": "the paper's recipe", "fast": "ours"}
Groups = dict[str, list[Result]]


def main(folder: Path) -> None:
    """Write results/race.png, ingredients.png, table.md and claims.json."""
    results = load_results(folder) + load_results(ROOT / "experiments" / "time_to_knowledge")
    groups = {variant: [r for r in results if r.variant == variant] for variant in LABELS}
    save(race({label: [r.run for r in results if r.variant == name] for name, label in RACE.items()}),
         folder / "results" / "race.png")  # fmt: skip
    save(draw(groups), folder / "results" / "ingredients.png", dpi=100)
    (folder / "results" / "table.md").write_text(table(groups) + "\n", encoding="utf-8")
    write_claims(folder, claims(groups))
    print(table(groups))


def known(result: Result) -> float:
    """Facts that are known at the end, in percent."""
    return 100 * last(result.run, ACCURACY)


def race(runs: dict[str, list[Run]]):
    """What is known over training time without evaluations; a line for each seed."""
    figure, axes = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
    for (label, group), color in zip(runs.items(), (COLORS[5], COLORS[4]), strict=True):
        for number, run in enumerate(group):
            steps, accuracies = run.curve(ACCURACY)
            axes.plot(steps * step_seconds(run), accuracies, color=color, label=None if number else label)
    axes.axhline(KNOWN, color="grey", linestyle=":", linewidth=1.2)
    axes.set(xlabel="training time on one CPU core (s)", ylabel="attribute accuracy", xlim=(0, None), ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.annotate(f"{KNOWN:.0%}", (0.35, KNOWN), xycoords=("axes fraction", "data"), va="bottom", color="grey")
    axes.legend(loc="lower right")
    return figure


def draw(groups: Groups):
    """Left, what is known over training; right, at the end, a point for each seed and the mean with its interval."""
    figure, (curves, ends) = plt.subplots(1, 2, figsize=(13, 4.8), layout="constrained", width_ratios=(1.1, 1))
    for number, (variant, label) in enumerate(LABELS.items()):
        band(curves, [result.run for result in groups[variant]], ACCURACY, label=label, **style(number))
        values, row = [known(result) / 100 for result in groups[variant]], len(LABELS) - number
        (mean, low, high), color = mean_interval(values), style(number)["color"]
        ends.errorbar(mean, row, xerr=[[mean - low], [high - mean]], marker="o", capsize=4, color=color)
        ends.plot(values, np.full(len(values), row + 0.18), "x", markersize=5, color=color)
    curves.set(xlabel="training step", ylabel="attribute accuracy", ylim=(0, 1.02), xlim=(0, None))
    ends.set(xlabel="attribute accuracy at the end (mean, 95% interval; × a seed)", xlim=(0, 1.02))
    ends.set_yticks(range(len(LABELS), 0, -1), LABELS.values())
    curves.yaxis.set_major_formatter(PercentFormatter(1))
    ends.xaxis.set_major_formatter(PercentFormatter(1))
    ends.grid(axis="x", alpha=0.3)
    curves.legend(fontsize="small", loc="upper left")
    return figure


def table(groups: Groups) -> str:
    """Accuracy and attribute loss at the end; means and 95% intervals over seeds."""
    columns = {
        "known at the end": (known, "{:.1f}%"),
        "attribute loss (nats)": (lambda result: last(result.run, LOSS), "{:.2f}"),
    }
    return interval_table("recipe", {label: groups[variant] for variant, label in LABELS.items()}, columns)


def claims(groups: Groups) -> list[dict]:
    """What is lost, in points of accuracy at the end, with one ingredient changed."""
    ends = {variant: by_seed(results, known) for variant, results in groups.items()}
    texts = {
        "random_draws": "drawing individuals at regular intervals, not at random, teaches more in equal steps",
        "full_text": "counting text a tenth of values in the loss teaches more in equal steps",
        "cosine": "a learning rate that falls linearly teaches more than a cosine in equal steps",
        "everybody": "letting people in gradually teaches more in equal steps",
        "adamw": "Muon teaches more than AdamW in equal steps, all else as fast",
    }
    return [claim_above(variant, text, differences(ends["fast"], ends[variant])) for variant, text in texts.items()]
