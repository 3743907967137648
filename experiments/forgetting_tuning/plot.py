"""Which trial of each method is chosen, by the rule of README.md; from results/ alone."""

from collections.abc import Iterable
from pathlib import Path

from analysis.finetuning import Point, between, kept, passed
from analysis.statistics import PERCENT, interval_text, markdown
from sweeps.results import Result, load_results, publish

KNOWN = 0.9  # of the new
BETWEEN = "between"  # the method whose points are those of `plain` between old and new weights


def main(folder: Path) -> None:
    """Write results/table.md. It makes no claims: settings are chosen here, for experiments/forgetting."""
    publish(folder, {}, table(load_results(folder)), {})


def trials(results: Iterable[Result]) -> dict[str, dict[str, list[Result]]]:
    """The runs of each trial, by method and variant."""
    found: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        method = result.variant.split("-")[0]
        for name in (method, BETWEEN) if method == "plain" else (method,):
            found.setdefault(name, {}).setdefault(result.variant, []).append(result)
    return found


def score(method: str, of_trial: list[Result]) -> tuple[float, float]:
    """What decides: the most of the old that is kept where 90% of the new is known, 0 of a seed that never came so far;
    of equals, how much of the new is known at the end. Means over seeds.
    """
    values = [kept(_points(method, result), KNOWN) or 0.0 for result in of_trial]
    ends = [passed(result.run)[-1][0] for result in of_trial]
    return sum(values) / len(values), sum(ends) / len(ends)


def _points(method: str, result: Result) -> list[Point]:
    return between(result.run) if method == BETWEEN else passed(result.run)


def chosen(results: Iterable[Result]) -> dict[str, dict]:
    """The settings of the best trial of each method; the first of equals."""
    best = {}
    for method, of_method in trials(results).items():
        variant = max(of_method, key=lambda variant, of=of_method, name=method: score(name, of[variant]))
        best[method] = of_method[variant][0].settings
    return best


def table(results: Iterable[Result]) -> str:
    """What each trial comes to."""
    results, rows = list(results), []
    best = chosen(results)
    for method, of_method in trials(results).items():
        for variant, of_trial in of_method.items():
            at_known = [kept(_points(method, result), KNOWN) for result in of_trial]
            old = interval_text([value and 100 * value for value in at_known], "{:.1f}%", PERCENT)
            new = interval_text([100 * passed(result.run)[-1][0] for result in of_trial], "{:.1f}%", PERCENT)
            tuned = variant.partition("-")[2]
            taken = "chosen" if of_trial[0].settings == best[method] else ""
            rows.append([method, tuned, old, new, taken])
    return markdown(("method", "trial", f"old, where {KNOWN:.0%} of the new are known", "new, end", ""), rows)
