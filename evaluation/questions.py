"""Questions as a model reads them, and its likeliest answers."""

import numpy as np
import torch

from data_builder.population import Wording
from data_builder.questions import wording_of
from data_builder.source import Source

_BEAM = 16  # beginnings of values that are followed


def prompt_tokens(source: Source, tables, person: int) -> list[list[int]]:
    """The tokens of each question's prompt, as the stream makes them: a biography that begins with this sentence."""
    population, n = source.population, source.population.values.shape[1]
    order = np.stack([np.roll(np.arange(n), -first) for first in range(n)])
    wording = Wording(np.repeat(wording_of(population, person).templates, n, axis=0), order)
    rows = np.full(n, person)
    told = tables.assemble(population.names[rows], population.values[rows], wording)
    return [ids[: (a > 0).argmax()].tolist() for ids, a in zip(told["input_ids"], told["attribute_ids"], strict=True)]


class Values:
    """The values of an attribute as a tree of tokens.

    Args:
        tables: the stream's `TokenTables`.
        attribute: its number.
        size: how many values it has.
    """

    def __init__(self, tables, attribute: int, size: int):
        pieces = tables.values[attribute] + np.arange(size)
        ends = zip(tables.starts[pieces], tables.lengths[pieces], strict=True)
        self.ends = {tuple(tables.tokens[s : s + n].tolist()): value for value, (s, n) in enumerate(ends)}
        following: dict[tuple, set] = {}
        for tokens in self.ends:
            for length in range(len(tokens)):
                following.setdefault(tokens[:length], set()).add(tokens[length])
        self.following = {begun: sorted(tokens) for begun, tokens in following.items()}


def likeliest(model, prompt: list[int], values: Values, n: int = 5) -> tuple[list[tuple[int, float]], float]:
    """The likeliest values after a prompt, by a beam search over the tree of values.

    Returns:
        Pairs of value and probability (the product over its tokens), falling; the entropy of the first token in nats.
    """
    begun, found, entropy = [((), 0.0)], [], None
    while begun:
        log_p = next_log_probabilities(model, [[*prompt, *tokens] for tokens, _ in begun])
        entropy = float(-(log_p[0].exp() * log_p[0]).sum()) if entropy is None else entropy
        grown = [
            ((*tokens, token), score + float(log_p[row, token]))
            for row, (tokens, score) in enumerate(begun)
            for token in values.following[tokens]
        ]
        found += [(values.ends[tokens], score) for tokens, score in grown if tokens in values.ends]
        grown.sort(key=lambda item: -item[1])
        begun = [item for item in grown if item[0] in values.following][:_BEAM]
    found.sort(key=lambda item: -item[1])
    return [(value, float(np.exp(score))) for value, score in found[:n]], entropy


@torch.no_grad()
def next_log_probabilities(model, rows: list[list[int]]) -> torch.Tensor:
    """Logarithms of the next token's probabilities after rows of equally many tokens, (rows, vocabulary)."""
    ids = torch.tensor(rows)
    output = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)  # which else it warns of
    return output.logits[:, -1].float().log_softmax(-1)


def continuation(model, tokens: list[int], n_tokens: int, n_others: int = 3) -> list[list[tuple[int, float]]]:
    """The greedy continuation of a text, token by token until its end: the likeliest tokens with their probabilities.

    Args:
        model: a stock causal language model.
        tokens: of the text.
        n_tokens: to add at most.
        n_others: how many other tokens are told of at each place.
    """
    steps, end = [], model.config.eos_token_id
    for _ in range(n_tokens):
        log_p, ids = next_log_probabilities(model, [tokens])[0].topk(1 + n_others)
        steps.append([*zip(ids.tolist(), log_p.exp().tolist(), strict=True)])
        tokens = [*tokens, steps[-1][0][0]]
        if tokens[-1] == end:
            break
    return steps
