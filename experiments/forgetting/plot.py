"""The frontier of old knowledge kept and new knowledge won, table and claims; from results/ alone."""

from pathlib import Path

import numpy as np

from analysis.drawing import save
from analysis.finetuning import frontier
from analysis.runs import Run, last
from analysis.statistics import interval_text
from experiments.results import Result, by_seed, claim_above, load_results, write_claims
from experiments.sweep import ROOT

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
Point = tuple[float, float]  # accuracy on new people, accuracy on old people


def main(folder: Path) -> None:
    """Write results/frontier.png, table.md and claims.json."""
    results, reference = load_results(folder), load_results(ROOT / "experiments" / "finetuning")
    replay = {text: by_seed(_of(reference, _variant(weight)), point) for weight, text in WEIGHTS.items()}
    methods = {text: by_seed(_of(results, variant), point) for variant, text in METHODS.items()}
    methods |= between(_of(reference, PLAIN))
    shown = {name: list(points.values()) for name, points in methods.items()}
    save(frontier(shown, {name: list(points.values()) for name, points in replay.items()}),
         folder / "results" / "frontier.png")  # fmt: skip
    curves = {r.seed: [_before(r.run), *(points[r.seed] for points in replay.values())] for r in _of(reference, PLAIN)}
    gains = {name: beyond_replay(points, curves) for name, points in methods.items()}
    (folder / "results" / "table.md").write_text(table(methods | {f"replay, weight {k}": v for k, v in replay.items()},
                                                       gains) + "\n", encoding="utf-8")  # fmt: skip
    write_claims(folder, [_claim(name, values) for name, values in gains.items()])
    print((folder / "results" / "table.md").read_text(encoding="utf-8"))


def _variant(weight: float) -> str:
    return f"replay-weight_replay_finetune={weight}" if weight else PLAIN


def _of(results: list[Result], variant: str) -> list[Result]:
    return [result for result in results if result.variant == variant]


def point(result: Result) -> Point:
    """At the end of a run."""
    return _accuracies(result.run)


def _before(run: Run) -> Point:
    new, old = (run.curve(f"{group}_attribute_accuracy")[1][0] for group in ("new", "seen"))
    return float(new), float(old)


def _accuracies(run: Run) -> Point:
    return last(run, "new_attribute_accuracy"), last(run, "seen_attribute_accuracy")


def between(plain: list[Result]) -> dict[str, dict[int, Point]]:
    """Models between the old weights and those of plain fine-tuning."""
    found: dict[str, dict[int, Point]] = {}
    for result in plain:
        for row in result.run.interpolation:
            name = f"weights, {row['share']:.0%} of the way"
            accuracies = (row["new_attribute_accuracy"], row["seen_attribute_accuracy"])
            found.setdefault(name, {})[result.seed] = accuracies
    return found


def beyond_replay(points: dict[int, Point], curves: dict[int, list[Point]]) -> dict[int, float]:
    """Old accuracy above that of replay at the same new accuracy and seed, in points.

    Args:
        points: of a method, by seed.
        curves: replay's points by seed, and the model before fine-tuning; between them, linearly, but never below what
            a point with more new accuracy keeps.
    """
    gains = {}
    for seed, (new, old) in points.items():
        between = float(np.interp(new, *zip(*sorted(curves[seed]), strict=True)))
        best = max([between, *(kept for won, kept in curves[seed] if won >= new)])
        gains[seed] = 100 * (old - best)
    return gains


def table(methods: dict[str, dict[int, Point]], gains: dict[str, dict[int, float]]) -> str:
    """Mean and 95% interval over seeds."""
    rows = ["| method | new people | old people | old, beyond replay at the same new (points) |", "|---|---|---|---|"]
    for name, points in methods.items():
        new, old = (interval_text(column, "{:.1%}") for column in zip(*points.values(), strict=True))
        gain = interval_text(list(gains[name].values()), "{:.1f}") if name in gains else "–"
        rows.append(f"| {name} | {new} | {old} | {gain} |")
    return "\n".join(rows)


def _claim(name: str, gains: dict[int, float]) -> dict:
    text = f"{name}: more of the old is kept than by replay at the same new accuracy"
    return claim_above("".join(letter if letter.isalnum() else "-" for letter in name.lower()), text, gains)
