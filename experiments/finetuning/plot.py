"""Figures, table and claims of this experiment, from results/ alone."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.ticker import PercentFormatter

from analysis.drawing import (
    GROUP_STYLES,
    draw_runs,
    label_x,
    legend,
    mark_baseline,
    name_panels,
    panels,
    seeds_note,
    styles,
)
from analysis.finetuning import finetuning_curves, trade_off
from analysis.hallucination import hallucination_figure
from analysis.statistics import PERCENT
from run_directory.records import Run, baseline, last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish

PLAIN = "new-n_individuals_finetune=256"
NEW = {f"new-n_individuals_finetune={n}": f"{n} new people" for n in (64, 128, 256, 512)}
WEIGHTS = {2: "2", 1: "1", 0.5: "1/2", 0.25: "1/4", 0.125: "1/8", 0.0625: "1/16", 0.03125: "1/32"}
REPLAY = {f"replay-weight_replay_finetune={weight}": f"weight {text}" for weight, text in WEIGHTS.items()}
EIGHTH = "replay-weight_replay_finetune=0.125"
EARLY = 32  # steps; the first jump is over


def main(folder: Path) -> None:
    """Write results/*.png, table.md and claims.json."""
    results = load_results(folder)
    groups = {variant: [r.run for r in results if r.variant == variant] for variant in (*NEW, *REPLAY, "rare")}
    new = {label: groups[variant] for variant, label in NEW.items()}
    replay = {"no replay": groups[PLAIN]} | {label: groups[v] for v, label in reversed(REPLAY.items())}
    figures = {
        "new_over_time": finetuning_curves(new, look=styles(new, ordered=True)),
        "replay_over_time": finetuning_curves(replay, look=styles(replay, ordered=True)),
        "rare_over_time": rare_over_time(groups["rare"]),
        "new_trade_off": trade_off(new, styles(new, ordered=True)),
        "replay_trade_off": trade_off(replay, styles(replay, ordered=True)),
        "confidence": hallucination_figure(groups[PLAIN]),
    }
    publish(folder, figures, table(results), measured(results))


def rare_over_time(runs: list[Run]):
    """Loss and accuracy of the people who are taught further, and of the other old ones, over fine-tuning."""
    figure, (loss, accuracy) = panels(1, 2, 2.9)
    looks = {"rare": GROUP_STYLES["rare"], "seen": GROUP_STYLES["seen"] | {"label": "other seen people"}}
    for group, how in looks.items():
        draw_runs(loss, runs, f"{group}_attribute_loss", **how)
        draw_runs(accuracy, runs, f"{group}_attribute_accuracy", **how)
    mark_baseline(loss, baseline(runs[0]))
    loss.set_ylim(0, None)
    accuracy.set_ylim(0, 1.02)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (loss, accuracy):
        label_x(axes, runs)
    name_panels((loss, accuracy), ("attribute loss (nats)", "attribute accuracy"))
    legend(figure, seeds_note([runs]))
    return figure


def table(results: list[Result]) -> str:
    """Old and new accuracy of each variant, and what measuring cost; mean and 95% interval over seeds."""
    columns = {
        "old, lowest in the first 32 steps": _lowest, "old, step 100": lambda r: 100 * _at(r, "seen", 100),
        "old, end": old, "trained on, end": finetuned,
    }  # fmt: skip
    labels = NEW | REPLAY | {"rare": "rare seen people"}
    groups = {label: [r for r in results if r.variant == variant] for variant, label in labels.items()}
    return interval_table("variant", groups, {name: (measure, "{:.1f}%", PERCENT) for name, measure in columns.items()})


def measured(results: list[Result]) -> dict[str, Values]:
    """What claims.yaml asks for; differences are paired by seed."""

    def of(variant: str, measure: Callable[[Result], float]) -> Values:
        return by_seed((result for result in results if result.variant == variant), measure)

    def more(variant: str, other: str, measure: Callable[[Result], float]) -> Values:
        return differences(of(variant, measure), of(other, measure))

    many, few = "new-n_individuals_finetune=512", "new-n_individuals_finetune=64"
    return {
        "fig5-middle-forgetting": of(PLAIN, _lost),
        "n-within-100-steps": of(PLAIN, _lost_early),
        "fig5-middle-first": of(PLAIN, _lost_before_won),
        "recovery": of(PLAIN, lambda r: 100 * (_at(r, "seen", 133) - _at(r, "seen", 42))),
        "fig5-middle-number": more(few, many, old),
        "n-survives": of(PLAIN, lambda r: old(r) - 100 * last(r.run, "unseen_attribute_accuracy")),
        "fig5-right-end": more(EIGHTH, PLAIN, old),
        "fig5-right-jump": more(EIGHTH, PLAIN, _lowest),
        "fig5-right-new": more(PLAIN, EIGHTH, finetuned),
        "p-rare": of("rare", _gained),
        "detection-after": of(PLAIN, _blurred),
        "evaluation-cost": of("default_grid", _measuring),
    }


def old(result: Result) -> float:
    """Accuracy on old people at the end, in percent."""
    return 100 * last(result.run, "seen_attribute_accuracy")


def finetuned(result: Result) -> float:
    """Accuracy on those trained on at the end, in percent."""
    return 100 * last(result.run, f"{result.run.finetune_group}_attribute_accuracy")


def _at(result: Result, group: str, step: int) -> float:
    return result.run.at(f"{group}_attribute_accuracy", step)


def _lowest(result: Result) -> float:
    steps, accuracies = result.run.curve("seen_attribute_accuracy")
    return 100 * float(accuracies[steps <= EARLY].min())


def _lost(result: Result) -> float:
    return 100 * (_at(result, "seen", 0) - last(result.run, "seen_attribute_accuracy"))


def _lost_early(result: Result) -> float:
    early = 100 * (_at(result, "seen", 0) - _at(result, "seen", 100))
    return 100 * early / _lost(result)


def _lost_before_won(result: Result) -> float:
    lost, won = (_at(result, group, EARLY) - _at(result, group, 0) for group in ("seen", "new"))
    return 100 * (-lost - won)


def _gained(result: Result) -> float:
    return finetuned(result) - 100 * _at(result, result.run.finetune_group, 0)


def _blurred(result: Result) -> float:
    aurocs = result.run.curve("unseen_auroc_top_probability")[1]
    return float(aurocs[0] - aurocs[-1])


def _measuring(result: Result) -> float:
    """Share of the run's time, the report at the end included, in percent."""
    record, report = result.run.records[-1], result.run.hallucination["seconds"]
    return 100 * (record["evaluation_seconds"] + report) / (record["seconds"] + report)
