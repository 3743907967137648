"""Metrics of several runs as arrays, over steps, tokens, exposures or seconds; what they are called on a figure."""

import re
from collections.abc import Sequence

import numpy as np

from command_line import UserError, unknown
from run_directory.records import Run

# Whom a run may measure, and what they are called.
GROUPS = {
    "seen": "seen people", "unseen": "unseen people", "new": "new people", "rare": "rare seen people",
    "old": "facts known before", "memorized": "seen people, wording of training",
    "asked": "questions about seen people, trained on", "unasked": "questions about other seen people",
}  # fmt: skip
# Those who are not asked in held-out wording, but in that of training, or in questions.
OWN_WORDING = ("memorized", "asked", "unasked")
_STAGE = re.compile(r"stage(\d+)")
_LOSS = "_attribute_loss"
# What goes along the x axis: its label, and of which keys of a record it is made.
_X = {
    "steps": ("step", ("step",)),
    "tokens": ("tokens learned from", ("tokens",)),
    "exposures": ("exposures: biographies read / individuals", ("biographies",)),
    "seconds": ("seconds of training, without evaluations", ("seconds", "evaluation_seconds")),
}
X_AXES = tuple(_X)
_QUANTITIES = {
    "attribute_loss": ("attribute loss", "nats"),
    "attribute_accuracy": ("attribute accuracy", "%"),
    "bits": ("learned bits of an individual's facts", "bits"),
    "name_bits": ("learned bits of an individual's name", "bits"),
    "entropy": ("entropy of the answer", "nats"),
    "top_probability": ("probability of the likeliest answer", "%"),
    "calibration_error": ("calibration error", ""),
}


def curves(runs: Sequence[Run], key: str, x: str = "steps") -> tuple[np.ndarray, np.ndarray]:
    """Where all runs of a group were measured (at the same steps), and what was.

    Args:
        x: one of X_AXES.

    Returns:
        Two arrays (runs, evaluations): places along x, and values.

    Raises:
        UserError: a run did not record what x is made of.
    """
    found = [{r["step"]: (_place(run, r, x), r[key]) for r in run.records if r.get(key) is not None} for run in runs]
    steps = sorted(set.intersection(*map(set, found)))
    points = np.array([[curve[step] for step in steps] for curve in found], dtype=float).reshape(len(runs), -1, 2)
    return points[..., 0], points[..., 1]


def _place(run: Run, record: dict, x: str) -> float:
    keys = _X[x][1]
    if missing := next((key for key in keys if record.get(key) is None), None):
        raise UserError(f"{run.path} has no {missing} in its records; choose another --x")
    if x == "seconds":
        return record["seconds"] - record["evaluation_seconds"]
    return record[keys[0]] / (_individuals(run) if x == "exposures" else 1)


def _individuals(run: Run) -> int:
    """How many are learned from: of a fine-tuning, those it teaches."""
    number = run.config.get("n_individuals_finetune" if run.finetune_group else "n_individuals")
    if not number:
        raise UserError(f"{run.path} does not say how many individuals it learned from; choose another --x")
    return number


def groups_of(run: Run) -> dict[str, str]:
    """Whom a run measured, and what they are called: those learned before, those learned now, and others."""
    stages = {group: f"people of stage {found[1]}" for group in _recorded(run) if (found := _STAGE.fullmatch(group))}
    called = {"seen": GROUPS["seen"]} | stages | GROUPS
    return {group: words for group, words in called.items() if group in _recorded(run)}


def parts_of(run: Run) -> list[str]:
    """The groups of its schedule that a run measured apart, in their order."""
    return [group for group in _recorded(run) if group not in GROUPS and not _STAGE.fullmatch(group)]


def _recorded(run: Run) -> list[str]:
    """All groups that were measured."""
    keys = next((record for record in run.records if f"seen{_LOSS}" in record), {})
    return [key.removesuffix(_LOSS) for key in keys if key.endswith(_LOSS) and key != f"train{_LOSS}"]


def label_of_x(x: str, tuned: bool = False) -> str:
    """For the axis of a figure."""
    return f"{'fine-tuning' if tuned else 'training'} step" if x == "steps" else _X[x][0]


def check_metrics(runs: Sequence[Run], keys: Sequence[str]) -> None:
    """Check that every run has recorded these.

    Raises:
        UserError: one has not, or nobody knows such a metric.
    """
    recorded = [{key for record in run.records for key, value in record.items() if _is_number(value)} for run in runs]
    everywhere = sorted(set.union(*recorded) - {"step"})
    for key in keys:
        if key not in everywhere:
            raise UserError(unknown("metric", key, "", everywhere, "docs/METRICS.md lists all"))
        if lacking := next((run for run, known in zip(runs, recorded, strict=True) if key not in known), None):
            raise UserError(f"{lacking.path} has not recorded {key}; leave it out, or choose another --metric")


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def metric_words(key: str) -> str:
    """What a metric is called: `attribute loss of unseen people (nats)`; seen people go without saying."""
    group, _, quantity = key.partition("_")
    if quantity not in _QUANTITIES or group == "train":
        return key.replace("_", " ")
    words, unit = _QUANTITIES[quantity]
    of_whom = "" if group == "seen" else f" of {group} people"
    return f"{words}{of_whom}{f' ({unit})' if unit in ('nats', 'bits') else ''}"


def is_percentage(key: str) -> bool:
    """Whether a metric is written in percent."""
    return _QUANTITIES.get(key.partition("_")[2], ("", ""))[1] == "%"
