"""Who speaks through the answers about people a model has never read of: seen people with similar names?"""

import numpy as np
from scipy.stats import hypergeom

from data_builder.rows import in_blocks


def neighbor_answers(
    population, name_lists: tuple[str, ...], tables, unseen: np.ndarray, predicted: np.ndarray
) -> dict[str, dict[str, float]]:
    """How often a wrong answer is true of a seen individual with a similar name.

    An answer is compared by its first token.

    Args:
        population: of seen and unseen individuals.
        name_lists: what the parts of a name are called.
        tables: the stream's `TokenTables`.
        unseen: (u,) individuals.
        predicted: (u, attributes) the first token of the model's answer about each attribute.

    Returns:
        For `most_similar` (the seen individuals who share the most parts of the name, at least one), and for those
        who share a part of it, as `first_name`: `hits`, the share of wrong answers that are true of
        at least one of them; `chance`, that share for as many seen individuals taken at random; `answers`, how many
        wrong answers were looked at.
    """
    seen, n_parts = population.groups["seen"], len(name_lists)
    names, tokens = population.names[unseen], _first_tokens(population, tables, unseen)
    n_near = np.zeros((len(unseen), 2 * n_parts), dtype=np.int64)
    n_true, n_hits = np.zeros(predicted.shape, dtype=np.int64), np.zeros((*n_near.shape, predicted.shape[1]))
    for block in in_blocks(seen):
        of_block, told = population.names[block], _first_tokens(population, tables, block)
        for row, answers in enumerate(predicted):
            near, true = _near(of_block == names[row]), (told == answers).astype(np.float32)
            n_near[row] += near.sum(0, dtype=np.int64)
            n_true[row] += true.sum(0, dtype=np.int64)
            n_hits[row] += near.T @ true  # at most BLOCK, so exact
    hits, chances = ({name: [] for name in ("most_similar", *name_lists)} for _ in range(2))
    for row, wrong in enumerate(predicted != tokens):
        most = np.flatnonzero(n_near[row, :n_parts])[-1:]
        for name, kind in zip(hits, [*most, *range(n_parts, 2 * n_parts)] if len(most) else [], strict=False):
            if n_near[row, kind]:
                hits[name].append(n_hits[row, kind][wrong] > 0)
                chances[name].append(hypergeom.sf(0, len(seen), n_true[row, wrong], n_near[row, kind]))
    return {name: _means(hits[name], chances[name]) for name in hits}


def _near(shared: np.ndarray) -> np.ndarray:
    """In which ways somebody's name is like another's, 0 or 1, by which parts of the name they share, (b, parts).

    Returns:
        (b, 2 x parts): whether they share exactly 1, 2, ... parts; whether they share the first, second, ... part.
    """
    counts = np.arange(1, 1 + shared.shape[1])
    return np.concatenate((shared.sum(1)[:, None] == counts, shared), axis=1).astype(np.float32)


def _first_tokens(population, tables, people: np.ndarray) -> np.ndarray:
    """First token of each value of some individuals, (b, attributes)."""
    return tables.tokens[tables.starts[population.values[people] + np.array(tables.values)]]


def _means(hits: list[np.ndarray], chances: list[np.ndarray]) -> dict[str, float | None]:
    n_answers = sum(map(len, hits))
    means = [float(np.concatenate(shares).mean()) if n_answers else None for shares in (hits, chances)]
    return {"hits": means[0], "chance": means[1], "answers": n_answers}


def whose_fact(population, person: int, attribute: int, value: int) -> list[tuple[int, int]]:
    """Seen individuals of whom a value is true, those whose names share most with a person's first.

    Returns:
        Pairs of individual and number of shared parts of the name.
    """
    blocks = in_blocks(population.groups["seen"])
    those = np.concatenate([block[population.values[block][:, attribute] == value] for block in blocks])
    shared = (population.names[those] == population.names[person]).sum(1)
    order = np.argsort(-shared, kind="stable")
    return [*zip(those[order].tolist(), shared[order].tolist(), strict=True)]


def nearest(population, person: int, group: str) -> int:
    """The individual of a group whose name shares most parts with a person's."""
    name = population.names[person]
    shared = [(population.names[block] == name).sum(1) for block in in_blocks(population.groups[group])]
    return population.groups[group][int(np.concatenate(shared).argmax())]
