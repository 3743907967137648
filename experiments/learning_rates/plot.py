"""Figure and table of this experiment: the learning rate of each rung of the ladder."""

from pathlib import Path

from analysis.drawing import MARKERS, legend, mark_baseline, panels, style
from analysis.statistics import PERCENT
from run_directory.records import baseline, last
from sweeps.results import Result, interval_table, load_results, publish

LOSS = "train_attribute_loss"
Worlds = dict[str, list[Result]]


def main(folder: Path) -> None:
    """Write results/rates.png and table.md. It makes no claims: rates are chosen here, for other experiments."""
    results = sorted(load_results(folder), key=rate)
    worlds: Worlds = {}
    for result in results:
        worlds.setdefault(result.variant.split("-")[0], []).append(result)
    publish(folder, {"rates": draw(worlds)}, table(worlds), {})


def draw(worlds: Worlds):
    """Final loss on training batches, by which the rate is chosen, against the rate; the chosen one is filled."""
    figure, axes = panels(1, 1, 3.6)
    for number, (world, results) in enumerate(worlds.items()):
        losses, how = [last(result.run, LOSS) for result in results], style(number) | {"marker": MARKERS[number]}
        axes.plot([rate(r) for r in results], losses, markerfacecolor="white", linewidth=1, label=world, **how)
        best = losses.index(min(losses))
        axes.plot(rate(results[best]), losses[best], **how)
    mark_baseline(axes, baseline(next(iter(worlds.values()))[0].run))
    axes.set(xscale="log", xlabel="peak learning rate", ylabel="final attribute loss in training (nats)")
    rates = sorted({rate(r) for results in worlds.values() for r in results})
    axes.set_xticks(rates, [f"{value:g}" for value in rates], minor=False)
    axes.minorticks_off()
    legend(figure, "one seed; filled: the rate with the lowest loss, which is chosen")
    return figure


def table(worlds: Worlds) -> str:
    """What each rate comes to."""
    groups = {f"{world}, {rate(result):g}": [result] for world, results in worlds.items() for result in results}
    columns = {
        "final loss of a token in training (nats)": (lambda r: last(r.run, "loss"), "{:.3f}"),
        "of a value": (lambda r: last(r.run, LOSS), "{:.2f}"),
        "attribute accuracy": (lambda r: 100 * last(r.run, "seen_attribute_accuracy"), "{:.0f}%", PERCENT),
    }
    return interval_table("world, rate", groups, columns)


def rate(result: Result) -> float:
    """The peak learning rate."""
    return float(result.settings["learning_rate"])
