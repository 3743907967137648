"""Figure, table and claims of this experiment, from results/ alone."""

from pathlib import Path

from matplotlib.ticker import PercentFormatter

from analysis.drawing import draw_runs, label_x, legend, name_panels, panels, seeds_note, style
from run_directory.records import last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish

VARIANTS = ("various", "one-template", "fixed-order", "one-and-fixed", "asked", "asked-one-template")
ASKED = ("asked", "asked-one-template")
PERCENT = (0.0, 100.0)
Groups = dict[str, list[Result]]


def main(folder: Path) -> None:
    """Write results/wording.png, table.md and claims.json."""
    results = load_results(folder)
    groups = {variant: [r for r in results if r.variant == variant] for variant in VARIANTS}
    groups = {variant: found for variant, found in groups.items() if found}
    publish(folder, {"wording": draw(groups)}, table(groups), measured(groups))


def draw(groups: Groups):
    """Accuracy over training: in new wording, in that of training, and of answers about those never asked about."""
    figure, axes = panels(1, 3, 3.2, sharey=True)
    metrics = ("seen", "memorized", "unasked")
    for one, group in zip(axes.flat, metrics, strict=True):
        for number, (variant, results) in enumerate(groups.items()):
            runs = [result.run for result in results]
            if len(runs[0].curve(f"{group}_attribute_accuracy")[0]):
                draw_runs(one, runs, f"{group}_attribute_accuracy", label=variant, **style(number))
        label_x(one, [next(iter(groups.values()))[0].run])
        one.set(ylim=(0, 1.02))
        one.yaxis.set_major_formatter(PercentFormatter(1))
    axes.flat[0].set_ylabel("attribute accuracy")
    name_panels(axes.flat, ("new wording and order", "those of training", "questions about others"))
    legend(figure, seeds_note(groups.values()), columns=3)
    return figure


def table(groups: Groups) -> str:
    """Means and 95% intervals over seeds."""
    told = interval_table("told in", groups, {"accuracy": (_accuracy("seen"), "{:.1f}%", PERCENT)})
    restricted = {name: found for name, found in groups.items() if "memorized" in _measured(found)}
    columns = {"accuracy in wording and order of training": (_accuracy("memorized"), "{:.1f}%", PERCENT)}
    tables = [told] + ([interval_table("told in", restricted, columns)] if restricted else [])
    asked = {name: groups[name] for name in ASKED if name in groups}
    columns = {
        "questions about those asked about": (_accuracy("asked"), "{:.1f}%", PERCENT),
        "about the others": (_accuracy("unasked"), "{:.1f}%", PERCENT),
    }
    return "\n\n".join(tables + ([interval_table("told in", asked, columns)] if asked else []))


def measured(groups: Groups) -> dict[str, Values]:
    """What claims.yaml asks for, of the variants that were run."""
    known = {name: by_seed(found, _accuracy("seen")) for name, found in groups.items()}
    answered = {name: by_seed(groups[name], _accuracy("unasked")) for name in ASKED if name in groups}
    found: dict[str, Values] = {}
    for id, variant in (("a-wording", "one-template"), ("a-order", "fixed-order")):
        if {"various", variant} <= known.keys():
            found[id] = differences(known["various"], known[variant])
    if "one-and-fixed" in groups:
        memorized = by_seed(groups["one-and-fixed"], _accuracy("memorized"))
        found["a-memorizes"] = differences(memorized, known["one-and-fixed"])
    if "asked" in groups:
        found["asked"] = by_seed(groups["asked"], lambda r: 100 * _accuracy("unasked")(r) / _accuracy("seen")(r))
        found["asked-as-well"] = differences(answered["asked"], known["asked"])
    if len(answered) == len(ASKED):
        found["asked-wording"] = differences(*answered.values())
    return found


def _accuracy(group: str):
    return lambda result: 100 * last(result.run, f"{group}_attribute_accuracy")


def _measured(results: list[Result]) -> set[str]:
    return {key.partition("_")[0] for key in results[0].run.records[0]}
