"""What is shown of a run, as plain data: functions of a run, a step and an individual."""

import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analysis.curves import curves, groups_of
from analysis.grouping import differing, grouped
from analysis.phases import phases_of
from command_line import UserError
from data_builder.questions import Question, questions
from evaluation.attention_map import attention_in
from evaluation.detection import risk_coverage
from evaluation.hallucination import answers, separation
from evaluation.neighbors import nearest, whose_fact
from evaluation.probes import probe_predictions
from evaluation.questions import continuation, likeliest, prompt_tokens
from explorer.source import Explored
from run_directory.records import baseline

N_BINS = 20  # of confidence
_PEOPLE = 128  # of each group, whose answers make the histograms
_FOUND = 20
_CONTINUED = 16  # tokens
_OWNERS = 3
_SENTENCES = 2  # whose attention is shown


@dataclass(frozen=True)
class Answered:
    """A question with the likeliest answers.

    Attributes:
        question: with the truth.
        answers: pairs of value and probability, falling.
        value: number of the likeliest value.
        entropy: of the first token, in nats.
    """

    question: Question
    answers: list[tuple[str, float]]
    value: int
    entropy: float

    @property
    def right(self) -> bool:
        """Whether the likeliest answer is the truth."""
        return self.answers[0][0] == self.question.truth


@lru_cache(256)
def interview(explored: Explored, step: int, person: int) -> list[Answered]:
    """All questions about an individual, and what the model of a step answers."""
    asked = questions(explored.source, explored.renderer, person)
    prompts = prompt_tokens(explored.source, explored.stream.tables, person)
    model, found = explored.model(step), []
    for number, (question, prompt) in enumerate(zip(asked, prompts, strict=True)):
        best, entropy = likeliest(model, prompt, explored.values[number])
        texts = [(explored.renderer.values[number][value], probability) for value, probability in best]
        found.append(Answered(question, texts, best[0][0], entropy))
    return found


def twin(explored: Explored, person: int) -> int:
    """The unseen individual with the most similar name; of an unseen one, itself."""
    if explored.group(person) == "unseen":
        return person
    if not len(explored.source.population.groups["unseen"]):
        raise UserError("this population has no unseen individuals; make one with --n_unseen")
    return nearest(explored.source.population, person, "unseen")


def owners(explored: Explored, step: int, person: int) -> list[tuple[Answered, list[tuple[str, int]], int]]:
    """Of each answer about an individual: seen people of whom it is true, nearest names first, and how many they are.

    A person comes with the number of parts of the name that are shared.
    """
    told = []
    for attribute, answer in enumerate(interview(explored, step, person)):
        true_of = whose_fact(explored.source.population, person, attribute, answer.value)
        told.append((answer, [(explored.names[who], parts) for who, parts in true_of[:_OWNERS]], len(true_of)))
    return told


def search(explored: Explored, text: str) -> list[int]:
    """Individuals whose name holds all words of a text, whatever their case; the first few."""
    words = text.casefold().split()
    found = (i for i, name in enumerate(explored.names) if all(word in name.casefold() for word in words))
    return [person for _, person in zip(range(_FOUND), found, strict=False)]


def surprise(explored: Explored, group: str) -> int | None:
    """Somebody of a group; None if nobody is in it."""
    members = explored.source.population.groups[group]
    return random.choice(members) if members else None


@lru_cache(64)
def _answers(explored: Explored, step: int, group: str):
    return probe_predictions(explored.model(step), explored.stream.probe(group, _PEOPLE))


@dataclass(frozen=True)
class Confidence:
    """How sure the first token of answers is, 0-1, by group; and what is known where only sure answers are given."""

    counts: dict[str, np.ndarray]  # shares of answers in N_BINS bins
    coverage: np.ndarray
    risk: np.ndarray
    auroc: float | None
    given: dict[str, float]  # at the threshold: share of answers, by group and of both
    wrong: dict[str, float | None]  # of these, the share that is wrong


def confidence(explored: Explored, step: int, threshold: float) -> Confidence:
    """Confidence of answers about equally many seen and unseen people; those from a threshold on are given."""
    groups = [group for group in ("seen", "unseen") if explored.source.population.groups[group]]
    flats = {group: _answers(explored, step, group) for group in groups}
    told = {group: answers(flat) for group, flat in flats.items()}
    number = min(len(one["right"]) for one in told.values())
    top = {group: one["top_probabilities"][:number].ravel() for group, one in told.items()}
    right = {group: one["right"][:number].ravel() for group, one in told.items()}
    counts = {group: np.histogram(t, N_BINS, (0, 1))[0] / len(t) for group, t in top.items()}
    both = "both"
    top[both], right[both] = (np.concatenate([*part.values()]) for part in (top, right))
    given = {group: t >= threshold for group, t in top.items()}
    wrong = {group: float(1 - right[group][g].mean()) if g.any() else None for group, g in given.items()}
    auroc = separation(*flats.values())["unseen_auroc_top_probability"] if len(groups) == 2 else None
    shares = {group: float(g.mean()) for group, g in given.items()}
    return Confidence(counts, *risk_coverage(top[both], right[both]), auroc, shares, wrong)


@dataclass(frozen=True)
class Attended:
    """Attention of every head, from the place where the last value is predicted.

    Attributes:
        tokens, kinds: of the text before that value; a kind is `text`, `name` or `value`.
        value: the value's tokens, joined.
        shares: (layers, heads, tokens) attention, 0-1.
        to_names: (layers, heads) of it, what is paid to names.
    """

    tokens: list[str]
    kinds: list[str]
    value: str
    shares: np.ndarray
    to_names: np.ndarray


def attended(explored: Explored, step: int, person: int) -> Attended:
    """Where the model of a step looks when it is about to say the second value of a biography.

    Raises:
        UserError: a model without attention.
    """
    sentences = min(_SENTENCES, len(explored.renderer.values))
    attention, tokens, kinds = attention_in(
        explored.stream, explored.model(step), explored.tokenizer, person, sentences
    )
    end = len(kinds)
    while kinds[end - 1] == "value":
        end -= 1
    shares = attention[:, :, end - 1, :end]
    is_name = np.array(kinds[:end]) == "name"
    return Attended(tokens[:end], kinds[:end], " ".join(tokens[end:]), shares, shares[..., is_name].sum(-1))


def completed(explored: Explored, step: int, prompt: str) -> list[list[tuple[str, float]]]:
    """A text of the user's, continued token by token: the likeliest ones with their probabilities.

    Raises:
        UserError: no text, or more than the model can read.
    """
    model = explored.model(step)
    tokens = explored.tokenizer(prompt)["input_ids"] if prompt.strip() else []
    if not tokens:
        raise UserError("type the beginning of a sentence")
    if tokens[-1] == explored.tokenizer.eos_token_id:
        tokens = tokens[:-1]
    room = (getattr(model.config, "max_position_embeddings", None) or 1 << 20) - _CONTINUED
    if len(tokens) > room:
        raise UserError(f"{len(tokens):,} tokens are more than the {room:,} that this model can read and continue")
    steps = continuation(model, tokens, _CONTINUED)
    return [[(explored.tokenizer.decode([token]), p) for token, p in step] for step in steps]


CURVES = {"attribute_loss": "attribute loss (nats)", "attribute_accuracy": "attribute accuracy", "bits": "learned bits"}


@dataclass(frozen=True)
class Lines:
    """A metric over steps: of each group of people or runs, steps, means and the range over seeds."""

    title: str
    lines: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
    baseline: float | None


def learning_curves(explored: Explored) -> list[Lines]:
    """Loss, accuracy and learned bits of all groups of people that were measured."""
    panels = []
    for quantity, title in CURVES.items():
        lines = {}
        for group in groups_of(explored.run):
            steps, values = explored.run.curve(f"{group}_{quantity}")
            if len(steps):
                lines[group] = (steps, values, values, values)
        if lines:
            floor = baseline(explored.run) if quantity == "attribute_loss" else None
            panels.append(Lines(title, lines, floor))
    return panels


def phases(explored: Explored) -> tuple[float | None, float | None] | None:
    """Where the plateau begins and ends, in steps; None of a run without phases."""
    if not explored.run.has_phases:
        return None
    found = phases_of(explored.run)
    return found.plateau_start, found.plateau_end


def compared(all_explored: list[Explored]) -> tuple[dict[str, dict[str, str | None]], list[Lines]]:
    """Runs side by side: the settings in which they differ, and curves of what seen people are known; seeds are a band.

    Raises:
        UserError: a single run.
    """
    if len(all_explored) < 2:
        raise UserError("one run only; name several to compare them: python -m explorer runs/mine runs/other")
    groups, panels = grouped([explored.run for explored in all_explored]), []
    for quantity, title in CURVES.items():
        lines = {}
        for name, runs in groups.items():
            steps, values = curves(runs, f"seen_{quantity}")
            if values.size:
                lines[name] = (steps[0], values.mean(0), values.min(0), values.max(0))
        if lines:
            floor = baseline(all_explored[0].run) if quantity == "attribute_loss" else None
            panels.append(Lines(title, lines, floor))
    return differing(groups), panels
