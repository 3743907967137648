"""Figure, table and claims of this experiment: when the plateau ends as a world grows, from its results."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter, ScalarFormatter

from analysis.drawing import style
from analysis.phases import phases_of
from run_directory.records import baseline
from sweeps.results import Result, by_seed, claim_within, interval_table, load_results, publish

SIZES = (512, 1024, 2048, 4096)
LOSS = "seen_attribute_loss"
# The paper's fit, for 4k to 256k individuals and batches of 128 (Fig. 2 right): steps to the end of the plateau.
PAPER_FACTOR, PAPER_EXPONENT, PAPER_BATCH = 0.43, 0.81, 128
Groups = dict[int, list[Result]]


def main(folder: Path) -> None:
    """Write results/population.png, table.md and claims.json; claims once every size has been run."""
    results = load_results(folder)
    groups = {n: [r for r in results if r.run.config["n_individuals"] == n] for n in SIZES}
    groups = {n: found for n, found in groups.items() if found}
    publish(folder, {"population": draw(groups)}, table(groups), claims(groups) if len(groups) == len(SIZES) else [])


def end(result: Result) -> float | None:
    """The step at which the plateau ends."""
    return phases_of(result.run).plateau_end


def length(result: Result) -> float | None:
    """Steps from its beginning to its end."""
    return phases_of(result.run).plateau_length


def exposures(result: Result) -> float | None:
    """Biographies of an individual read when the plateau ends."""
    step = end(result)
    return None if step is None else result.run.at("biographies", step) / result.run.config["n_individuals"]


MEASURES = {"end of the plateau (step)": end, "its length (steps)": length, "exposures at its end": exposures}


def draw(groups: Groups):
    """Loss over training, then each measure against the number of individuals; a dot for each seed."""
    figure, (loss, *others) = plt.subplots(1, 4, figsize=(14, 3.6), layout="constrained")
    for number, (n, results) in enumerate(groups.items()):
        for result in results:
            steps, values = result.run.curve(LOSS)
            label = f"{n:,} (n = {len(results)} seed{'s' * (len(results) > 1)})" if result is results[0] else None
            loss.plot(steps, values / baseline(result.run), linewidth=1, label=label, **style(number))
    loss.axhline(1, color="gray", linestyle=":", linewidth=1.2)
    loss.set(xlabel="training step", ylabel="attribute loss / baseline", ylim=(0.4, 1.5))
    loss.legend(title="individuals", fontsize="small")
    for axes, (name, measure) in zip(others, MEASURES.items(), strict=True):
        points = [(n, measure(result)) for n, results in groups.items() for result in results]
        axes.plot(*zip(*[point for point in points if point[1]], strict=True), "o", color="#0072B2", mfc="none")
        axes.set(xscale="log", yscale="log", xlabel="individuals", ylabel=name)
        axes.set_xticks([*groups], [f"{n:,}" for n in groups])
        axes.xaxis.set_minor_formatter(NullFormatter())
        for formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            formatter(ScalarFormatter())
    return figure


def table(groups: Groups) -> str:
    """Means and 95% intervals over seeds."""
    columns = {name: (measure, "{:.1f}" if measure is exposures else "{:.0f}") for name, measure in MEASURES.items()}
    return interval_table("individuals", {f"{n:,}": results for n, results in groups.items()}, columns)


def exponents(groups: Groups, measure) -> dict[int, float]:
    """The power of the number of individuals that a measure grows with (least squares of logarithms), by seed."""
    values = {n: by_seed(results, measure) for n, results in groups.items()}
    seeds = [s for s in sorted(set.intersection(*map(set, values.values()))) if all(v[s] for v in values.values())]
    return {s: float(np.polyfit(np.log([*values]), np.log([v[s] for v in values.values()]), 1)[0]) for s in seeds}


def claims(groups: Groups) -> list[dict]:
    """Those of claims.yaml."""
    largest = SIZES[-1]
    law = PAPER_FACTOR * largest**PAPER_EXPONENT * PAPER_BATCH / largest  # exposures
    by_law = {seed: value / law for seed, value in by_seed(groups[largest], exposures).items() if value}
    within = PAPER_EXPONENT - 0.2, PAPER_EXPONENT + 0.2
    return [
        claim_within("end", "the plateau's end grows as the paper's power of the number of individuals, to within 0.2",
                     exponents(groups, end), *within, "(exponent)", paper=PAPER_EXPONENT),
        claim_within("length", "its length grows in proportion to the number of individuals, to within 0.2 of the "
                     "exponent", exponents(groups, length), 0.8, 1.2, "(exponent)"),
        claim_within("exposures", "it ends after a number of exposures that does not depend on the number of "
                     "individuals, to within 0.2 of the exponent", exponents(groups, exposures), -0.2, 0.2,
                     "(exponent)", paper=PAPER_EXPONENT - 1),
        claim_within("law", "with 4,096 individuals it ends after as many exposures as the paper's law says, within a "
                     "factor of 1.5 (exploratory)", by_law, 0.67, 1.5, "times"),
    ]  # fmt: skip
