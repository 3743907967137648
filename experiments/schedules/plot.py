"""Figures, table and claims of this experiment, from results/ alone."""

from pathlib import Path

from analysis.compare import compare_curves, compare_individuals, compare_table, last, plateau_end
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, load_results, publish, ratios

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
    publish(folder, figures, table, measured(results))


def measured(results: list[Result]) -> dict[str, Values]:
    """What claims.yaml asks for, paired by seed."""
    power, warm, adaptive = "power_law-alpha=0.7", "warm_up-epochs_warmup=8", "adaptive-share_adaptive=0.6"

    def more(variant: str, other: str, measure=accuracy) -> Values:
        return differences(*(by_seed((r for r in results if r.variant == v), measure) for v in (variant, other)))

    def sooner(variant: str) -> Values:
        ends = (by_seed((r for r in results if r.variant == v), end) for v in (variant, "uniform"))
        return {seed: None if ratio is None else 100 * (1 - ratio) for seed, ratio in ratios(*ends).items()}

    return {
        "fig4-left": sooner(power),
        "fig4-right-power-law": more(power, "uniform"),
        "fig4-right-warm-up": more(warm, power),
        "celebrities": more("celebrities", "uniform"),
        "e2-control": more(warm, "fewer_people", known),
        "adaptive": more(adaptive, warm),
        "adaptive-uniform": more(adaptive, "uniform"),
        "gradual": more("gradual", warm),
        "e2-control-gradual": more("gradual", "fewer_people", known),
        "quasi-random": more("even_draws", "uniform"),
        "template-weight": more("light_text", "uniform"),
        "template-weight-end": sooner("light_text"),
        "quasi-random-template-weight": more("even_draws_and_light_text", "light_text"),
    }


def accuracy(result: Result) -> float:
    """Final attribute accuracy of seen people, in percent."""
    return 100 * last(result.run, "seen_attribute_accuracy")


def known(result: Result) -> float:
    """The same as a share of the largest population of the sweep."""
    return accuracy(result) * result.run.config["n_individuals"] / 1024


def end(result: Result) -> float:
    """Where the plateau ends, in steps."""
    return plateau_end(result.run)
