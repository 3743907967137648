"""Figure, table and claims of this experiment, from its results and those of two other experiments."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.ticker import NullFormatter, ScalarFormatter

from analysis.compare import plateau_end
from analysis.drawing import COLORS, plt, save
from analysis.runs import Run
from analysis.statistics import interval_text, mean_interval
from experiments.results import Result, by_seed, claim, differences, load_results, verdict, write_claims
from experiments.sweep import ROOT

# Where everybody is drawn alike: experiment and variant, by optimiser and population.
RUNS = {
    "AdamW": {512: ("schedules", "fewer_people"), 1024: ("schedules", "uniform")},
    "Muon": {512: ("optimizers", "muon-512"), 1024: ("hallucination", "tiny"), 2048: ("optimizers", "muon-2048")},
}
# The paper's fit (Fig. 2 right), for 4k to 256k people.
PAPER_EXPONENT = 0.81

Groups = dict[str, dict[int, list[Result]]]
Ends = dict[str, dict[int, dict[int, float]]]  # by optimiser, population and seed


def main(folder: Path) -> None:
    """Write results/plateau_ends.png, table.md and claims.json."""
    groups = load_groups(folder)
    ends, unended = measured(groups, plateau_end), measured(groups, last_step)
    for optimizer, sizes in groups.items():
        for n in sizes:
            left = None not in ends[optimizer][n].values()
            (unended if left else ends)[optimizer].pop(n)
    save(draw(ends, unended), folder / "results" / "plateau_ends.png")
    (folder / "results" / "table.md").write_text(table(ends, unended) + "\n", encoding="utf-8")
    write_claims(folder, claims(ends, unended))
    print(table(ends, unended))


def measured(groups: Groups, measure: Callable[[Run], float | None]) -> Ends:
    """A number of each run."""
    return {
        name: {n: by_seed(rs, lambda r: measure(r.run)) for n, rs in sizes.items()} for name, sizes in groups.items()
    }


def last_step(run: Run) -> float:
    """Where a run ends, and where its plateau goes on if it has not left it."""
    return float(run.curve("seen_attribute_loss")[0][-1])


def load_groups(folder: Path) -> Groups:
    """The results of each optimiser and population."""
    others = {name: load_results(ROOT / "experiments" / name) for name in ("schedules", "hallucination")}
    results = others | {"optimizers": load_results(folder)}
    return {
        optimizer: {n: [r for r in results[place] if r.variant == variant] for n, (place, variant) in sizes.items()}
        for optimizer, sizes in RUNS.items()
    }


def exponents(ends: dict[int, dict[int, float]]) -> dict[int, float]:
    """The power of the population that fits the plateau ends best (least squares of logarithms), for each seed."""
    sizes = np.log(list(ends))
    seeds = sorted(set.intersection(*(set(values) for values in ends.values())))
    return {s: float(np.polyfit(sizes, np.log([values[s] for values in ends.values()]), 1)[0]) for s in seeds}


def table(ends: Ends, unended: Ends) -> str:
    """Mean plateau end, in steps, of each optimiser and population, as Markdown; 95% intervals over seeds."""
    rows = ["| optimiser | people | plateau ends (step) |", "|---|---|---|"]
    for optimizer, sizes in ends.items():
        rows += [f"| {optimizer} | {n:,} | {interval_text(list(v.values()), '{:.0f}')} |" for n, v in sizes.items()]
        rows += [f"| {optimizer} | {n:,} | after {min(v.values()):,.0f} |" for n, v in unended[optimizer].items()]
    return "\n".join(rows)


def draw(ends: Ends, unended: Ends):
    """Plateau end against population, a point for each run, with the fitted power law; an arrow where it goes on."""
    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for (optimizer, sizes), color, marker in zip(ends.items(), (COLORS[5], COLORS[4]), "os", strict=True):
        power, low, high = mean_interval(list(exponents(sizes).values()))
        points = np.array([(n, end) for n, values in sizes.items() for end in values.values()])
        label = f"{optimizer}: N to the power {power:.2f} ({low:.2f} to {high:.2f})"
        axes.plot(*points.T, marker, color=color, markersize=5, alpha=0.7, label=label)
        line = np.array([min(sizes), max(sizes)])
        middle = np.exp(np.log(points).mean(axis=0))
        axes.plot(line, middle[1] * (line / middle[0]) ** power, color=color, linewidth=1.4)
        for n, values in unended[optimizer].items():
            last = min(values.values())
            axes.errorbar(n, last, 0.3 * last, lolims=True, marker=marker, markersize=5, color=color)
            axes.annotate("still on it  ", (n, last), color=color, ha="right", va="center", fontsize="small")
    axes.set(xscale="log", yscale="log", xlabel="individuals", ylabel="plateau end (training steps)", xlim=(450, 2400))
    axes.set_xticks(sorted(set().union(*ends.values(), *unended.values())))
    axes.set_yticks([100, 200, 400, 800, 1600])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    axes.legend(fontsize="small", loc="upper left")
    return figure


def claims(ends: Ends, unended: Ends) -> list[dict]:
    """The exponents, their difference, who is out first where, and what runs that are not out at their end tell."""
    powers = {optimizer: exponents(sizes) for optimizer, sizes in ends.items()}
    return [
        *(_power(optimizer, values) for optimizer, values in powers.items()),
        _difference("exponents", "the plateau grows with a higher power of the population under Muon than under AdamW",
                    powers["Muon"], powers["AdamW"], "exponent"),
        *(_first(n, ends["AdamW"][n], ends["Muon"][n]) for n in ends["AdamW"] if n in ends["Muon"]),
        *(_first(n, ends["AdamW"][n], unended["Muon"][n], " (at most)") for n in ends["AdamW"] if n in unended["Muon"]),
        *(_at_least(n, unended["Muon"][n], ends["Muon"]) for n in unended["Muon"]),
    ]  # fmt: skip


def _first(n: int, adamw: dict[int, float], muon: dict[int, float], bound: str = "") -> dict:
    return _difference(f"end-{n}", f"Muon leaves the plateau of {n:,} people before AdamW{bound}", adamw, muon, "steps")


def _power(optimizer: str, values: dict[int, float]) -> dict:
    text = f"{optimizer}: the step at which the plateau ends grows more slowly than the population"
    _, low, high = mean_interval(list(values.values()))
    paper = PAPER_EXPONENT if optimizer == "AdamW" else None
    return claim(f"exponent-{optimizer.lower()}", text, values, "exponent", verdict(1 - high, 1 - low), paper)


def _at_least(n: int, last_steps: dict[int, float], ends: dict[int, dict[int, float]]) -> dict:
    """The power is at least that which the last steps of runs still on their plateau give."""
    before = max(ends)
    values = exponents({before: ends[before], n: last_steps})
    text = (
        f"Muon: from {before:,} to {n:,} people the plateau grows faster than the population (lower bound of the power)"
    )
    return claim(
        f"muon-{n}", text, values, "exponent", verdict(*(x - 1 for x in mean_interval(list(values.values()))[1:]))
    )


def _difference(id: str, text: str, more: dict[int, float], less: dict[int, float], unit: str) -> dict:
    values = differences(more, less)
    return claim(id, text, values, unit, verdict(*mean_interval(list(values.values()))[1:]))
