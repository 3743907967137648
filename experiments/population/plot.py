"""Figure, table and claims of this experiment: when the plateau ends as a world grows, from its results."""

from pathlib import Path

from analysis.drawing import legend, mark_baseline, n_seeds, name_panels, panels, shades
from run_directory.records import baseline
from sweeps.claims import Values
from sweeps.power_laws import draw_against, end, exposures, length, powers_of, sensitivity
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
    figure, axes = panels(2, 2, 5)
    loss, *others = axes.flat
    for n, color in zip(groups, shades(len(groups)), strict=True):
        for run in (result.run for result in groups[n]):
            steps, values = run.curve(LOSS)
            label = f"{n:,} individuals ({n_seeds([len(groups[n])])})"
            loss.plot(steps, values / baseline(run), linewidth=1, label=label, color=color)
    mark_baseline(loss, 1)
    loss.set(xlabel="training step", ylim=(0.4, 1.5))
    for one, measure in zip(others, PANELS.values(), strict=True):
        draw_against(one, groups, measure, "individuals")
    name_panels((loss, *others), ("attribute loss / baseline", *PANELS))
    legend(figure, "a line, and a dot, for each seed", columns=3)
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
