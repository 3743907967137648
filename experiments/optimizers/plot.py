"""Figures, table and claims of this experiment, from its results and those of two other experiments."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.ticker import NullFormatter, ScalarFormatter

from analysis.compare import compare_individuals, plateau_end
from analysis.drawing import COLORS, plt, save
from analysis.runs import Run
from analysis.statistics import interval_text, markdown, mean_interval
from experiments.results import Result, by_seed, claim, claim_above, differences, load_results, verdict, write_claims
from experiments.sweep import ROOT

# Where everybody is drawn alike: experiment and variant, by optimiser and population.
RUNS = {
    "AdamW": {512: ("schedules", "fewer_people"), 1024: ("schedules", "uniform")},
    "Muon, .05": {512: ("optimizers", "muon-512"), 1024: ("hallucination", "tiny"), 2048: ("optimizers", "muon-2048")},
    "Muon, .02": {n: ("optimizers", f"muon-{n}-lower") for n in (512, 1024, 2048)},
}
# On a long tail (power law with alpha 1), until about as much is known.
LONG_TAIL = {
    "AdamW, 1,400 steps": ("schedules", "power_law-alpha=1.0"),
    "Muon, 600 steps": ("optimizers", "muon-zipf"),
}
# The paper's fit (Fig. 2 right), for 4k to 256k people.
PAPER_EXPONENT = 0.81

# Times that a person was drawn: from, to below. Chosen after a first look at the results: exploratory.
DRAWN = {"rarest": (0, 10), "rare": (10, 40), "common": (80, np.inf)}

Groups = dict[str, dict[int, list[Result]]]
Ends = dict[str, dict[int, dict[int, float]]]  # by optimiser, population and seed


def main(folder: Path) -> None:
    """Write results/plateau_ends.png, rare_facts.png, table.md and claims.json."""
    groups, long_tail = load_groups(folder)
    ends, unended = measured(groups, plateau_end), measured(groups, last_step)
    for optimizer, sizes in groups.items():
        for n in sizes:
            left = None not in ends[optimizer][n].values()
            (unended if left else ends)[optimizer].pop(n)
    save(draw(ends, unended), folder / "results" / "plateau_ends.png")
    (folder / "results" / "table.md").write_text(table(ends, unended) + "\n", encoding="utf-8")
    runs = {label: [result.run for result in results] for label, results in long_tail.items()}
    save(compare_individuals(runs), folder / "results" / "rare_facts.png")
    write_claims(folder, claims(ends, unended) + rare_claims(long_tail))
    print(table(ends, unended))


def measured(groups: Groups, measure: Callable[[Run], float | None]) -> Ends:
    """A number of each run."""
    return {
        name: {n: by_seed(rs, lambda r: measure(r.run)) for n, rs in sizes.items()} for name, sizes in groups.items()
    }


def last_step(run: Run) -> float:
    """Where a run ends, and where its plateau goes on if it has not left it."""
    return float(run.curve("seen_attribute_loss")[0][-1])


def load_groups(folder: Path) -> tuple[Groups, dict[str, list[Result]]]:
    """The results of each optimiser and population, and those on a long tail by label."""
    others = {name: load_results(ROOT / "experiments" / name) for name in ("schedules", "hallucination")}
    results = others | {"optimizers": load_results(folder)}

    def of(place: str, variant: str) -> list[Result]:
        return [result for result in results[place] if result.variant == variant]

    by_size = {optimizer: {n: of(*runs) for n, runs in sizes.items()} for optimizer, sizes in RUNS.items()}
    return by_size, {label: of(*runs) for label, runs in LONG_TAIL.items()}


def exponents(ends: dict[int, dict[int, float]]) -> dict[int, float]:
    """The power of the population that fits the plateau ends best (least squares of logarithms), for each seed."""
    sizes = np.log(list(ends))
    seeds = sorted(set.intersection(*(set(values) for values in ends.values())))
    return {s: float(np.polyfit(sizes, np.log([values[s] for values in ends.values()]), 1)[0]) for s in seeds}


def table(ends: Ends, unended: Ends) -> str:
    """Mean plateau end, in steps, of each optimiser and population, as Markdown; 95% intervals over seeds."""
    rows = []
    for optimizer, sizes in ends.items():
        rows += [(optimizer, f"{n:,}", interval_text(list(v.values()), "{:.0f}")) for n, v in sizes.items()]
        rows += [(optimizer, f"{n:,}", f"after {min(v.values()):,.0f}") for n, v in unended[optimizer].items()]
    return markdown(("optimiser", "people", "plateau ends (step)"), rows)


def draw(ends: Ends, unended: Ends):
    """Plateau end against population, a point for each run, with the fitted power law; an arrow where it goes on."""
    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for (optimizer, sizes), color, marker in zip(ends.items(), (COLORS[5], COLORS[4], COLORS[3]), "os^", strict=True):
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
    """The exponents, and of each other optimiser than the first one: against the first one, and what runs that are not
    out at their end tell.
    """
    powers = {optimizer: exponents(sizes) for optimizer, sizes in ends.items()}
    (first, sizes), *others = ends.items()
    found = [_power(optimizer, values) for optimizer, values in powers.items()]
    for name, its in others:
        text = f"the plateau grows with a higher power of the population under {name} than under {first}"
        found.append(_difference(f"exponents-{_id(name)}", text, powers[name], powers[first], "exponent"))
        both = {n: its[n] for n in sizes if n in its}
        found += [_sooner(name, n, sizes[n], values) for n, values in both.items()]
        left = unended[name]
        found += [_sooner(name, n, sizes[n], values, " (at most)") for n, values in left.items() if n in sizes]
        found += [_at_least(name, n, values, its) for n, values in left.items()]
    return found


def _id(optimizer: str) -> str:
    return optimizer.lower().replace(", .", "-0.")


def _sooner(name: str, n: int, first: dict[int, float], its: dict[int, float], bound: str = "") -> dict:
    text = f"{name} leaves the plateau of {n:,} people before AdamW{bound}"
    return _difference(f"end-{n}-{_id(name)}", text, first, its, "steps")


def _power(optimizer: str, values: dict[int, float]) -> dict:
    text = f"{optimizer}: the step at which the plateau ends grows more slowly than the population"
    _, low, high = mean_interval(list(values.values()))
    paper = PAPER_EXPONENT if optimizer == "AdamW" else None
    return claim(f"exponent-{_id(optimizer)}", text, values, "exponent", verdict(1 - high, 1 - low), paper)


def _at_least(name: str, n: int, last_steps: dict[int, float], ends: dict[int, dict[int, float]]) -> dict:
    """The power is at least that which the last steps of runs still on their plateau give."""
    before = max(ends)
    values = exponents({before: ends[before], n: last_steps})
    text = f"{name}: from {before:,} to {n:,} people the plateau grows faster than the population (power at least)"
    holds = verdict(*(bound - 1 for bound in mean_interval(list(values.values()))[1:]))
    return claim(f"{_id(name)}-{n}", text, values, "exponent", holds)


def _difference(id: str, text: str, more: dict[int, float], less: dict[int, float], unit: str) -> dict:
    return claim_above(id, text, differences(more, less), unit)


def rare_claims(long_tail: dict[str, list[Result]]) -> list[dict]:
    """Does Muon gain most on rare facts (Wang et al. 2025)? People who were drawn equally often, compared."""
    adamw, muon = (
        {name: by_seed(results, lambda r, n=name: known(r.run, *DRAWN[n])) for name in DRAWN}
        for results in long_tail.values()
    )
    gains = {name: differences(muon[name], adamw[name]) for name in DRAWN}
    return [
        claim_above(
            "rarest", "of people drawn fewer than 10 times, Muon knows more than AdamW (exploratory)", gains["rarest"]
        ),
        claim_above("rare", "of people drawn 10 to 39 times, Muon knows more than AdamW (exploratory)", gains["rare"]),
        claim_above(
            "common", "of people drawn 80 times or more, Muon knows more than AdamW (exploratory)", gains["common"]
        ),
        claim_above(
            "rare-common",
            "Muon gains more on people drawn 10 to 39 times than on those drawn 80 times or more (exploratory)",
            differences(gains["rare"], gains["common"]),
        ),
    ]


def known(run: Run, least: int, below: float) -> float:
    """Accuracy, in percent, on the individuals that were drawn so often."""
    times, accuracies = (np.array(run.individuals[key]) for key in ("times_drawn", "attribute_accuracy"))
    return 100 * float(accuracies[(times >= least) & (times < below)].mean())
