"""The frontier of old knowledge kept and new knowledge won, table and claims; from results/ alone."""

from pathlib import Path

from analysis.finetuning import Point, between, frontier, kept, kept_at, passed
from analysis.statistics import PERCENT, interval_text, markdown
from run_directory.records import Run, last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, load_results, publish
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
# Variants `tuned_...`, as experiments/forgetting_tuning chose their settings.
TUNED = {
    "plain": "plain fine-tuning",
    "replay": "replay, weight 1/8",
    "replay_distillation": "replay 1/8 and self-distillation",
    "known_patch": "64 old people, at last (KnownPatch)",
    "distillation": "self-distillation",
    "generated": "generated replay",
    "generated_distillation": "generated replay and self-distillation",
    "ewc": "EWC",
    "l2": "L2 to the old weights",
    "old_attention": "the old model's attention",
    "between": "between old and new weights",
    "lora_2": "LoRA, rank 2",
    "lora_8": "LoRA, rank 8",
    "lora_32": "LoRA, rank 32",
    "muon": "Muon",
}
WITH_OLD_DATA = ("replay", "replay_distillation", "known_patch")
WITHOUT_OLD_DATA = tuple(name for name in TUNED if name not in WITH_OLD_DATA)
WEIGHTS_BETWEEN = "weights"  # in claims.yaml, models between the old weights and those of plain fine-tuning
KNOWN = (0.5, 0.9, 0.95)  # accuracies on new people at which methods are compared
HALF, MOST = KNOWN[:2]
REPLAY = {HALF: "1/2", MOST: "1/16"}  # the weight of replay that claims compare with
Paths = dict[str, dict[int, list[Point]]]  # points that a method goes through, by its name and by seed


def main(folder: Path) -> None:
    """Write results/frontier.png, kept.png (if the tuned methods were run), table.md and claims.json."""
    results, reference = load_results(folder), load_results(ROOT / "experiments" / "finetuning")
    replay = {text: by_seed(_of(reference, _variant(weight)), point) for weight, text in WEIGHTS.items()}
    methods = {text: by_seed(_of(results, variant), point) for variant, text in METHODS.items()}
    weights = by_share(_of(reference, PLAIN))
    lines = {"replay, by weight": replay, "between old and new weights, by share": weights}
    figures = {"frontier": frontier(_values(methods), {label: _values(points) for label, points in lines.items()})}
    paths = {variant: by_seed(_of(results, variant), lambda r: passed(r.run)) for variant in METHODS}
    paths[WEIGHTS_BETWEEN] = {seed: [points[seed] for points in weights.values()] for seed in weights["25%"]}
    reached = {text: by_seed(_of(reference, _variant(weight)), lambda r: passed(r.run))
               for weight, text in WEIGHTS.items()}  # fmt: skip
    shown = {METHODS.get(variant, "between old and new weights"): path for variant, path in paths.items()}
    shown |= {f"replay, weight {text}": path for text, path in reached.items()}
    tuned = tuned_paths(results)
    if tuned:
        values = {TUNED[name]: {k: [kept(p, k) for p in path.values()] for k in KNOWN} for name, path in tuned.items()}
        figures["kept"] = kept_at(values, [TUNED[name] for name in WITHOUT_OLD_DATA])
        shown |= {f"tuned: {TUNED[name]}": path for name, path in tuned.items()}
    publish(folder, figures, table(shown), measured(paths, reached) | measured_tuned(results))


def _values(points: dict[str, dict[int, Point]]) -> dict[str, list[Point]]:
    return {name: list(of_seeds.values()) for name, of_seeds in points.items()}


def _variant(weight: float) -> str:
    return f"replay-weight_replay_finetune={weight}" if weight else PLAIN


def _of(results: list[Result], variant: str) -> list[Result]:
    return [result for result in results if result.variant == variant]


def point(result: Result) -> Point:
    """At the end of a run."""
    return _accuracies(result.run)


def _accuracies(run: Run) -> Point:
    return last(run, "new_attribute_accuracy"), last(run, "seen_attribute_accuracy")


def by_share(plain: list[Result]) -> dict[str, dict[int, Point]]:
    """Models between the old weights and those of plain fine-tuning, by their share of the way."""
    found: dict[str, dict[int, Point]] = {}
    for result in plain:
        for row, place in zip(result.run.interpolation or [], between(result.run), strict=True):
            found.setdefault(f"{row['share']:.0%}", {})[result.seed] = place
    return found


def percent(points: list[Point], known: float) -> float | None:
    """The most of the old that is known, in percent, wherever so much of the new is; None if that is nowhere."""
    share = kept(points, known)
    return share if share is None else 100 * share


def measured(paths: Paths, replay: Paths) -> dict[str, Values]:
    """What claims.yaml asks for, paired by seed; replay by its weight, of which "none" is plain fine-tuning."""

    def beyond(name: str, weight: str, known: float) -> Values:
        return differences(kept_by(paths[name], known), kept_by(replay[weight], known))

    best, plain = replay[REPLAY[MOST]], replay["none"]
    return {
        **{f"plain-{name}": beyond(name, "none", MOST) for name in paths},
        **{f"replay-{name}": beyond(name, REPLAY[MOST], MOST) for name in paths},
        "replay": differences(kept_by(best, MOST), kept_by(plain, MOST)),
        "plain-half-self_distillation": beyond("self_distillation", "none", HALF),
        "replay-half-self_distillation": beyond("self_distillation", REPLAY[HALF], HALF),
    }


def kept_by(path: dict[int, list[Point]], known: float) -> Values:
    """What a method keeps where so much of the new is known, in percent, by seed."""
    return {seed: percent(points, known) for seed, points in path.items()}


def tuned_paths(results: list[Result]) -> Paths:
    """Of the tuned methods that were run."""
    runs = {name: _of(results, f"tuned_{name}") for name in TUNED}
    points = {name: between if name == "between" else passed for name in TUNED}
    return {name: {result.seed: points[name](result.run) for result in of} for name, of in runs.items() if of}


def measured_tuned(results: list[Result]) -> dict[str, Values]:
    """What claims.yaml asks of the tuned methods, of those that were run, paired by seed."""
    paths, found = tuned_paths(results), {}

    def beyond(name: str, other: str, known: float) -> Values:
        return differences(kept_by(paths[name], known), kept_by(paths[other], known))

    for name in paths:
        if "replay" in paths and name not in ("replay", "plain"):
            found |= {f"tuned-{100 * known:.0f}-{name}": beyond(name, "replay", known) for known in KNOWN}
        if "plain" in paths and name in WITHOUT_OLD_DATA and name != "plain":
            found[f"tuned-plain-{name}"] = beyond(name, "plain", MOST)
    if "generated" in paths:
        runs = _of(results, "tuned_generated")
        found["tuned-true"] = by_seed(runs, lambda r: 100 * r.run.generated["share_true"])
    if "old_attention" in paths:
        runs = _of(results, "tuned_old_attention")
        found["tuned-own-attention"] = by_seed(runs, lambda r: 100 * (_own(r.run) - _accuracies(r.run)[1]))
    return found


def _own(run: Run) -> float:
    """What is known of the old without the old model's attention."""
    return run.own_attention["seen_attribute_accuracy"]


def table(paths: Paths) -> str:
    """What is known at the end, and what is kept of the old where so much of the new is known; 95% intervals."""
    columns = ("method", "new, end", "old, end", *(f"old, where {known:.0%} of the new are known" for known in KNOWN))
    rows = []
    for name, path in paths.items():
        ends = zip(*(points[-1] for points in path.values()), strict=True)
        at_end = [interval_text([100 * share for share in end], "{:.1f}%", PERCENT) for end in ends]
        old = ([percent(points, known) for points in path.values()] for known in KNOWN)
        rows.append([name, *at_end, *(interval_text(values, "{:.1f}%", PERCENT) for values in old)])
    return markdown(columns, rows)
