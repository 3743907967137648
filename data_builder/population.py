"""Who exists: unique names, attribute values and template splits, as arrays of integers.

Of a large population no array is whole in memory; each row is made when it is asked for (`data_builder.rows`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from command_line import UserError
from data_builder.random import permute, uniforms_of
from data_builder.rows import Rows, followed_by, kept

GROUPS = ("seen", "unseen", "new")


@dataclass(frozen=True)
class Population:
    """Individuals as integer arrays; individual *i* is row *i*.

    Attributes:
        names: (n, parts of a name) indices into the lists of names; rows are unique.
        values: (n, attributes) ids of attribute values.
        heldout: (n, attributes, h) ids of the templates kept for evaluation, ascending.
        n_templates: number of templates of each attribute.
        groups: the individuals of each group: seen in pre-training, unseen (never trained on),
            new (for fine-tuning); disjoint ranges.
    """

    names: np.ndarray | Rows
    values: np.ndarray | Rows
    heldout: np.ndarray | Rows
    n_templates: np.ndarray
    groups: dict[str, range]

    def __len__(self) -> int:
        return len(self.names)

    def with_people(self, names: np.ndarray, values: np.ndarray, seed: int) -> "Population":
        """This population and further people, who are the group `new` from then on.

        Args:
            names: (k, parts of a name) as in `names`.
            values: (k, attributes) as in `values`.
            seed: of the population; decides which templates are held out.
        """
        total = len(self) + len(names)
        heldout = _heldout_templates(self.n_templates, total, self.heldout.shape[2], seed)
        return Population(
            names=followed_by(self.names, names),
            values=followed_by(self.values, values),
            heldout=heldout,
            n_templates=self.n_templates,
            groups=self.groups | {"new": range(len(self), total)},
        )

    def draw_wording(
        self, individuals: np.ndarray, draws: np.ndarray, heldout: bool, own: np.ndarray | Rows | None = None
    ) -> "Wording":
        """Choose a template for each attribute and the order of the sentences.

        Args:
            individuals: (b,) who.
            draws: (b, 2 x attributes) uniform numbers in [0, 1) that decide.
            heldout: whether to choose from the templates kept for evaluation.
            own: (n, attributes, k) numbers of the templates, among those of training, that each individual is told in;
                all of these if None.
        """
        n_attributes = self.values.shape[1]
        wanted, kept = draws[:, :n_attributes], self.heldout[individuals]
        if heldout:
            templates = _chosen(kept, wanted)
        elif own is None:
            templates = self._training_template(kept, (wanted * (self.n_templates - kept.shape[2])).astype(np.int64))
        else:
            templates = self._training_template(kept, _chosen(own[individuals], wanted))
        return Wording(templates, np.argsort(draws[:, n_attributes:], axis=1, kind="stable"))

    def own_templates(self, n: int, seed: int) -> np.ndarray | Rows:
        """Which n templates of each attribute every individual is told in; `own` of `draw_wording`.

        Raises:
            UserError: there are not so many.
        """
        n_training = self.n_templates - self.heldout.shape[2]
        if n > n_training.min():
            raise UserError(
                f"templates_per_individual is {n}; it must be from 1 to {n_training.min()}, those that are not held out"
            )
        make = partial(_own_templates, seed=seed, n=n, n_training=n_training)
        return kept(Rows(make, len(self), (len(n_training), n)))

    @staticmethod
    def _training_template(kept: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """The choice-th of the templates that are not kept for evaluation."""
        for rank in range(kept.shape[2]):  # step over each kept one below it
            choice = choice + (choice >= kept[..., rank])
        return choice


def _chosen(templates: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """One of each individual's templates, (b, attributes, k), by uniform numbers, (b, attributes)."""
    choice = (draws * templates.shape[2]).astype(np.int64)
    return np.take_along_axis(templates, choice[..., None], axis=2)[..., 0].astype(np.int64)


def groups_of_run(
    groups: dict[str, range], finetuned: str | None = None, size: int | None = None, stages: Sequence[range] = ()
) -> dict[str, range]:
    """Whom a run measures.

    Args:
        groups: of the population.
        finetuned: whom a fine-tuning trains on: the first of the `new`, or the last of the seen ones (`rare`).
        size: how many of them.
        stages: whom earlier fine-tunings of the model trained on; this one goes on after them.

    Returns:
        `seen`, who were learned in pre-training and are not trained on now but by replay; `stage1`, `stage2`, ..., who
        were learned in earlier fine-tunings; `new` or `rare`, who are trained on; `unseen`.
    """
    unseen, learned = groups["unseen"], {f"stage{number}": people for number, people in enumerate(stages, 1)}
    seen, new = not_taught(groups, "rare", stages), not_taught(groups, "new", stages)
    if finetuned == "rare":
        return {"seen": seen[:-size]} | learned | {"rare": seen[-size:], "unseen": unseen}
    return {"seen": seen} | learned | ({"new": new[:size]} if finetuned else {}) | {"unseen": unseen}


def not_taught(groups: dict[str, range], finetuned: str, stages: Sequence[range]) -> range:
    """Of the people whom a fine-tuning may choose from, those whom none before it did.

    Args:
        groups, finetuned, stages: of `groups_of_run`.
    """
    pool = groups["seen" if finetuned == "rare" else "new"]
    taken = [people for people in stages if people.start in pool]
    if finetuned == "rare":  # from the last one on
        return range(pool.start, min((people.start for people in taken), default=pool.stop))
    return range(max((people.stop for people in taken), default=pool.start), pool.stop)


@dataclass(frozen=True)
class Wording:
    """How biographies are told.

    Attributes:
        templates: (b, attributes) template id of each attribute, in the order of the attributes.
        order: (b, attributes) the attributes in the order of their sentences.
    """

    templates: np.ndarray
    order: np.ndarray


def build_population(
    name_sizes: tuple[int, ...],
    value_sizes: tuple[int, ...],
    n_templates: tuple[int, ...],
    group_sizes: tuple[int, ...],
    n_heldout: int,
    seed: int,
) -> Population:
    """Draw a population; a pure function of its arguments.

    Individual *i* depends on the seed and *i* alone: a smaller population is the beginning of a
    larger one.

    Args:
        name_sizes: number of entries of each part of a name.
        value_sizes: number of values of each attribute.
        n_templates: number of templates of each attribute.
        group_sizes: how many individuals are seen, unseen and new.
        n_heldout: templates kept for evaluation, for each individual and attribute (paper: 5 of 25).
        seed: of the population.

    Raises:
        UserError: more individuals than full names.
    """
    n_names, total = math.prod(name_sizes), sum(group_sizes)
    if total > n_names:
        raise UserError(f"{total:,} individuals are more than the {n_names:,} full names of the word lists")
    ends = np.cumsum(group_sizes)
    names = Rows(partial(_full_names, name_sizes=name_sizes, seed=seed), total, (len(name_sizes),))
    values = Rows(partial(_values, sizes=np.array(value_sizes), seed=seed), total, (len(value_sizes),))
    return Population(
        names=kept(names),
        values=kept(values),
        heldout=_heldout_templates(np.array(n_templates), total, n_heldout, seed),
        n_templates=np.array(n_templates),
        groups={g: range(e - s, e) for g, s, e in zip(GROUPS, group_sizes, ends.tolist(), strict=True)},
    )


def population_of_rows(
    names: np.ndarray, values: np.ndarray, n_templates: tuple[int, ...], n_unseen: int, n_heldout: int, seed: int
) -> Population:
    """A population that somebody wrote down; the last `n_unseen` of its rows are unseen, the others seen.

    Args:
        names, values: as in `Population`.
        n_templates, n_heldout, seed: as in `build_population`.
    """
    total = len(names)
    groups = {"seen": range(total - n_unseen), "unseen": range(total - n_unseen, total), "new": range(total, total)}
    heldout = _heldout_templates(np.array(n_templates), total, n_heldout, seed)
    return Population(names, values, heldout, np.array(n_templates), groups)


def unused_names(draws: np.ndarray, name_sizes: tuple[int, ...], n_used: int, seed: int) -> np.ndarray:
    """Names that nobody of a population has, as in `Population.names`.

    Args:
        draws: (b,) uniform numbers in [0, 1) that decide.
        name_sizes: number of entries of each part of a name.
        n_used: individuals that `build_population` made, of that seed.
        seed: of the population.

    Raises:
        UserError: every name is somebody's.
    """
    n_left = math.prod(name_sizes) - n_used
    if not n_left:
        raise UserError(f"all {n_used:,} full names of the word lists are somebody's; none is left to invent")
    return _full_names(n_used + (draws * n_left).astype(np.int64), name_sizes, seed)


def who_has(names: np.ndarray, name_sizes: tuple[int, ...], seed: int) -> np.ndarray:
    """The individual that `build_population` of that seed gives each name, (b, parts of a name); (b,).

    There may be no such individual: a population has those below its size.
    """
    return permute(np.ravel_multi_index(names.T, name_sizes), math.prod(name_sizes), seed, "names", back=True)


def _full_names(individuals: np.ndarray, name_sizes: tuple[int, ...], seed: int) -> np.ndarray:
    full_names = permute(individuals, math.prod(name_sizes), seed, "names")
    return np.stack(np.unravel_index(full_names, name_sizes), axis=1).astype(np.int32)


def _values(individuals: np.ndarray, sizes: np.ndarray, seed: int) -> np.ndarray:
    return (uniforms_of(seed, ["values"], individuals, len(sizes))[0] * sizes).astype(np.int32)


def _own_templates(individuals: np.ndarray, seed: int, n: int, n_training: np.ndarray) -> np.ndarray:
    first = uniforms_of(seed, ["own templates"], individuals, len(n_training))[0] * n_training
    return ((first.astype(np.int64)[..., None] + np.arange(n)) % n_training[:, None]).astype(np.uint8)


def _heldout_templates(n_templates: np.ndarray, total: int, n_heldout: int, seed: int) -> np.ndarray | Rows:
    """A uniformly random subset for each individual and attribute (Floyd's algorithm), sorted."""
    make = partial(_heldout, n_templates=n_templates, n_heldout=n_heldout, seed=seed)
    return kept(Rows(make, total, (len(n_templates), n_heldout)))


def _heldout(individuals: np.ndarray, n_templates: np.ndarray, n_heldout: int, seed: int) -> np.ndarray:
    heldout = np.full((len(individuals), len(n_templates), n_heldout), 255, dtype=np.uint8)
    draws = uniforms_of(seed, [f"heldout {rank}" for rank in range(n_heldout)], individuals, len(n_templates))
    for rank in range(n_heldout):
        last = n_templates - n_heldout + rank
        choice = (draws[rank] * (last + 1)).astype(np.uint8)
        taken = (heldout[..., :rank] == choice[..., None]).any(axis=2)
        heldout[..., rank] = np.where(taken, last, choice)
    heldout.sort(axis=2)
    return heldout
