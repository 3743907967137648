"""First sentences of biographies up to their value, with every token's place, and the same about somebody else.

What is asked in a first sentence is asked before anything else was said of the person, and the name stands there once:
so there is one place where it can be recognized, and nothing that could be copied.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import takewhile

import numpy as np
import torch

from command_line import UserError
from data_builder.population import Wording
from data_builder.random import permute, uniforms
from modeling.interventions import last_states

# Places of tokens as in Meng et al. (2022), Fig. 2: what stands before the name, the name's first, middle and last
# tokens, the first token after it, further ones, and the last token, which predicts the value. The only token of a name
# is its last one; a token that is last both of the name and of the prompt is the prompt's.
POSITIONS = ("before_name", "first_name", "middle_name", "last_name", "after_name", "further", "before_value")
# Names of several places together.
SETS = {
    "name": ("first_name", "middle_name", "last_name"),
    "rest_of_name": ("first_name", "middle_name"),
    "between": ("after_name", "further"),
    "text": ("before_name", "after_name", "further"),
} | {position: (position,) for position in POSITIONS}
_PADDING = -1
_TRIES = 64  # people with whom somebody's name may be exchanged


@dataclass(frozen=True)
class Prompts:
    """Questions, row by row; of `prompts_about` all attributes of the first individual, then of the next.

    Attributes:
        input_ids: (n, length), padded on the right.
        positions: (n, length) place of each token in POSITIONS, -1 where padded.
        last: (n,) column of the last token of each prompt.
        answers: (n,) first token of the true value; where all values begin alike, the first that tells them apart.
        people: (n,) individuals.
        asked: (n,) attribute that is asked for, 0, 1, ...
    """

    input_ids: torch.Tensor
    positions: torch.Tensor
    last: torch.Tensor
    answers: torch.Tensor
    people: torch.Tensor
    asked: torch.Tensor

    def __len__(self) -> int:
        return len(self.last)

    def rows(self, which) -> "Prompts":
        """Some of them: a slice, numbers or booleans."""
        return Prompts(*(getattr(self, item.name)[which] for item in fields(self)))

    def chunks(self, size: int) -> Iterator["Prompts"]:
        """So many at a time, none wider than its longest."""
        for start in range(0, len(self), size):
            part = self.rows(slice(start, start + size))
            width = int(part.last.max()) + 1
            yield replace(part, input_ids=part.input_ids[:, :width], positions=part.positions[:, :width])

    def log_probabilities(self, model, states: torch.Tensor | None = None) -> torch.Tensor:
        """Of the token after each prompt, (times * n, vocabulary).

        Args:
            model: a stock causal language model.
            states: its last hidden states of all prompts, so many times, (times * n, length, width); those of the
                model as it is, once, if not told.
        """
        states = last_states(model, self.input_ids.to(model.device)) if states is None else states
        last = states[torch.arange(len(states)), self.last.repeat(len(states) // len(self))]
        return model.get_output_embeddings()(last).float().log_softmax(1)

    @torch.no_grad()
    def truth(self, model, states: torch.Tensor | None = None) -> np.ndarray:
        """Log-probability of the true answers in nats, (times, n); arguments of `log_probabilities`."""
        log_p = self.log_probabilities(model, states).reshape(-1, len(self), model.config.vocab_size)
        return log_p[:, torch.arange(len(self)), self.answers].cpu().numpy().astype(float)

    def at(self, place: str) -> torch.Tensor:
        """Which tokens stand at one of SETS, (n, length) bool."""
        return torch.isin(self.positions, torch.tensor([POSITIONS.index(position) for position in SETS[place]]))


def chosen_people(members: range, size: int) -> np.ndarray:
    """So many members of a group, always the same, in no order; all if there are fewer."""
    return members.start + permute(np.arange(min(size, len(members))), len(members), 0, "looked into")


def prompts_about(stream, people: np.ndarray, heldout: bool = True) -> Prompts:
    """Each attribute of some individuals, in wording held out for them or in the one they are trained with.

    Args:
        stream: of biographies; its population and token tables are used.
        people: (k,) individuals.
    """
    rows, wording = _asked(stream.population, people, heldout)
    return _told(stream, rows, rows, wording)


def _asked(population, people: np.ndarray, heldout: bool) -> tuple[np.ndarray, Wording]:
    """An individual for each row, and the wording; the attribute that is asked for comes first."""
    n = population.values.shape[1]
    rows = np.repeat(people, n)
    purpose = f"prompts, {'held-out' if heldout else 'training'} wording"
    draws = np.concatenate([uniforms(0, purpose, (n, 2 * n), step=int(person)) for person in people])
    order = np.tile([np.roll(np.arange(n), -first) for first in range(n)], (len(people), 1))
    return rows, Wording(population.draw_wording(rows, draws, heldout).templates, order)


def _told(stream, named: np.ndarray, valued: np.ndarray, wording: Wording, width: int | None = None) -> Prompts:
    """Prompts with the names of some people and the values of others, in a wording; as wide as the longest if not told.

    Of longer ones the end is missing.
    """
    population = stream.population
    told = stream.tables.assemble(population.names[named], population.values[valued], wording, with_names=True)
    shared = _shared_tokens(stream.tables, tuple(stream.value_sizes.values()))
    first = (told["attribute_ids"] > 0).argmax(1) + shared[wording.order[:, 0]]
    width = width or int(first.max())
    ids, names = (_as_wide(told[key], width) for key in ("input_ids", "name_ids"))
    columns = {
        "input_ids": np.where(np.arange(width) < first[:, None], ids, 0),
        "positions": _positions(names == 1, first),
        "last": first - 1,
        "answers": told["input_ids"][np.arange(len(first)), first],
        "people": named,
        "asked": wording.order[:, 0],
    }
    return Prompts(**{key: torch.from_numpy(np.ascontiguousarray(column)) for key, column in columns.items()})


@lru_cache(maxsize=1)
def _shared_tokens(tables, sizes: tuple[int, ...]) -> np.ndarray:
    """With how many tokens all values of an attribute begin; the space before numbers is one for some tokenizers."""
    shared = []
    for first, size in zip(tables.values, sizes, strict=True):
        spans = zip(tables.starts[first : first + size], tables.lengths[first : first + size], strict=True)
        values = [tables.tokens[start : start + length - 1].tolist() for start, length in spans]
        extremes = zip(min(values), max(values), strict=False)  # in the order of a dictionary: all others begin so, too
        shared.append(len(list(takewhile(lambda tokens: tokens[0] == tokens[1], extremes))))
    return np.array(shared)


def _as_wide(rows: np.ndarray, width: int) -> np.ndarray:
    return np.pad(rows[:, :width], ((0, 0), (0, max(0, width - rows.shape[1]))))


def _positions(is_name: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The place of each token, (n, length)."""
    place = {position: number for number, position in enumerate(POSITIONS)}
    columns = np.arange(is_name.shape[1])
    begin = is_name.argmax(1)[:, None]
    end = is_name.shape[1] - 1 - is_name[:, ::-1].argmax(1)[:, None]
    found = np.full(is_name.shape, place["further"])
    found[columns < begin] = place["before_name"]
    found[is_name] = place["middle_name"]
    found[columns == begin] = place["first_name"]
    found[columns == end] = place["last_name"]
    found[columns == end + 1] = place["after_name"]
    found[columns == lengths[:, None] - 1] = place["before_value"]
    found[columns >= lengths[:, None]] = _PADDING
    return found


def exchanged(stream, people: np.ndarray, pool: np.ndarray) -> tuple[Prompts, Prompts]:
    """Prompts about some individuals, and each with another individual's name in its place, token for token.

    Args:
        stream: of biographies.
        people: (k,) individuals.
        pool: individuals whose names are taken.

    Returns:
        As of `prompts_about`, but for those for whom nobody was found, and the same with other names: of as many
        tokens, with another token at each place of the name (if nobody has such a name, at some of them), and of
        somebody with another answer. `answers` are in both what is true of `people`.

    Raises:
        UserError: nobody in the pool has a name like that.
    """
    rows, wording = _asked(stream.population, people, heldout=True)
    clean = _told(stream, rows, rows, wording)
    others = replace(clean, input_ids=clean.input_ids.clone(), people=clean.people.clone())
    missing = np.ones(len(rows), dtype=bool)
    for attempt in range(_TRIES):
        (where,) = missing.nonzero()
        if not len(where):
            break
        partners = pool[(uniforms(0, "exchanged names", rows.shape, step=attempt)[where] * len(pool)).astype(np.int64)]
        of_rows = Wording(wording.templates[where], wording.order[where])
        tried, own = (
            _told(stream, partners, who, of_rows, clean.input_ids.shape[1]) for who in (rows[where], partners)
        )
        aligned = _aligned(clean.rows(where), tried, everywhere=attempt < _TRIES / 2)
        fits = (aligned & (own.answers != tried.answers)).numpy()
        others.input_ids[where[fits]], others.people[where[fits]] = tried.input_ids[fits], tried.people[fits]
        missing[where[fits]] = False
    if missing.all():
        raise UserError(
            "nobody has another name of as many tokens and another answer, so no name can be exchanged; "
            "take more individuals"
        )
    return clean.rows(torch.from_numpy(~missing)), others.rows(torch.from_numpy(~missing))


def _aligned(clean: Prompts, other: Prompts, everywhere: bool) -> torch.Tensor:
    """Which rows have the same places, other tokens in all of the name or in some, and no others."""
    same_places = (clean.positions == other.positions).all(1) & (clean.last == other.last)
    differs, of_name = clean.input_ids != other.input_ids, clean.at("name")
    as_wanted = (differs | ~of_name).all(1) if everywhere else differs.any(1)
    return same_places & as_wanted & ~(differs & ~of_name).any(1)
