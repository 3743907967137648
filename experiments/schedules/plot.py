"""Figures, table and claims of this experiment, from results/ alone."""

from pathlib import Path

from analysis.compare import compare_curves, compare_individuals, compare_table, last, plateau_end
from sweeps.results import Result, by_seed, claim_above, differences, load_results, publish

# The variants of the figures; the table has all of them.
SHOWN = {
    "uniform": "uniform",
    "power_law-alpha=0.7": "power law, α = 0.7",
    "celebrities": "celebrities",
    "warm_up-epochs_warmup=8": "fixed warm-up, 8 epochs",
    "adaptive-share_adaptive=0.6": "adaptive warm-up",
    "gradual": "gradual growth",
}
# Everybody drawn alike, as in the paper, and what else experiments/fast found.
REGULAR = {
    "uniform": "uniform",
    "even_draws": "quasi-random",
    "light_text": "template tokens down-weighted",
    "even_draws_and_light_text": "quasi-random, template tokens down-weighted",
}


def main(folder: Path) -> None:
    """Write results/*.png, table.md and claims.json."""
    results = load_results(folder)
    variants = list(dict.fromkeys(result.variant for result in results))
    groups = {variant: [r.run for r in results if r.variant == variant] for variant in variants}
    shown, regular = ({label: groups[v] for v, label in some.items() if v in groups} for some in (SHOWN, REGULAR))
    figures = {
        "learning_curves": compare_curves(shown),
        "regular": compare_curves(regular),
        "individuals": compare_individuals(shown),
    }
    table = compare_table({REGULAR.get(variant, variant): runs for variant, runs in groups.items()})
    publish(folder, figures, table, claims(results))


def claims(results: list[Result]) -> list[dict]:
    """What was expected, each as a difference between variants, paired by seed."""
    power, warm = (_best(results, prefix) for prefix in ("power_law", "warm_up"))
    adaptive = "adaptive-share_adaptive=0.6"
    return [
        _claim(results, "fig4-left", f"{power} leaves the plateau before uniform", "uniform", power, end, "steps"),
        _claim(results, "fig4-right-power-law", f"{power} leaves more knowledge than uniform", power, "uniform"),
        _claim(results, "fig4-right-warm-up", f"{warm} leaves more than {power}", warm, power),
        _claim(results, "celebrities", "celebrities leave more than uniform", "celebrities", "uniform"),
        _claim(results, "adaptive", f"the adaptive warm-up leaves more than {warm}", adaptive, warm),
        _claim(results, "adaptive-uniform", "the adaptive warm-up leaves more than uniform", adaptive, "uniform"),
        _claim(results, "gradual", f"gradual growth leaves more than {warm}", "gradual", warm),
        _claim(results, "e2-control", f"{warm} knows more people than half the population, uniformly", warm,
               "fewer_people", known, paper="94.92% of 128k people against 63.26%"),
        _claim(results, "e2-control-gradual", "gradual growth knows more people than half the population, uniformly",
               "gradual", "fewer_people", known),
        _claim(results, "quasi-random", "drawn quasi-randomly AdamW learns more than at random", "even_draws",
               "uniform"),
        _claim(results, "template-weight", "AdamW learns more with template tokens down-weighted to a tenth",
               "light_text", "uniform"),
        _claim(results, "template-weight-end", "with template tokens down-weighted it leaves the plateau sooner",
               "uniform", "light_text", end, "steps"),
        _claim(results, "quasi-random-template-weight", "with both it learns more than with down-weighting alone",
               "even_draws_and_light_text", "light_text"),
    ]  # fmt: skip


def _claim(results, id: str, text: str, more: str, less: str, measure=None, unit: str = "points", paper=None) -> dict:
    values = [by_seed((r for r in results if r.variant == variant), measure or accuracy) for variant in (more, less)]
    return claim_above(id, text, differences(*values), unit, paper)


def accuracy(result: Result) -> float:
    """Final attribute accuracy of seen people, in percent."""
    return 100 * last(result.run, "seen_attribute_accuracy")


def known(result: Result) -> float:
    """The same as a share of the largest population of the sweep."""
    return accuracy(result) * result.run.config["n_individuals"] / 1024


def end(result: Result) -> float:
    """Where the plateau ends, in steps."""
    return plateau_end(result.run)


def _best(results: list[Result], prefix: str) -> str:
    """The variant with the highest mean accuracy; chosen on the same runs that are then compared."""
    accuracies: dict[str, list[float]] = {}
    for result in results:
        if result.variant.startswith(prefix):
            accuracies.setdefault(result.variant, []).append(accuracy(result))
    return max(accuracies, key=lambda variant: sum(accuracies[variant]) / len(accuracies[variant]))
