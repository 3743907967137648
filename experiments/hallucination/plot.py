"""Figures, table and claims of this experiment, from results/ alone."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

from analysis.compare import plateau_end
from analysis.drawing import COLORS
from analysis.hallucination import hallucination_figure
from analysis.phases import crossings
from analysis.statistics import interval_text, markdown, mean_interval
from run_directory.records import Run, baseline, last
from sweeps.results import Result, by_seed, claim_above, load_results, publish

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
    publish(folder, figures | {"neighbors": neighbors(runs["tiny"])}, table(groups), claims(groups))


def table(groups: dict[str, list[Result]]) -> str:
    """How well each score tells seen from unseen people; mean and 95% interval over seeds."""
    rows = [
        [text, *(interval_text([auroc(result, score) for result in group], "{:.3f}") for group in groups.values())]
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


def claims(groups: dict[str, list[Result]]) -> list[dict]:
    """What the paper says of hallucination, and what is asked beyond it."""
    tiny, partly_known = groups["tiny"], groups["celebrities"]
    return [
        _claim("fig5-left", "unseen people end above the no-knowledge baseline", tiny, _excess, "nats"),
        _claim("fig5-left-together", "after the plateau their loss rises with accuracy on seen people",
               tiny, _together, "rank correlation"),
        _claim("fig5-left-onset", "their loss begins to rise (its first tenth) after the plateau has ended", tiny,
               lambda r: _onset(r) - plateau_end(r.run), "steps"),
        _claim("m-confidence", "the likeliest answer is likelier for seen people than for unseen ones", tiny,
               lambda r: 100 * _difference(r, "top_probability"), "points"),
        _claim("m-entropy", "the entropy of answers is lower for seen people", tiny,
               lambda r: -_difference(r, "entropy"), "nats"),
        _claim("calibration", "answers about unseen people are worse calibrated", tiny,
               lambda r: -100 * _difference(r, "calibration_error"), "points"),
        _claim("detection", "confidence tells seen from unseen people (AUROC above 0.5)", tiny,
               lambda r: auroc(r, "top_probability"), "AUROC", 0.5),
        _claim("detection-partly-known", "also where seen people are known in part (celebrities)", partly_known,
               lambda r: auroc(r, "top_probability"), "AUROC", 0.5),
        _claim("detection-name", "there the likelihood of the name detects better (AUROC)", partly_known,
               lambda r: auroc(r, "text_likelihood") - auroc(r, "top_probability"), ""),
        _claim("abstaining", "giving only the more confident half of answers lowers the share of wrong ones", tiny,
               lambda r: 100 * (_risk(r, 1.0) - _risk(r, 0.5)), "points"),
        _claim("neighbors", "wrong answers are true of seen people with the most similar names more often than chance",
               tiny, lambda r: 100 * _beyond_chance(r, "most_similar"), "points"),
        _claim("neighbors-first", "the first name speaks louder than the last", tiny,
               lambda r: 100 * (_beyond_chance(r, "first_name") - _beyond_chance(r, "last_name")), "points"),
    ]  # fmt: skip


def _claim(id: str, text: str, results: list[Result], measure, unit: str, above: float = 0.0) -> dict:
    return claim_above(id, text, by_seed(results, measure), unit, above=above)


def auroc(result: Result, score: str) -> float:
    """Of a score, at the end."""
    return result.run.hallucination["detectors"][score]["auroc"][0]


def _excess(result: Result) -> float:
    return last(result.run, "unseen_attribute_loss") - baseline(result.run)


def _together(result: Result) -> float:
    """Over all evaluations after the plateau."""
    steps, loss = result.run.curve("unseen_attribute_loss")
    after = steps >= plateau_end(result.run)
    return float(spearmanr(loss[after], result.run.curve("seen_attribute_accuracy")[1][after]).statistic)


def _onset(result: Result) -> float:
    """The step at which the loss of unseen people has made a tenth of its rise from the lowest to the last value."""
    steps, losses = result.run.curve("unseen_attribute_loss")
    lowest = int(losses.argmin())
    level = losses[lowest] + 0.1 * (losses[-1] - losses[lowest])
    return crossings(steps[lowest:], -losses[lowest:], -level)[0]


def _difference(result: Result, metric: str) -> float:
    return last(result.run, f"seen_{metric}") - last(result.run, f"unseen_{metric}")


def _risk(result: Result, coverage: float) -> float:
    curve = result.run.hallucination["risk_coverage"]
    return float(np.interp(coverage, curve["coverage"], curve["risk"]))


def _beyond_chance(result: Result, who: str) -> float:
    found = result.run.neighbors[who]
    return found["hits"] - found["chance"]
