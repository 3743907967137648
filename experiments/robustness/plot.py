"""Figure, table and claims of this experiment, from its results and those of experiments/signatures."""

from pathlib import Path

from analysis.drawing import ROLES, draw_runs, legend, name_panels, panels, seeds_note
from analysis.phases import TOLERANCE, phases_of, slowdown
from analysis.statistics import SHARE
from run_directory.records import Run, baseline, last
from sweeps.claims import Values
from sweeps.power_laws import exposures
from sweeps.results import Result, by_seed, interval_table, load_results, publish, ratios
from sweeps.sweep import ROOT

LOSS, EXTRACTION = "seen_attribute_loss", "layer_2_value_to_name"
UNCHANGED = "unchanged"
# A panel for each thing that was changed.
CHANGED = {
    "learning rate": {"rate-half": "half", "rate-double": "double"},
    "people": {"people-512": "512", "people-1536": "1,536"},
    "weight decay": {"decay-0.01": "0.01", "decay-1": "1"},
    "batch": {"batch-16": "16", "batch-64": "64"},
    "width": {"width-64": "64"},
    "optimizer": {"adamw": "AdamW"},
    "architecture": {"hawk": "Hawk, without attention"},
}
USUAL = {
    "learning rate": "0.05 / 0.005", "people": "1,024", "weight decay": "0.1", "batch": "32", "width": "128",
    "optimizer": "Muon", "architecture": "GPT-2",
}  # fmt: skip

Groups = dict[str, list[Result]]


def main(folder: Path) -> None:
    """Write results/phases.png, table.md and claims.json."""
    results = load_results(folder)
    groups = {UNCHANGED: [r for r in load_results(ROOT / "experiments" / "signatures") if r.variant == "facts"]}
    groups |= {variant: [r for r in results if r.variant == variant] for panel in CHANGED.values() for variant in panel}
    publish(folder, {"phases": draw(groups)}, table(groups), measured(groups))


def draw(groups: Groups):
    """Attribute loss divided by its baseline over training; a panel for each setting, mean and each seed."""
    figure, axes = panels(4, 2, 7, sharex=True, sharey=True)
    looks = [(ROLES["unchanged"], "-"), (ROLES["less"], "--"), (ROLES["more"], "-.")]
    for one, (setting, variants) in zip(axes.flat, CHANGED.items(), strict=False):
        shown = {USUAL[setting]: groups[UNCHANGED]} | {label: groups[variant] for variant, label in variants.items()}
        for (label, results), (color, line) in zip(shown.items(), looks, strict=False):
            draw_runs(one, [_relative(r.run) for r in results], LOSS, color=color, linestyle=line, label=label)
        one.axhspan(1 - TOLERANCE, 1 + TOLERANCE, color=ROLES["plateau"], zorder=0, linewidth=0)
        one.set_ylim(0, 2)
        one.legend(fontsize=8.5, loc="upper right", frameon=False)
    name_panels(axes.flat, CHANGED)
    axes[-1, -1].axis("off")
    for one in (axes[-1, 0], axes[-2, 1]):
        one.set_xlabel("training step")
        one.tick_params(labelbottom=True)
    figure.supylabel("attribute loss / no-knowledge baseline", fontsize=9)
    legend(
        figure,
        f"{seeds_note(groups.values())}; black: unchanged; gray: within {TOLERANCE:.0%} of the baseline",
        axes=(),
    )
    return figure


def _relative(run: Run) -> Run:
    """The same run with its loss in units of the baseline, which depends on the number of values."""
    records = [record | {LOSS: record[LOSS] / baseline(run)} for record in run.records if record.get(LOSS) is not None]
    return Run(run.path, run.config, records)


def table(groups: Groups) -> str:
    """When the plateau begins and ends, how flat it is, extraction at its edges; means and 95% intervals over seeds."""
    columns = {
        "plateau begins (step)": (lambda r: phases_of(r.run).plateau_start, "{:.0f}"),
        "ends": (lambda r: phases_of(r.run).plateau_end, "{:.0f}"),
        "exposures at its end": (exposures, "{:.1f}"),
        "slowdown": (_slowdown, "{:.1f}"),
        "accuracy at the end": (lambda r: last(r.run, "seen_attribute_accuracy"), "{:.1%}", SHARE),
        "extraction rises on it by (points)": (_rise, "{:.0f}"),
    }
    return interval_table("changed", groups, columns)


def measured(groups: Groups) -> dict[str, Values]:
    """What claims.yaml asks for. Extraction of the unchanged runs is claimed in experiments/signatures."""
    rises = [name for name, results in groups.items() if name not in (UNCHANGED, *CHANGED["architecture"])]
    read = ratios(*(by_seed(groups[name], exposures) for name in ("batch-64", "batch-16")))
    return {
        **{f"c-{name}": by_seed(results, _slowdown) for name, results in groups.items()},
        **{f"extraction-{name}": by_seed(groups[name], _rise) for name in rises},
        "exposures-batch": read,
    }


def _slowdown(result: Result) -> float | None:
    return slowdown(*result.run.curve(LOSS), baseline(result.run))


def _rise(result: Result) -> float | None:
    """None without a plateau's end or without attention."""
    run, phases = result.run, phases_of(result.run)
    if phases.plateau_end is None or not len(run.curve(EXTRACTION)[0]):
        return None
    return 100 * (run.at(EXTRACTION, phases.plateau_end) - run.at(EXTRACTION, phases.plateau_start))
