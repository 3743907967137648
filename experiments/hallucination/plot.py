"""Figures, table and claims of this experiment, from results/ alone."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.drawing import ROLES, draw_interval, intervals_note, legend, mark_baseline, n_seeds, panels
from analysis.hallucination import hallucination_figure
from analysis.phases import TOLERANCE, crossings
from analysis.statistics import SHARE, interval_text, markdown
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
    figure, axes = panels(1, 1, 3.4)
    places = np.arange(len(NEIGHBORS))
    looks = {"hits": ("of seen people who share it", ROLES["seen"]), "chance": ("of as many others", ROLES["baseline"])}
    for shift, (key, (label, color)) in zip((-0.2, 0.2), looks.items(), strict=True):
        seeds = [[run.neighbors[who][key] for run in runs] for who in NEIGHBORS]
        axes.bar(places + shift, np.mean(seeds, axis=1), 0.38, color=color, alpha=0.35, label=label)
        for place, values in zip(places, seeds, strict=True):
            draw_interval(axes, place + shift, values, SHARE, seeds_at=place + shift + 0.08, color=color)
    axes.set_xticks(places, NEIGHBORS.values())
    axes.set(xlabel="what an unseen person shares with them", ylabel="wrong answers true of somebody else", ylim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    legend(figure, f"wrong answers about unseen people that are true of others; {intervals_note([runs])}")
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
    figure, axes = panels(1, 1, 3.4)
    thresholds = np.linspace(0.02, 0.2, 37)
    for result in results:
        values = [onset(result, threshold) for threshold in thresholds]
        axes.plot(100 * thresholds, np.array(values, dtype=float), color=ROLES["unseen"], linewidth=1)
    mark_baseline(axes, 0, "both begin at the same step")
    axes.axvline(100 * TOLERANCE, color=ROLES["unchanged"], linewidth=1, label="threshold of the plateau's end")
    axes.set(xlabel="threshold, for both (% of the no-knowledge baseline)",
             ylabel="hallucination begins after knowledge\n(% of the steps until then)")  # fmt: skip
    legend(figure, f"a line for each seed, {n_seeds([len(results)])}")
    return figure


def _difference(result: Result, metric: str) -> float:
    return last(result.run, f"seen_{metric}") - last(result.run, f"unseen_{metric}")


def _risk(result: Result, coverage: float) -> float:
    curve = result.run.hallucination["risk_coverage"]
    return float(np.interp(coverage, curve["coverage"], curve["risk"]))


def _beyond_chance(result: Result, who: str) -> float:
    found = result.run.neighbors[who]
    return found["hits"] - found["chance"]
