"""Figure, table and claims of this experiment, from results/ alone."""

import math
from collections.abc import Callable
from pathlib import Path

from matplotlib.ticker import PercentFormatter

from analysis.drawing import (
    Groups,
    draw_runs,
    legend,
    mark_baseline,
    name_panels,
    panels,
    seeds_note,
    steps_on_a_log_scale,
    style,
)
from analysis.statistics import PERCENT
from run_directory.records import last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish

LABELS = {
    "new-128": "128 new pairs",
    "new-1024": "1,024 new pairs",
    "replay-1/64": "128 new pairs, replay at weight 1/64 (half of a batch)",
    "replay-1/512": "128 new pairs, replay at weight 1/512 (a ninth)",
}
PLAIN, REPLAY = "new-128", "replay-1/64"
EARLY = 300  # steps; "a few hundred"


def main(folder: Path) -> None:
    """Write results/forgetting.png, table.md and claims.json."""
    results = load_results(folder)
    groups = {label: [r.run for r in results if r.variant == variant] for variant, label in LABELS.items()}
    publish(folder, {"forgetting": forgetting(groups)}, table(results), measured(results))


def forgetting(groups: Groups):
    """Loss and accuracy on old pairs (left) and on new ones (right), over fine-tuning steps."""
    figure, axes = panels(2, 2, 5.4, sharex=True, sharey="row")
    n_values = next(iter(groups.values()))[0].config["n_values"]
    for number, (name, runs) in enumerate(groups.items()):
        for column, part in enumerate(("old", "new")):
            for row, metric in enumerate(("loss", "accuracy")):
                draw_runs(axes[row, column], runs, f"{part}_{metric}", label=name, **style(number))
    for loss, accuracy in axes.T:
        mark_baseline(loss, math.log(n_values), "nothing known (log of the number of values)")
        accuracy.set_xlabel("fine-tuning step")
    axes[0, 0].set(ylabel="loss (nats)", ylim=(0, None))
    axes[1, 0].set(ylabel="accuracy", ylim=(0, 1.02))
    axes[1, 0].yaxis.set_major_formatter(PercentFormatter(1))
    steps_on_a_log_scale(axes[1, 0])
    name_panels(axes.flat, [f"{part} pairs: {what}" for what in ("loss", "accuracy") for part in ("old", "new")])
    legend(figure, seeds_note(groups.values()), columns=2)
    return figure


def table(results: list[Result]) -> str:
    """Accuracy of each variant, mean and 95% interval over seeds."""
    columns = {
        "old, before": lambda r: 100 * _at(r, "old", 0), "old, lowest": lowest, "old, end": old, "new, end": new,
    }  # fmt: skip
    groups = {label: [r for r in results if r.variant == variant] for variant, label in LABELS.items()}
    return interval_table(
        "fine-tuned on", groups, {name: (measure, "{:.1f}%", PERCENT) for name, measure in columns.items()}
    )


def measured(results: list[Result]) -> dict[str, Values]:
    """What claims.yaml asks for, paired by seed."""

    def of(variant: str, measure: Callable[[Result], float]) -> Values:
        return by_seed((result for result in results if result.variant == variant), measure)

    return {
        "q-collapse": of(PLAIN, lambda r: 100 * (_at(r, "old", 0) - _at(r, "old", EARLY))),
        "q-early": of(PLAIN, lambda r: 100 * _share_early(r)),
        "q-number": differences(of(PLAIN, old), of("new-1024", old)),
        "r-end": differences(of(REPLAY, old), of(PLAIN, old)),
        "r-drop": differences(of(REPLAY, _lowest_early), of(PLAIN, _lowest_early)),
        "r-recovers": of(REPLAY, lambda r: old(r) - lowest(r)),
        "r-new": differences(of(PLAIN, _new_early), of(REPLAY, _new_early)),
    }


def old(result: Result) -> float:
    """Accuracy on old pairs at the end, in percent."""
    return 100 * last(result.run, "old_accuracy")


def new(result: Result) -> float:
    """Accuracy on new pairs at the end, in percent."""
    return 100 * last(result.run, "new_accuracy")


def lowest(result: Result) -> float:
    """The lowest accuracy on old pairs, in percent."""
    return 100 * float(result.run.curve("old_accuracy")[1].min())


def _lowest_early(result: Result) -> float:
    steps, accuracies = result.run.curve("old_accuracy")
    return 100 * float(accuracies[steps <= EARLY].min())


def _new_early(result: Result) -> float:
    return 100 * _at(result, "new", 100)


def _at(result: Result, part: str, step: int) -> float:
    return result.run.at(f"{part}_accuracy", step)


def _share_early(result: Result) -> float:
    before = _at(result, "old", 0)
    return (before - _at(result, "old", EARLY)) / (before - last(result.run, "old_accuracy"))
