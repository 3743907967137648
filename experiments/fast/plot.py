"""Figures, tables and claims of this experiment, from results/ alone."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.drawing import (
    ROLES,
    draw_interval,
    draw_runs,
    intervals_note,
    legend,
    mark_baseline,
    n_seeds,
    name_panels,
    panels,
    seeds_note,
    style,
)
from analysis.phases import crossings
from analysis.statistics import PERCENT, SHARE, markdown
from run_directory.records import Run, last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish, ratios

LOSS, ACCURACY = "seen_attribute_loss", "seen_attribute_accuracy"
KNOWN = 0.95  # of the facts: the finish of the race
# What is changed in each variant; the first one is the recipe.
LABELS = {
    "fast": "the whole recipe",
    "random_draws": "individuals drawn at random",
    "full_text": "template tokens at full weight",
    "cosine": "cosine instead of linear decay",
    "everybody": "everybody from the start",
    "adamw": "AdamW instead of Muon",
}
SAMPLED = "sampled_text"
RACE = {"paper": "the paper's recipe", "fast": "ours"}
Groups = dict[str, list[Result]]


def main(folder: Path) -> None:
    """Write results/race.png, ingredients.png, table.md and claims.json."""
    results = load_results(folder)
    groups = {variant: [r for r in results if r.variant == variant] for variant in {**LABELS, **RACE, SAMPLED: ""}}
    racing = {label: groups[variant] for variant, label in RACE.items()}
    figures = {"race": race(racing), "ingredients": draw(groups)}
    publish(folder, figures, f"{table(groups)}\n\n{race_table(racing)}", measured(groups))


def known(result: Result) -> float:
    """Facts that are known at the end, in percent."""
    return 100 * last(result.run, ACCURACY)


def reached(run: Run, known: float = KNOWN) -> dict[str, float]:
    """Steps and training seconds until more than so many facts are known, between two evaluations by a straight line.

    Returns:
        `steps` (infinite for a run that does not come so far), `step_seconds`, and their product, `seconds`.
    """
    steps, accuracies = run.curve(ACCURACY)
    needed, pace = next(iter(crossings(steps, -accuracies, -known)), np.inf), step_seconds(run)
    return {"steps": needed, "step_seconds": pace, "seconds": needed * pace}


def step_seconds(run: Run) -> float:
    """What a step takes without evaluation and without what other jobs disturb: the fastest tenth of the run."""
    measured = [record for record in run.records if record.get(ACCURACY) is not None]
    steps, seconds = np.array([(r["step"], r["seconds"] - r["evaluation_seconds"]) for r in measured]).T
    return float(np.quantile(np.diff(seconds) / np.diff(steps), 0.1))


def race(racing: Groups):
    """What is known over training time without evaluations; a line for each seed."""
    figure, axes = panels(1, 1, 3.6)
    for (label, group), color in zip(racing.items(), (ROLES["adamw"], ROLES["unchanged"]), strict=True):
        for number, run in enumerate(result.run for result in group):
            steps, accuracies = run.curve(ACCURACY)
            seconds = steps * step_seconds(run)
            axes.plot(seconds, accuracies, color=color, label=None if number else label)
            axes.plot(seconds[-1], accuracies[-1], "o", color=color, markersize=5)
    mark_baseline(axes, KNOWN, f"{KNOWN:.0%}: the finish")
    axes.set(xlabel="training time on one CPU core (s)", ylabel="attribute accuracy", xlim=(0, None), ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    seeds = n_seeds(map(len, racing.values()))
    legend(
        figure, f"a line for each seed ({seeds}); dots: the end of a run, where its learning rate has come down to 0"
    )
    return figure


def draw(groups: Groups):
    """Left, what is known over training; right, at the end, a cross for each seed and the mean with its interval."""
    figure, (curves, ends) = panels(1, 2, 3.4, width_ratios=(1.2, 1))
    for number, (variant, label) in enumerate(LABELS.items()):
        draw_runs(curves, [result.run for result in groups[variant]], ACCURACY, label=label, **style(number))
        values, row = [known(result) / 100 for result in groups[variant]], len(LABELS) - number
        draw_interval(ends, row, values, SHARE, upright=False, seeds_at=row + 0.2, color=style(number)["color"])
    name_panels((curves, ends), ("attribute accuracy over training", "attribute accuracy at the end"))
    curves.set(xlabel="training step", ylim=(0, 1.02), xlim=(0, None))
    ends.set(xlabel="attribute accuracy", xlim=(0, 1.02))
    ends.set_yticks(range(len(LABELS), 0, -1), LABELS.values())
    curves.yaxis.set_major_formatter(PercentFormatter(1))
    ends.xaxis.set_major_formatter(PercentFormatter(1))
    ends.grid(axis="x", alpha=0.3)
    shown = [groups[variant] for variant in LABELS]
    legend(figure, f"left, {seeds_note(shown)}; right, {intervals_note(shown)}", columns=3)
    return figure


def table(groups: Groups) -> str:
    """Accuracy and attribute loss at the end; means and 95% intervals over seeds."""
    columns = {
        "known at the end": (known, "{:.1f}%", PERCENT),
        "attribute loss (nats)": (lambda result: last(result.run, LOSS), "{:.2f}"),
    }
    return interval_table("recipe", {label: groups[variant] for variant, label in LABELS.items()}, columns)


def measured(groups: Groups) -> dict[str, Values]:
    """What is lost, in points of accuracy at the end, with one ingredient changed; and the race."""
    ends = {variant: by_seed(groups[variant], known) for variant in LABELS}
    lost = {variant: differences(ends["fast"], end) for variant, end in ends.items() if variant != "fast"}
    races = {f"race-{quantity}": race_times(groups, quantity, *RACE) for quantity in ("seconds", "steps")}
    return lost | races | {"sampled-seconds": race_times(groups, "seconds", "fast", SAMPLED)}


def race_table(racing: Groups) -> str:
    """When each run came to its goal."""
    rows = []
    for label, result in ((label, result) for label, results in racing.items() for result in results):
        steps, pace, seconds = reached(result.run).values()
        rows.append((label, result.seed, f"{steps:,.0f}", f"{pace:.3f}", f"{seconds:.0f}", f"{known(result):.1f}%"))
    header = ("recipe", "seed", f"steps to {KNOWN:.0%}", "a step (s)", "seconds, evaluation apart", "at the end")
    return markdown(header, rows)


def race_times(groups: Groups, quantity: str, slower: str, faster: str) -> Values:
    """How many times as long one variant takes as another, by seed."""
    return ratios(*(by_seed(groups[v], lambda result: reached(result.run)[quantity]) for v in (slower, faster)))
