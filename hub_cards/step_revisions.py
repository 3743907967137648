"""Revisions of any repository that are a training's checkpoints, told by their names and by what the Hub lists."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from huggingface_hub.hf_api import RepoFile

from hub_cards.spacing import missing_steps

# `step-000500`, Pythia's `step500`, OLMo's `stage1-step1000-tokens3B`, `checkpoint-500`. What stands before the word is
# another training.
_STEP = re.compile(r"(?P<training>(?:.*?[-_/])??)(?:global_?step|step|checkpoint|iter)[-_]?(?P<step>\d+)(?:[-_].*)?")
# Weights as transformers and others call them; by what follows the dot they are one format.
_WEIGHTS = re.compile(
    r"(?:model|pytorch_model|tf_model|flax_model|consolidated)[^/]*\.(safetensors|bin|h5|msgpack|pth|pt)"
)
_MOST_NAMED = 10


@dataclass(frozen=True)
class StepRevision:
    """A branch or a tag that is a checkpoint.

    Attributes:
        name: of the branch or tag.
        kind: `branch` or `tag`.
        training, step: what the name says.
        commit: where it points.
        weights: of each format, its files with the sums that the Hub has of them.
    """

    name: str
    kind: str
    training: str
    step: int
    commit: str
    weights: dict[str, frozenset]


def step_of(name: str) -> tuple[str, int] | None:
    """Which training's which step a revision is, by its name; None if it is something else."""
    found = _STEP.fullmatch(name)
    return (found["training"], int(found["step"])) if found else None


def weights_of(files: dict[str, RepoFile]) -> dict[str, frozenset]:
    """As in `StepRevision`; nothing is fetched for it."""
    formats: dict[str, set] = defaultdict(set)
    for path, entry in files.items():
        if found := _WEIGHTS.fullmatch(path):
            formats[found[1]].add((path, entry.lfs.sha256 if entry.lfs else entry.blob_id))
    return {name: frozenset(found) for name, found in formats.items()}


def problems(revisions: list[StepRevision], all_known: bool) -> list[str]:
    """What is wrong with them, a line each.

    Args:
        revisions: of a repository.
        all_known: whether it is known which steps there are, so that none need be guessed to be missing.
    """
    by_training: dict[str, list[StepRevision]] = defaultdict(list)
    for revision in revisions:
        by_training[revision.training].append(revision)
    return [line for group in by_training.values() for line in _of_training(group, all_known)]


def _of_training(revisions: list[StepRevision], all_known: bool) -> Iterator[str]:
    yield from (f"{r.name}: no weights" for r in revisions if not r.weights and _is_first(r, revisions))
    yield from _of_one_step(revisions)
    yield from _same_weights(revisions)
    missing = {} if all_known else missing_steps(revision.step for revision in revisions)
    for words in dict.fromkeys(missing.values()):
        lacking = [f"{step:,}" for step, of in missing.items() if of == words]
        more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
        yield f"no step {', '.join(lacking[:_MOST_NAMED])}{more}, though there is one {words}"


def _is_first(revision: StepRevision, revisions: list[StepRevision]) -> bool:
    """Whether it is the first of its commit: a tag beside a branch is told once."""
    return next(r for r in revisions if r.commit == revision.commit) is revision


def _of_one_step(revisions: list[StepRevision]) -> Iterator[str]:
    """Names of one step that mean different models, or one name that means two commits."""
    steps: dict[int, list[StepRevision]] = defaultdict(list)
    for revision in revisions:
        steps[revision.step].append(revision)
    for of_step in steps.values():
        first, *others = of_step
        for other in others:
            named = f"{first.kind} {first.name} and {other.kind} {other.name}"
            if first.weights and other.weights and not _same(first, other):
                yield f"{named}: one step, but other weights"
            elif first.name == other.name and first.commit != other.commit:
                yield f"{named}: one name, but other commits"


def _same(one: StepRevision, other: StepRevision) -> bool:
    common = one.weights.keys() & other.weights.keys()
    return not common or any(one.weights[name] == other.weights[name] for name in common)


def _same_weights(revisions: Iterable[StepRevision]) -> Iterator[str]:
    """Different steps that have the same weights; of each step the first name."""
    names: dict[frozenset, dict[int, str]] = defaultdict(dict)
    for revision in revisions:
        for weights in revision.weights.values():
            names[weights].setdefault(revision.step, revision.name)
    told = dict.fromkeys(tuple(of_steps.values()) for of_steps in names.values() if len(of_steps) > 1)
    yield from (f"{', '.join(same)}: the same weights" for same in told)
