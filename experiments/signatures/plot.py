"""Figures, table and claims of this experiment, from its results and those of experiments/finetuning."""

from pathlib import Path

import numpy as np

from analysis.attention import signature_figure
from analysis.drawing import ROLES, Groups, draw_runs, legend, mark_plateau, name_panels, panels, seeds_note
from analysis.phases import phases_of
from analysis.statistics import interval_text, markdown
from run_directory.records import last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, load_results, publish, ratios
from sweeps.sweep import ROOT

LABELS = {"facts": "facts", "no_facts": "no facts: values drawn anew for each biography"}
LAST = "layer_2"
GROUPING, SHARPNESS = "layer_1_name_grouping", f"{LAST}_sharpness"
FIRST_GROUPING, TYPE = f"{GROUPING}_first", f"{LAST}_value_to_type"
EXTRACTION = f"{LAST}_value_to_name"
GRADIENTS = ("layer_1_gradient_to_names", f"{LAST}_gradient_to_names")
CONTROLLED = {
    EXTRACTION: "extraction in layer 2",
    SHARPNESS: "entropy in layer 2 (lower: sharper)",
    GRADIENTS[0]: "gradient to names in layer 1",
}


def main(folder: Path) -> None:
    """Write results/*.png, table.md and claims.json."""
    results, tuned = load_results(folder), load_results(ROOT / "experiments" / "finetuning")
    groups = {variant: [r for r in results if r.variant == variant] for variant in LABELS}
    runs = {label: [result.run for result in groups[variant]] for variant, label in LABELS.items()}
    figures = {"signatures": signature_figure(runs["facts"]), "control": control(runs)}
    tuned = [result for result in tuned if result.variant == "default_grid"]
    publish(folder, figures, table(groups["facts"]), measured(groups, tuned))


def control(runs: Groups):
    """Signatures where there is something to know of individuals, and where there is not; mean and each seed."""
    figure, axes = panels(1, len(CONTROLLED), 2.9)
    looks = [(ROLES["unchanged"], "-"), (ROLES["other"], "--")]
    plateaus = [phases_of(run) for run in next(iter(runs.values()))]
    for one, key in zip(axes, CONTROLLED, strict=True):
        for (name, group), (color, line) in zip(runs.items(), looks, strict=True):
            draw_runs(one, group, key, color=color, linestyle=line, label=name)
        mark_plateau(one, *(np.mean([getattr(p, edge) for p in plateaus]) for edge in ("plateau_start", "plateau_end")))
        one.set(xlabel="training step", ylim=(0, None))
    name_panels(axes, CONTROLLED.values())
    legend(figure, f"{seeds_note(runs.values())}; the plateau is that with facts")
    return figure


def table(results: list[Result]) -> str:
    """Signatures at the edges of the phases; means and 95% intervals over seeds."""
    keys = [f"layer_{layer}_{name}" for name in ("value_to_name", "name_grouping", "sharpness", "gradient_to_names")
            for layer in (1, 2)]  # fmt: skip
    moments = {
        "step 0": lambda r, key: r.run.at(key, 0), "plateau begins": begins, "plateau ends": ends,
        "end": lambda r, key: last(r.run, key),
    }  # fmt: skip
    rows = [
        [
            key.replace("_", " "),
            *(interval_text([measure(r, key) for r in results], "{:.2f}") for measure in moments.values()),
        ]
        for key in keys
    ]
    return markdown(["", *moments], rows)


def measured(groups: dict[str, list[Result]], tuned: list[Result]) -> dict[str, Values]:
    """What claims.yaml asks for."""
    facts, no_facts = groups["facts"], groups["no_facts"]

    def at_the_end(key: str) -> tuple[Values, Values]:
        return tuple(by_seed(group, lambda r: last(r.run, key)) for group in (facts, no_facts))

    measures = {
        "f3-low": lambda r: 100 * (r.run.at(EXTRACTION, 0) - begins(r, EXTRACTION)),
        "f3-rises": lambda r: 100 * (ends(r, EXTRACTION) - begins(r, EXTRACTION)),
        "f3-most": lambda r: 100 * _share_on_plateau(r),
        "f3-grouping": lambda r: 100 * (ends(r, GROUPING) - r.run.at(GROUPING, 0)),
        "f-sharpness": lambda r: ends(r, SHARPNESS) - last(r.run, SHARPNESS),
        "gradient-1": lambda r: np.log2(ends(r, GRADIENTS[0]) / begins(r, GRADIENTS[0])),
        "gradient-2": lambda r: np.log2(ends(r, GRADIENTS[1]) / begins(r, GRADIENTS[1])),
        "gradient-after": lambda r: np.log2(last(r.run, GRADIENTS[1]) / ends(r, GRADIENTS[1])),
        "ablation": lambda r: 100 * _left(r, "all"),
    }
    extraction, gradient = differences(*at_the_end(EXTRACTION)), ratios(*at_the_end(GRADIENTS[0]))
    ended = [result for result in facts if phases_of(result.run).plateau_end is not None]
    on_it = {result.seed: None for result in facts if result not in ended}
    found = {id: by_seed(ended, measure) | on_it for id, measure in measures.items()}
    newer = [result for result in ended if len(result.run.curve(TYPE)[0])]  # older runs did not measure it
    if newer:
        found["f3-grouping-first"] = by_seed(
            newer, lambda r: 100 * (ends(r, FIRST_GROUPING) - r.run.at(FIRST_GROUPING, 0))
        )
        found["f3-type"] = by_seed(newer, lambda r: 100 * (begins(r, TYPE) - r.run.at(TYPE, 0)))
    return found | {
        "control-extraction": {seed: 100 * value for seed, value in extraction.items()},
        "control-gradient": {seed: np.log2(ratio) for seed, ratio in gradient.items()},
        "o-stable": by_seed(tuned, lambda r: 100 * _moved(r.run, EXTRACTION)),
    }


def begins(result: Result, key: str) -> float | None:
    """A metric where the plateau begins."""
    step = phases_of(result.run).plateau_start
    return None if step is None else result.run.at(key, step)


def ends(result: Result, key: str) -> float | None:
    """A metric where the plateau ends."""
    step = phases_of(result.run).plateau_end
    return None if step is None else result.run.at(key, step)


def _share_on_plateau(result: Result) -> float:
    begin = begins(result, EXTRACTION)
    return (ends(result, EXTRACTION) - begin) / (last(result.run, EXTRACTION) - begin)


def _left(result: Result, knockout: str) -> float:
    accuracy = {name: values["attribute_accuracy"] for name, values in result.run.ablation.items()}
    return accuracy[knockout] / accuracy["none"]


def _moved(run, key: str) -> float:
    values = run.curve(key)[1]
    return values[-1] - values[0]
