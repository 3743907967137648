"""Figures, table and claims of this experiment, from results/ alone."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from analysis.drawing import COLORS
from analysis.hallucination import hallucination_figure
from analysis.phases import TOLERANCE, crossings
from analysis.statistics import interval_text, markdown, mean_interval
from run_directory.records import Run, baseline, last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, load_results, publish

SCORES = {
    "text_likelihood": "likelihood of the text (that is, of the name)",
    "top_probability": "probability of the likeliest answer",
    "log_top_probability": "its logarithm",
    "margin": "its distance to the second",
    "entropy": "entropy of the answer",
    "least_top_probability": "probability, at the least sure answer",
    "logit_mass": "sum of exponentiated logits",
}
NEIGHBORS = {
    "most_similar": "most parts of the name", "first_name": "first name", "middle_name": "middle name",
    "last_name": "last name",
}  # fmt: skip


def main(folder: Path) -> None:
    """Write results/*.png, table.md and claims.json."""
    results = load_results(folder)
    groups = {variant: [r for r in results if r.variant == variant] for variant in ("tiny", "celebrities")}
    runs = {variant: [result.run for result in group] for variant, group in groups.items()}
    figures = {variant: hallucination_figure(group) for variant, group in runs.items()}
    figures |= {"neighbors": neighbors(runs["tiny"]), "onset": onsets(groups["tiny"])}
    publish(folder, figures, table(groups), measured(groups))


def table(groups: dict[str, list[Result]]) -> str:
    """How well each score tells seen from unseen people; mean and 95% interval over seeds."""
    rows = [
        [
            text,
            *(interval_text([auroc(result, score) for result in group], "{:.3f}", (0, 1)) for group in groups.values()),
        ]
        for score, text in SCORES.items()
    ]
    return markdown(["seen or unseen? AUROC by", *groups], rows)


def neighbors(runs: list[Run]):
    """Wrong answers about unseen people that are true of seen ones who share a part of the name, and chance."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    places = np.arange(len(NEIGHBORS))
    for shift, (key, label) in enumerate((("hits", "of these people"), ("chance", "of as many others"))):
        values = [mean_interval([100 * run.neighbors[n][key] for run in runs]) for n in NEIGHBORS]
        means, lows, highs = np.array(values).T
        axes.bar(places + 0.4 * shift - 0.2, means, 0.38, color=(COLORS[5], COLORS[1])[shift], label=label)
        axes.errorbar(places + 0.4 * shift - 0.2, means, (means - lows, highs - means), color="black", fmt="none")
    axes.set_xticks(places, NEIGHBORS.values())
    axes.set(xlabel="seen people who share", ylabel="wrong answers that are true (%)", ylim=(0, 100))
    axes.legend()
    return figure


def measured(groups: dict[str, list[Result]]) -> dict[str, Values]:
    """What claims.yaml asks for."""
    tiny, partly_known = groups["tiny"], groups["celebrities"]
    measures = {
        "fig5-left": _excess,
        "onset": onset,
        "m-confidence": lambda r: 100 * _difference(r, "top_probability"),
        "m-entropy": lambda r: -_difference(r, "entropy"),
        "detection": lambda r: auroc(r, "top_probability"),
        "calibration": lambda r: -100 * _difference(r, "calibration_error"),
        "abstaining": lambda r: 100 * (_risk(r, 1.0) - _risk(r, 0.5)),
        "neighbors": lambda r: 100 * _beyond_chance(r, "most_similar"),
        "neighbors-first": lambda r: 100 * (_beyond_chance(r, "first_name") - _beyond_chance(r, "last_name")),
    }
    return {id: by_seed(tiny, measure) for id, measure in measures.items()} | {
        "detection-partly-known": by_seed(partly_known, lambda r: auroc(r, "top_probability")),
        "detection-name": by_seed(partly_known, lambda r: auroc(r, "text_likelihood") - auroc(r, "top_probability")),
    }


def auroc(result: Result, score: str) -> float:
    """Of a score, at the end."""
    return result.run.hallucination["detectors"][score]["auroc"][0]


def _excess(result: Result) -> float:
    return last(result.run, "unseen_attribute_loss") - baseline(result.run)


def onset(result: Result, threshold: float = TOLERANCE) -> float | None:
    """When hallucination begins against when knowledge begins, in percent of the steps until then: negative if sooner.

    The loss of unseen people has then risen from its lowest value by as much as that of seen people has fallen below
    the baseline, `threshold` of the baseline; None if a run does not come so far.
    """
    run = result.run
    steps, unseen = run.curve("unseen_attribute_loss")
    lowest, rise = int(unseen.argmin()), threshold * baseline(run)
    risen = crossings(steps[lowest:], -unseen[lowest:], -(unseen[lowest] + rise))[:1]
    fallen = crossings(*run.curve("seen_attribute_loss"), baseline(run) - rise)[-1:]
    return 100 * (risen[0] / fallen[0] - 1) if risen and fallen else None


def onsets(results: list[Result]):
    """`onset` at many equal thresholds; a line for each seed."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    thresholds = np.linspace(0.02, 0.2, 37)
    for number, result in enumerate(results):
        label = f"n = {len(results)} seeds" if number == 0 else None
        values = [onset(result, threshold) for threshold in thresholds]
        axes.plot(100 * thresholds, np.array(values, dtype=float), color=COLORS[4], linewidth=1, label=label)
    axes.axhline(0, color="gray", linestyle=":", linewidth=1.2)
    axes.axvline(100 * TOLERANCE, color="gray", linewidth=0.8)
    axes.set(xlabel="threshold, for both (% of the no-knowledge baseline)",
             ylabel="hallucination begins after knowledge\n(% of the steps until then)")  # fmt: skip
    axes.legend()
    return figure


def _difference(result: Result, metric: str) -> float:
    return last(result.run, f"seen_{metric}") - last(result.run, f"unseen_{metric}")


def _risk(result: Result, coverage: float) -> float:
    curve = result.run.hallucination["risk_coverage"]
    return float(np.interp(coverage, curve["coverage"], curve["risk"]))


def _beyond_chance(result: Result, who: str) -> float:
    found = result.run.neighbors[who]
    return found["hits"] - found["chance"]
