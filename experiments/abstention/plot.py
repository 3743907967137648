"""Figure, table and claims of this experiment, from results/ alone."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.drawing import draw_runs, label_x, legend, name_panels, panels, seeds_note, style
from run_directory.records import last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish

VARIANTS = {"none": "no invented people", "few": "1 of 32 biographies", "more": "1 of 8 biographies"}
PERCENT = (0.0, 100.0)
Groups = dict[str, list[Result]]


def main(folder: Path) -> None:
    """Write results/abstention.png, table.md and claims.json."""
    results = load_results(folder)
    groups = {variant: [r for r in results if r.variant == variant] for variant in VARIANTS}
    groups = {variant: found for variant, found in groups.items() if found}
    publish(folder, {"abstention": draw(groups)}, table(groups), measured(groups))


def draw(groups: Groups):
    """Knowledge, and what is said to be unknown about seen and unseen people, over training."""
    figure, axes = panels(1, 3, 3.2, sharey=True)
    keys = ("seen_attribute_accuracy", "seen_abstained", "unseen_abstained")
    for one, key in zip(axes.flat, keys, strict=True):
        for number, (variant, results) in enumerate(groups.items()):
            runs = [result.run for result in results]
            if len(runs[0].curve(key)[0]):
                draw_runs(one, runs, key, label=VARIANTS[variant], **style(number))
        label_x(one, [next(iter(groups.values()))[0].run])
        one.set(ylim=(-0.02, 1.02))
        one.yaxis.set_major_formatter(PercentFormatter(1))
    name_panels(axes.flat, ("accuracy on seen people", "said to be unknown: seen", "said to be unknown: unseen"))
    legend(figure, seeds_note(groups.values()))
    return figure


def table(groups: Groups) -> str:
    """Means and 95% intervals over seeds."""
    names = {VARIANTS[variant]: results for variant, results in groups.items()}
    abstains = {VARIANTS[variant]: groups[variant] for variant in ("few", "more") if variant in groups}
    columns = {
        "unknown, seen": (lambda r: 100 * last(r.run, "seen_abstained"), "{:.1f}%", PERCENT),
        "unknown, unseen": (lambda r: 100 * last(r.run, "unseen_abstained"), "{:.1f}%", PERCENT),
        "wrong, of the answers given": (lambda r: 100 * _risk(r), "{:.1f}%", PERCENT),
    }
    known = interval_table("invented", names, {"accuracy on seen": (_known, "{:.1f}%", PERCENT)})
    return known + ("\n\n" + interval_table("invented", abstains, columns) if abstains else "")


def measured(groups: Groups) -> dict[str, Values]:
    """What claims.yaml asks for, of the variants that were run."""
    found: dict[str, Values] = {}
    if "few" not in groups:
        return found
    said = {name: by_seed(groups[name], _said("unseen")) for name in ("few", "more") if name in groups}
    found |= {"unseen": said["few"], "seen": by_seed(groups["few"], _said("seen"))}
    if "more" in groups:
        found["more"] = differences(said["more"], said["few"])
    if "none" in groups:
        found["costs"] = differences(*(by_seed(groups[name], _known) for name in ("few", "none")))
        given = {result.seed: _coverage(result) for result in groups["few"]}
        plain = [result for result in groups["none"] if result.seed in given]
        risks = by_seed(plain, lambda r: 100 * _risk_at(r, given[r.seed]))
        found["better-than-threshold"] = differences(risks, by_seed(groups["few"], lambda r: 100 * _risk(r)))
    return found


def _known(result: Result) -> float:
    return 100 * last(result.run, "seen_attribute_accuracy")


def _said(group: str):
    return lambda result: 100 * last(result.run, f"{group}_abstained")


def _coverage(result: Result) -> float:
    """Share of the answers that are given, about equally many seen and unseen people."""
    return 1 - (last(result.run, "seen_abstained") + last(result.run, "unseen_abstained")) / 2


def _risk(result: Result) -> float | None:
    """Share of these that are wrong; None where none is given."""
    right = (last(result.run, "seen_attribute_accuracy") + last(result.run, "unseen_attribute_accuracy")) / 2
    return 1 - right / given if (given := _coverage(result)) else None


def _risk_at(result: Result, coverage: float) -> float:
    """Of a model that gives the answers it is most confident of."""
    curve = result.run.hallucination["risk_coverage"]
    return float(np.interp(coverage, curve["coverage"], curve["risk"]))
