"""Figure, table and claims of this experiment: what each rung of the ladder is worth, from its results."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.drawing import GROUP_STYLES, ROLES, legend, mark_baseline, mark_plateau, n_seeds, panels
from analysis.phases import phases_of, slowdown
from analysis.statistics import PERCENT
from run_directory.records import Run, baseline, last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, interval_table, load_results, publish, ratios

WORLDS = {"tiny": 2, "pocket": 4, "small": 4}  # and how many layers the model has
LOSS, ACCURACY, UNSEEN = "seen_attribute_loss", "seen_attribute_accuracy", "unseen_attribute_loss"
Groups = dict[str, list[Result]]


def main(folder: Path) -> None:
    """Write results/worlds.png, table.md and claims.json."""
    results = load_results(folder)
    groups = {world: [r for r in results if r.variant == world] for world in WORLDS}
    groups = {world: found for world, found in groups.items() if found}
    publish(folder, {"worlds": draw(groups)}, table(groups), measured(groups))


def draw(groups: Groups):
    """A column for each world: loss, accuracy and attention over training; a line for each seed."""
    figure, grid = panels(3, len(groups), 6.4, sharey="row", squeeze=False)
    looks = {
        "values to names, last layer (extraction)": {"color": ROLES["value"], "linewidth": 1},
        "name grouping, layer 1": {"color": ROLES["name"], "linewidth": 1, "linestyle": "--"},
    }
    for (world, results), (loss, accuracy, attention) in zip(groups.items(), grid.T, strict=True):
        for run in (result.run for result in results):
            for group in ("seen", "unseen"):
                how = GROUP_STYLES[group] | {"linewidth": 1}
                steps, values = run.curve(f"{group}_attribute_loss")
                loss.plot(steps, values / baseline(run), **how)
                accuracy.plot(*run.curve(f"{group}_attribute_accuracy"), **how)
            for key, (label, how) in zip((extraction(world), "layer_1_name_grouping"), looks.items(), strict=True):
                attention.plot(*run.curve(key), label=label, **how)
        starts, ends = zip(*(plateau(result.run) for result in results), strict=True)
        for axes in (loss, accuracy, attention):
            mark_plateau(axes, np.median(starts), np.median(ends))
        mark_baseline(loss, 1)
        loss.set_title(f"{world} ({n_seeds([len(results)])})", fontsize=9.5)
        loss.set_ylim(0, 1.6)
        accuracy.yaxis.set_major_formatter(PercentFormatter(1))
        accuracy.set_ylim(0, 1.02)
        attention.set(xlabel="training step", ylim=(0, 1))
    for axes, label in zip(grid[:, 0], ("attribute loss / baseline", "attribute accuracy", "attention"), strict=True):
        axes.set_ylabel(label)
    legend(figure, "a line for each seed; plateau: median over seeds")
    return figure


def table(groups: Groups) -> str:
    """What each world is worth; means and 95% intervals over seeds."""
    columns = {
        "plateau begins (step)": (lambda r: phases_of(r.run).plateau_start, "{:.0f}"),
        "ends": (lambda r: phases_of(r.run).plateau_end, "{:.0f}"),
        "exposures at its end": (exposures, "{:.1f}"),
        "slowdown": (flatness, "{:.1f}"),
        "unseen above baseline, mid-plateau (nats)": (above_baseline, "{:.2f}"),
        "rise of extraction before its end": (lambda r: before_the_end(r), "{:.0f}%"),
        "name grouping, layer 1, gained by then (points)": (lambda r: grouped(r, [1]), "{:.0f}"),
        "in any layer": (lambda r: grouped(r), "{:.0f}"),
        "known at the end": (lambda r: 100 * last(r.run, ACCURACY), "{:.0f}%", PERCENT),
    }
    return interval_table("world", groups, columns)


def plateau(run: Run) -> tuple[float, float]:
    """Where it begins and ends; at the end of the run, if it lasts so long."""
    phases, end = phases_of(run), run.curve(LOSS)[0][-1]
    return tuple(end if edge is None else edge for edge in (phases.plateau_start, phases.plateau_end))


def extraction(world: str) -> str:
    """Attention from where values are predicted to names, in the last layer."""
    return f"layer_{WORLDS[world]}_value_to_name"


def exposures(result: Result) -> float:
    """Biographies of an individual read when the plateau ends."""
    return result.run.at("biographies", plateau(result.run)[1]) / result.run.config["n_individuals"]


def flatness(result: Result) -> float | None:
    """The plateau's slowdown (docs/DEFINITIONS.md)."""
    return slowdown(*result.run.curve(LOSS), baseline(result.run))


def above_baseline(result: Result) -> float:
    """Loss of unseen individuals above the baseline, half-way along the plateau, in nats."""
    return result.run.at(UNSEEN, sum(plateau(result.run)) / 2) - baseline(result.run)


def before_the_end(result: Result) -> float:
    """Percent of the rise of extraction, from its lowest value on, that has happened when the plateau ends."""
    _, values = result.run.curve(extraction(result.variant))
    at_end = result.run.at(extraction(result.variant), plateau(result.run)[1])
    return float(100 * (at_end - values.min()) / (values[-1] - values.min()))


def grouped(result: Result, layers=None) -> float:
    """Name grouping at the end of the plateau less that at step 0, in points; the largest of the layers."""
    layers, end = layers or range(1, WORLDS[result.variant] + 1), plateau(result.run)[1]
    keys = [f"layer_{layer}_name_grouping" for layer in layers]
    return max(100 * (result.run.at(key, end) - result.run.at(key, 0)) for key in keys)


def measured(groups: Groups) -> dict[str, Values]:
    """What claims.yaml asks for, of the worlds that were run."""
    small, tiny, pocket = (groups.get(world, []) for world in ("small", "tiny", "pocket"))
    return {
        "flat": by_seed(small, lambda r: np.subtract(*plateau(r.run)[::-1])),
        "flatter-than-tiny": ratios(by_seed(small, flatness), by_seed(tiny, flatness)),
        "unseen-at-baseline": by_seed(small, above_baseline),
        "extraction-on-plateau": by_seed(small, before_the_end),
        "grouping": by_seed(small, lambda r: grouped(r, [1])),
        "grouping-anywhere": by_seed(small, grouped),
        "exposures": ratios(by_seed(small, exposures), by_seed(pocket, exposures)),
    }
