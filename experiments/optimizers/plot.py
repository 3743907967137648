"""Figures, table and claims of this experiment, from its results and those of experiments/schedules (rare facts)."""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from matplotlib.ticker import NullFormatter, NullLocator, ScalarFormatter

from analysis.compare import compare_individuals, plateau_end
from analysis.drawing import ROLES, draw_interval, intervals_note, legend, mark_baseline, name_panels, panels
from analysis.statistics import interval_text, markdown, mean_interval
from run_directory.records import Run
from sweeps.claims import Values
from sweeps.power_laws import MEASURES, length, powers, powers_of, sensitivity
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish, ratios
from sweeps.sweep import ROOT

SIZES = (512, 1024, 2048, 4096)
# How variants begin whose people are drawn alike.
OPTIMIZERS = {
    "AdamW": "adamw",
    "Muon, .05": "muon-0.05",
    "Muon, .02": "muon-0.02",
    "Muon, .01": "muon-0.01",
    "Muon, .005": "muon-0.005",
}
ADAMW, *MUONS = OPTIMIZERS
BEST = "Muon, best rate"
# The rate wanted by few people and by many, and one that is worse for them.
RATES = ((512, "Muon, .05", "Muon, .01"), (4096, "Muon, .01", "Muon, .02"))
STYLES = {
    "AdamW": (ROLES["adamw"], "o"),
    "Muon, .05": ("#5C2E00", "s"),
    "Muon, .02": ("#9A5500", "^"),
    "Muon, .01": (ROLES["muon"], "D"),
    "Muon, .005": ("#E8B04A", "v"),
}
# On a long tail (power law with alpha 1), until about as much is known.
LONG_TAIL = {"AdamW, 1,400 steps": ("schedules", "power_law-alpha=1.0"), "Muon, 600 steps": ("optimizers", "muon-zipf")}
# The paper's fit (Fig. 2 right), for 4k to 256k people.
PAPER_EXPONENT = 0.81

COLUMNS = {name: (measure, "{:.1f}" if "exposures" in name else "{:,.0f}") for name, measure in MEASURES.items()}

# Times that a person was drawn: from, to below. Chosen after a first look at the results: exploratory.
DRAWN = {"rarest": (0, 10), "rare": (10, 40), "common": (80, np.inf)}


@dataclass(frozen=True)
class Plateau:
    """Where the runs of an optimizer and a population left their plateau.

    Attributes:
        ends: the step, by seed; the last one of a run that is still on it.
        left: whether all have left it; if not, ends are too low.
    """

    ends: dict[int, float]
    left: bool

    @classmethod
    def of(cls, results: list[Result]) -> "Plateau":
        """Measured (docs/DEFINITIONS.md)."""
        ends = by_seed(results, lambda result: plateau_end(result.run))
        last = by_seed(results, lambda result: _last_step(result.run))
        return cls({seed: last[seed] if end is None else end for seed, end in ends.items()}, None not in ends.values())


Plateaus = dict[str, dict[int, Plateau]]  # by optimizer and population


def main(folder: Path) -> None:
    """Write results/plateau_ends.png, rare_facts.png, table.md and claims.json."""
    results = {"optimizers": load_results(folder), "schedules": load_results(ROOT / "experiments" / "schedules")}
    plateaus = measured(results["optimizers"])
    long_tail = {label: [r for r in results[place] if r.variant == v] for label, (place, v) in LONG_TAIL.items()}
    runs = {label: [result.run for result in group] for label, group in long_tail.items()}
    look = dict(zip(runs, ({"color": ROLES[name]} for name in ("adamw", "muon")), strict=True))
    figures = {"plateau_ends": draw(plateaus), "rare_facts": compare_individuals(runs, look=look)}
    adamw = {n: [r for r in results["optimizers"] if r.variant == f"adamw-{n}"] for n in SIZES}
    values = claimed(plateaus) | {"length-adamw": powers_of(adamw, length)} | rare(*long_tail.values())
    ends = interval_table("AdamW, plateau's", {f"{n:,} people": rs for n, rs in adamw.items()}, COLUMNS)
    tables = "\n\n".join([table(plateaus), ends, sensitivity(adamw)])
    publish(folder, figures, tables, values)


def measured(results: list[Result]) -> Plateaus:
    """The plateaus of all optimizers and populations that were run."""
    groups = {
        name: {n: [r for r in results if r.variant == f"{prefix}-{n}"] for n in SIZES}
        for name, prefix in OPTIMIZERS.items()
    }
    return {name: {n: Plateau.of(rs) for n, rs in sizes.items() if rs} for name, sizes in groups.items()}


def _last_step(run: Run) -> float:
    return float(run.curve("seen_attribute_loss")[0][-1])


def best(plateaus: Plateaus) -> dict[int, str]:
    """Muon's rate under which the plateau of so many people ends first, in the mean."""
    left = {n: [name for name in MUONS if n in plateaus[name] and plateaus[name][n].left] for n in SIZES}
    return {n: min(names, key=lambda name: mean(plateaus[name][n].ends.values())) for n, names in left.items()}


def best_plateaus(plateaus: Plateaus) -> dict[int, Plateau]:
    """The plateaus under `best`."""
    return {n: plateaus[name][n] for n, name in best(plateaus).items()}


def exponents(sizes: dict[int, Plateau]) -> Values:
    """The power of the population that the plateau ends grow with, for each seed."""
    return powers({n: plateau.ends for n, plateau in sizes.items()})


def table(plateaus: Plateaus) -> str:
    """Mean plateau end, in steps, of each optimizer and population, as Markdown; 95% intervals over seeds."""
    rows = [[name, *(_cell(sizes.get(n)) for n in SIZES)] for name, sizes in plateaus.items()]
    return markdown(("plateau ends (step)", *(f"{n:,} people" for n in SIZES)), rows)


def _cell(plateau: Plateau | None) -> str:
    if plateau is None:
        return "–"
    if not plateau.left:
        return f"still on it after {max(plateau.ends.values()):,.0f}"
    return interval_text(list(plateau.ends.values()), "{:,.0f}")


def draw(plateaus: Plateaus):
    """Left, plateau end against population; right, how much sooner Muon is out at its best rate."""
    figure, (ends, leads) = panels(1, 2, 3.6, width_ratios=(1.5, 1))
    _draw_ends(ends, plateaus)
    _draw_leads(leads, plateaus)
    for axes in (ends, leads):
        axes.set(xscale="log", xlabel="individuals", xlim=(330, 5400))
        axes.set_xticks(SIZES)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())
            axis.set_minor_locator(NullLocator())
    name_panels((ends, leads), ("where the plateau ends (training step)", "AdamW's end / Muon's at its best rate"))
    note = "left, a point for each seed, arrows: still on the plateau, and in a gray strip all have as many individuals"
    legend(
        figure,
        f"{note}; right, numbers: that rate, {intervals_note([plateaus[ADAMW][n].ends for n in SIZES])}",
        columns=3,
    )
    return figure


def _draw_ends(axes, plateaus: Plateaus) -> None:
    """A point for each run, an arrow where runs are still on their plateau, and the power laws that fit best."""
    for n in SIZES:
        axes.axvspan(n / 1.14, n * 1.14, color="#F0F0F0", zorder=0, linewidth=0)
    beside = np.exp(np.linspace(-0.09, 0.09, len(plateaus)))  # so that points don't hide each other
    for (name, sizes), shift in zip(plateaus.items(), beside, strict=True):
        color, marker = STYLES[name]
        points = np.array([(n * shift, end) for n, p in sizes.items() if p.left for end in p.ends.values()])
        axes.plot(*points.T, marker, color=color, markersize=4, alpha=0.8, label=name.replace(", ", ", rate 0"))
        for n, plateau in sizes.items():
            if not plateau.left:
                last = max(plateau.ends.values())
                axes.errorbar(n * shift, last, 0.25 * last, lolims=True, marker=marker, markersize=4, color=color)
    fits = {ADAMW: plateaus[ADAMW], BEST: best_plateaus(plateaus)}
    for (name, sizes), color, line in zip(fits.items(), (ROLES["adamw"], ROLES["muon"]), ("-", "--"), strict=True):
        power, low, high = mean_interval(list(exponents(sizes).values()))
        points = np.log([(n, end) for n, plateau in sizes.items() for end in plateau.ends.values()])
        edges, middle = np.array([min(SIZES), max(SIZES)]), np.exp(points.mean(axis=0))
        label = f"{name}: power {power:.2f} ({low:.2f} to {high:.2f})"
        axes.plot(edges, middle[1] * (edges / middle[0]) ** power, line, color=color, linewidth=1.4, label=label)
    axes.set(yscale="log")
    axes.set_yticks([100, 200, 400, 800, 1600, 3200])


def _draw_leads(axes, plateaus: Plateaus) -> None:
    """Steps of AdamW for a step of Muon, by seed (crosses); mean and 95% interval."""
    for n, plateau in best_plateaus(plateaus).items():
        ratios = list(lead(plateaus[ADAMW][n], plateau).values())
        draw_interval(axes, n, ratios, seeds_at=n * 1.1, color=ROLES["muon"])
        axes.annotate(
            f"0{best(plateaus)[n].split(', ')[1]} ", (n, np.mean(ratios)), ha="right", va="center", fontsize=8
        )
    mark_baseline(axes, 1, "as soon")
    axes.set_ylim(0, None)


def lead(later: Plateau, sooner: Plateau) -> dict[int, float]:
    """How many times as long one plateau is, by seed."""
    return {seed: later.ends[seed] / sooner.ends[seed] for seed in sorted({*later.ends} & {*sooner.ends})}


def claimed(plateaus: Plateaus) -> dict[str, Values]:
    """What claims.yaml asks for of plateaus: Muon at its best rate against AdamW; how that rate changes with size."""
    adamw, muon = plateaus[ADAMW], best_plateaus(plateaus)
    powers = {ADAMW: exponents(adamw), BEST: exponents(muon)}
    few, many = (ratios(adamw[n].ends, muon[n].ends) for n in (min(SIZES), max(SIZES)))
    return {
        "end-adamw": powers[ADAMW],
        "end-muon": powers[BEST],
        "exponents": differences(powers[BEST], powers[ADAMW]),
        **{f"sooner-{n}": _sooner(adamw[n], muon[n]) for n in SIZES},
        "lead": differences(few, many),
        **{f"rate-{n}": _sooner(plateaus[other][n], plateaus[rate][n]) for n, rate, other in RATES},
    }


def _sooner(later: Plateau, sooner: Plateau) -> Values:
    """By how much, in percent of the later one; None where that is still on its plateau."""
    return {seed: 100 * (1 - ratio) if later.left else None for seed, ratio in ratios(sooner.ends, later.ends).items()}


def rare(adamw: list[Result], muon: list[Result]) -> dict[str, Values]:
    """Does Muon gain most on rare facts (Wang et al. 2025)? People who were drawn equally often, compared."""
    knows = [
        {name: by_seed(group, lambda result, n=name: known(result.run, *DRAWN[n])) for name in DRAWN}
        for group in (adamw, muon)
    ]
    gains = {name: differences(knows[1][name], knows[0][name]) for name in DRAWN}
    return gains | {"rare-common": differences(gains["rare"], gains["common"])}


def known(run: Run, least: int, below: float) -> float:
    """Accuracy, in percent, on the individuals that were drawn so often."""
    times, accuracies = (np.array(run.individuals[key]) for key in ("times_drawn", "attribute_accuracy"))
    return 100 * float(accuracies[(times >= least) & (times < below)].mean())
