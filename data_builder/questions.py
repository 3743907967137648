"""Questions about single individuals, each a sentence up to its value, in wording held out for them."""

from dataclasses import dataclass

import numpy as np

from data_builder.biographies import Renderer
from data_builder.population import Population, Wording
from data_builder.random import uniforms
from data_builder.source import Source

# Of each group, in the table `questions`: thousands of questions measure a group well enough, and cost little.
ASKED = 1000


@dataclass(frozen=True)
class Question:
    """A sentence of a biography up to its value.

    Attributes:
        attribute: what is asked for.
        prompt: the sentence before the value, without the space between them.
        truth: the value.
        tail: the sentence after it.
    """

    attribute: str
    prompt: str
    truth: str
    tail: str


def wording_of(population: Population, person: int) -> Wording:
    """The one wording in which an individual is asked about; it was never trained on in it."""
    draws = uniforms(0, "questions", (1, 2 * population.values.shape[1]), step=person)
    return population.draw_wording(np.array([person]), draws, heldout=True)


def questions(source: Source, renderer: Renderer, person: int) -> list[Question]:
    """One for each attribute."""
    population, asked = source.population, []
    name, values = renderer.name(population.names[person]), population.values[person]
    for attribute, template in enumerate(wording_of(population, person).templates[0]):
        sentence = renderer.templates[attribute][template]
        prompt = f"{sentence.head} {name}{sentence.middle}".lstrip()
        truth = renderer.values[attribute][values[attribute]]
        asked.append(Question(list(source.world.attributes)[attribute], prompt, truth, sentence.tail))
    return asked


def asked(members: range) -> list[int]:
    """Who of a group is asked about: all, or ASKED of them evenly, since the first ones may be read of more often."""
    size = min(len(members), ASKED)
    return [members[number * len(members) // size] for number in range(size)]
