"""The frontier of old knowledge kept and new knowledge won, table and claims; from results/ alone."""

from pathlib import Path

import numpy as np

from analysis.finetuning import frontier
from analysis.statistics import interval_text, markdown
from run_directory.records import Run, last
from sweeps.results import Result, by_seed, claim_above, load_results, publish
from sweeps.sweep import ROOT

PLAIN = "new-n_individuals_finetune=256"
WEIGHTS = {0: "none", 0.03125: "1/32", 0.0625: "1/16", 0.125: "1/8", 0.25: "1/4", 0.5: "1/2", 1: "1", 2: "2"}
METHODS = {
    "warm_up": "learning-rate warm-up",
    "warm_up_decay": "warm-up and cosine decay",
    "feed_forward": "feed-forward layers only",
    "all_but_feed_forward": "all but feed-forward layers",
    "lora": "LoRA, rank 8",
    "self_distillation": "self-distillation",
    "random_words": "random words (REMIX)",
    "few_late": "64 old people, at last",
    "few": "64 old people, all along",
    "muon": "Muon",
}
BETWEEN = "weights, 70% of the way"  # chosen before the runs
Point = tuple[float, float]  # accuracy on new people, accuracy on old people


def main(folder: Path) -> None:
    """Write results/frontier.png, table.md and claims.json."""
    results, reference = load_results(folder), load_results(ROOT / "experiments" / "finetuning")
    replay = {text: by_seed(_of(reference, _variant(weight)), point) for weight, text in WEIGHTS.items()}
    methods = {text: by_seed(_of(results, variant), point) for variant, text in METHODS.items()}
    weights = between(_of(reference, PLAIN))
    lines = {"replay, by weight": replay, "between old and new weights, by share": weights}
    figures = {"frontier": frontier(_values(methods), {label: _values(points) for label, points in lines.items()})}
    methods |= {f"weights, {share} of the way": points for share, points in weights.items()}
    before = {r.seed: _trajectory(r.run)[0] for r in _of(reference, PLAIN)}
    curves = {seed: [start, *(points[seed] for points in replay.values())] for seed, start in before.items()}
    gains = {name: beyond(points, curves) for name, points in methods.items()}
    stopped = {r.seed: _trajectory(r.run) for r in _of(reference, PLAIN)}
    without_replay = {name: beyond(points, stopped) for name, points in methods.items()}
    every = methods | {f"replay, weight {weight}": points for weight, points in replay.items()}
    claimed = [_claim(name, gains[name]) for name in (*METHODS.values(), BETWEEN)]
    claimed.append(claim_above(
        "without-old-data", "self-distillation, without old data: more of the old is kept than by plain fine-tuning "
        "that is stopped at the same new accuracy", without_replay["self-distillation"]))  # fmt: skip
    publish(folder, figures, table(every, gains, without_replay), claimed)


def _values(points: dict[str, dict[int, Point]]) -> dict[str, list[Point]]:
    return {name: list(of_seeds.values()) for name, of_seeds in points.items()}


def _variant(weight: float) -> str:
    return f"replay-weight_replay_finetune={weight}" if weight else PLAIN


def _of(results: list[Result], variant: str) -> list[Result]:
    return [result for result in results if result.variant == variant]


def point(result: Result) -> Point:
    """At the end of a run."""
    return _accuracies(result.run)


def _trajectory(run: Run) -> list[Point]:
    """Over fine-tuning, from the model before it."""
    new, old = (run.curve(f"{group}_attribute_accuracy")[1].tolist() for group in ("new", "seen"))
    return list(zip(new, old, strict=True))


def _accuracies(run: Run) -> Point:
    return last(run, "new_attribute_accuracy"), last(run, "seen_attribute_accuracy")


def between(plain: list[Result]) -> dict[str, dict[int, Point]]:
    """Models between the old weights and those of plain fine-tuning, by their share of the way."""
    found: dict[str, dict[int, Point]] = {}
    for result in plain:
        for row in result.run.interpolation:
            accuracies = (row["new_attribute_accuracy"], row["seen_attribute_accuracy"])
            found.setdefault(f"{row['share']:.0%}", {})[result.seed] = accuracies
    return found


def beyond(points: dict[int, Point], curves: dict[int, list[Point]]) -> dict[int, float]:
    """Old accuracy above that of a reference at the same new accuracy and seed, in points.

    Args:
        points: of a method, by seed.
        curves: the reference's points by seed, with the model before fine-tuning; between them, linearly, but never
            below what a point with more new accuracy keeps.
    """
    gains = {}
    for seed, (new, old) in points.items():
        between = float(np.interp(new, *zip(*sorted(curves[seed]), strict=True)))
        best = max([between, *(kept for won, kept in curves[seed] if won >= new)])
        gains[seed] = 100 * (old - best)
    return gains


def table(methods: dict[str, dict[int, Point]], *gains: dict[str, dict[int, float]]) -> str:
    """Mean and 95% interval over seeds; gains over replay and over plain fine-tuning."""
    columns = ("method", "new people", "old people", "old, beyond replay at the same new (points)",
               "beyond plain fine-tuning stopped at the same new")  # fmt: skip
    rows = []
    for name, points in methods.items():
        new, old = (interval_text(column, "{:.1%}") for column in zip(*points.values(), strict=True))
        gained = [interval_text(list(gain[name].values()), "{:.1f}") if name in gain else "–" for gain in gains]
        rows.append([name, new, old, *gained])
    return markdown(columns, rows)


def _claim(name: str, gains: dict[int, float]) -> dict:
    text = f"{name}: more of the old is kept than by replay at the same new accuracy"
    return claim_above("".join(letter if letter.isalnum() else "-" for letter in name.lower()), text, gains)
