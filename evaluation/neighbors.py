"""Who speaks through the answers about people a model has never read of: seen people with similar names?"""

import numpy as np
from scipy.stats import hypergeom


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
    seen = np.arange(len(population))[population.groups["seen"].start : population.groups["seen"].stop]
    tokens = np.stack([first_tokens(tables, a, population.values[:, a]) for a in range(predicted.shape[1])], axis=1)
    hits, chances = ({name: [] for name in ("most_similar", *name_lists)} for _ in range(2))
    for person, answers in zip(unseen, predicted, strict=True):
        has = (tokens[seen] == answers)[:, answers != tokens[person]]  # (seen, wrong answers)
        shared = population.names[person] == population.names[seen]
        for name, near in (_most_similar(shared) | dict(zip(name_lists, shared.T, strict=True))).items():
            if near.any():
                hits[name].append(has[near].any(0))
                chances[name].append(hypergeom.sf(0, len(seen), has.sum(0), near.sum()))
    return {name: _means(hits[name], chances[name]) for name in hits}


def _most_similar(shared: np.ndarray) -> dict[str, np.ndarray]:
    """Who is nearest to a person with whom they share these parts of the name, (seen, parts)."""
    parts = shared.sum(1)
    return {"most_similar": (parts == parts.max()) & (parts > 0)}


def first_tokens(tables, attribute: int, values: np.ndarray) -> np.ndarray:
    """First token of each value of an attribute."""
    return tables.tokens[tables.starts[tables.values[attribute] + values]]


def _means(hits: list[np.ndarray], chances: list[np.ndarray]) -> dict[str, float | None]:
    n_answers = sum(map(len, hits))
    means = [float(np.concatenate(shares).mean()) if n_answers else None for shares in (hits, chances)]
    return {"hits": means[0], "chance": means[1], "answers": n_answers}


def whose_fact(population, person: int, attribute: int, value: int) -> list[tuple[int, int]]:
    """Seen individuals of whom a value is true, those whose names share most with a person's first.

    Returns:
        Pairs of individual and number of shared parts of the name.
    """
    seen = np.array(population.groups["seen"])
    those = seen[population.values[seen, attribute] == value]
    shared = (population.names[those] == population.names[person]).sum(1)
    order = np.argsort(-shared, kind="stable")
    return [*zip(those[order].tolist(), shared[order].tolist(), strict=True)]


def nearest(population, person: int, group: str) -> int:
    """The individual of a group whose name shares most parts with a person's."""
    members = np.array(population.groups[group])
    return int(members[(population.names[members] == population.names[person]).sum(1).argmax()])
