"""Figure, table and claims of this experiment: what the plateau waits for, from its results and population's."""

from pathlib import Path

from analysis.drawing import legend, mark_baseline, n_seeds, name_panels, panels, shades
from run_directory.records import baseline
from sweeps.claims import Values
from sweeps.power_laws import draw_against, end, exposures, powers
from sweeps.results import Result, by_seed, interval_table, load_results, publish, ratios
from sweeps.sweep import ROOT

REFERENCE = 32  # the batch of experiments/population, of which people-512 are the runs
BATCHES = (8, 16, REFERENCE, 64, 128, 256)
LOSS = "seen_attribute_loss"
PANELS = {"end of the plateau (step)": end, "exposures at its end": exposures}
Groups = dict[int, list[Result]]


def main(folder: Path) -> None:
    """Write results/exposures.png, table.md and claims.json."""
    reference = [r for r in load_results(ROOT / "experiments" / "population") if r.variant == "people-512"]
    results = [*load_results(folder), *reference]
    groups = {b: [r for r in results if r.run.config["per_device_train_batch_size"] == b] for b in BATCHES}
    groups = {batch: found for batch, found in groups.items() if found}
    publish(folder, {"exposures": draw(groups)}, table(groups), measured(groups))


def draw(groups: Groups):
    """Loss against exposures, then end and exposures against the batch; a line, and a dot, for each seed."""
    figure, axes = panels(1, 3, 3)
    loss, *others = axes.flat
    for (batch, results), color in zip(groups.items(), shades(len(groups)), strict=True):
        for run in (result.run for result in results):
            steps, values = run.curve(LOSS)
            label = f"batch {batch} ({n_seeds([len(results)])})"
            read = steps * batch / run.config["n_individuals"]
            loss.plot(read, values / baseline(run), linewidth=1, label=label, color=color)
    for one, measure in zip(others, PANELS.values(), strict=True):
        draw_against(one, groups, measure, "batch (biographies)")
    mark_baseline(loss, 1)
    loss.set(xlabel="exposures (biographies of each individual)", ylim=(0.4, 1.5))
    name_panels((loss, *others), ("attribute loss / baseline", *PANELS))
    legend(figure, "a line, and a dot, for each seed", columns=3)
    return figure


def table(groups: Groups) -> str:
    """Means and 95% intervals over seeds."""
    columns = {name: (measure, "{:.1f}" if measure is exposures else "{:.0f}") for name, measure in PANELS.items()}
    return interval_table("batch", {f"{batch}": results for batch, results in groups.items()}, columns)


def measured(groups: Groups) -> dict[str, Values]:
    """What claims.yaml asks for, of the batches that were run."""
    read = {batch: by_seed(results, exposures) for batch, results in groups.items()}
    others = [batch for batch in read if batch != REFERENCE] if REFERENCE in read else []
    found = {f"batch-{batch}": ratios(read[batch], read[REFERENCE]) for batch in others}
    return found | ({"power": powers(read)} if len(read) == len(BATCHES) else {})
