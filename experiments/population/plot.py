"""Figure, table and claims of this experiment: when the plateau ends as a world grows, from its results."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter, ScalarFormatter

from analysis.drawing import style
from run_directory.records import baseline
from sweeps.claims import Values
from sweeps.power_laws import end, exposures, length, powers_of, sensitivity
from sweeps.results import Result, by_seed, interval_table, load_results, publish

SIZES = (512, 1024, 2048, 4096)
LOSS = "seen_attribute_loss"
PANELS = {"end of the plateau (step)": end, "its length (steps)": length, "exposures at its end": exposures}
# The paper's fit, for 4k to 256k individuals and batches of 128 (Fig. 2 right): steps to the end of the plateau.
PAPER_FACTOR, PAPER_EXPONENT, PAPER_BATCH = 0.43, 0.81, 128
Groups = dict[int, list[Result]]


def main(folder: Path) -> None:
    """Write results/population.png, table.md and claims.json; claims once every size has been run."""
    results = load_results(folder)
    groups = {n: [r for r in results if r.run.config["n_individuals"] == n] for n in SIZES}
    groups = {n: found for n, found in groups.items() if found}
    publish(folder, {"population": draw(groups)}, table(groups), measured(groups))


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
    for axes, (name, measure) in zip(others, PANELS.items(), strict=True):
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
    columns = {name: (measure, "{:.1f}" if measure is exposures else "{:.0f}") for name, measure in PANELS.items()}
    intervals = interval_table("individuals", {f"{n:,}": results for n, results in groups.items()}, columns)
    return f"{intervals}\n\n{sensitivity(groups)}" if len(groups) == len(SIZES) else intervals


def measured(groups: Groups) -> dict[str, Values]:
    """What claims.yaml asks for, once every size has been run."""
    if len(groups) < len(SIZES):
        return {}
    law = PAPER_FACTOR * SIZES[-1] ** PAPER_EXPONENT * PAPER_BATCH / SIZES[-1]  # exposures
    measures = {"end": end, "length": length, "exposures": exposures}
    found = {id: powers_of(groups, measure) for id, measure in measures.items()}
    return found | {"law": {s: value and value / law for s, value in by_seed(groups[SIZES[-1]], exposures).items()}}
