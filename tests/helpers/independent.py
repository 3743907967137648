"""Slow and plain second versions of what the package does, to compare it with."""

import unicodedata
from pathlib import Path

import numpy as np
import regex

from data_builder.random import uniforms

PACKAGE = Path(__file__).parents[2] / "data_builder"
ATTRIBUTES = ["birth_date", "birth_place", "university", "major", "company", "location"]
LISTS_OF = {
    "birth_place": "city",
    "university": "university",
    "major": "major",
    "company": "company",
    "location": "city",
}
WORD = regex.compile(r" ?[\p{L}\p{M}][\p{L}\p{M}\u200c\u200d]*| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]|\s")


def lines_of(kind, name):
    """The lines of a bundled file, e.g. `lines_of("templates", "major")`."""
    return (PACKAGE / kind / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")


def words(text):
    return WORD.findall(text)


def is_beginning(shorter, longer):
    return len(shorter) <= len(longer) and all(a == b for a, b in zip(shorter, longer, strict=False))


def normal_form(entry):
    """As SOURCES.md says: NFKD, no accents, case folded, runs of other characters one space."""
    bare = regex.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", entry)).casefold()
    return regex.sub(r"[^\p{L}\p{M}\p{N}]+", " ", bare).strip()


def full_name(source, parts):
    first, middle, last = parts
    lists = source.word_lists.lists
    return f"{lists['first_name'][first]} {lists['middle_name'][middle]} {lists['last_name'][last]}"


def value_text(source, attribute, number):
    """A birth date counts years fastest, then months, then days."""
    lists, name = source.word_lists.lists, ATTRIBUTES[attribute]
    if name != "birth_date":
        return lists[LISTS_OF[name]][number]
    rest, year = divmod(number, len(lists["year"]))
    day, month = divmod(rest, len(lists["month"]))
    return f"{lists['day'][day]} {lists['month'][month]} {lists['year'][year]}"


def sentence(source, attribute, template, parts, value):
    line = lines_of("templates", ATTRIBUTES[attribute])[template]
    filled = line.replace("{name}", full_name(source, parts))
    return filled.replace("{value}", value_text(source, attribute, value))


def biography(source, parts, values, templates, order):
    """The text that `Renderer.biography` should give for the bundled templates."""
    return " ".join(sentence(source, a, templates[a], parts, values[a]) for a in order)


def parse(source, person, text):
    """Read a true biography of `person` back: (attribute, template) of each sentence, or an AssertionError."""
    population = source.population
    parts, values = population.names[person].tolist(), population.values[person].tolist()
    known = {
        sentence(source, a, t, parts, values[a]): (a, t) for a in range(6) for t in range(population.n_templates[a])
    }
    found = []
    while text:
        fitting = [known_text for known_text in known if (text + " ").startswith(known_text + " ")]
        assert len(fitting) == 1, f"{len(fitting)} sentences fit {text!r}"
        found.append(known[fitting[0]])
        text = text[len(fitting[0]) + 1 :]
    return found


def drawn(source, seed, n=1):
    """Names, values, templates and order of sentences of `n` biographies, each drawn from all there are."""
    sizes = (*source.word_lists.name_sizes, *source.word_lists.value_sizes.values(), *source.population.n_templates)
    numbers = (uniforms(seed, "tests", (n, len(sizes))) * np.array(sizes)).astype(np.int64)
    return numbers[:, :3], numbers[:, 3:9], numbers[:, 9:], np.argsort(uniforms(seed, "order", (n, 6)), axis=1)


def one_drawn(source, seed):
    return [column[0].tolist() for column in drawn(source, seed)]


def is_uniform(counts):
    counts = [int(count) for count in counts]
    return fits(counts, [1 / len(counts)] * len(counts))


def fits(counts, probabilities):
    """Pearson's chi-square against expected probabilities, at six standard deviations of its distribution."""
    expected = [sum(counts) * probability for probability in probabilities]
    possible = [(count, mean) for count, mean in zip(counts, expected, strict=True) if mean]
    assert min(mean for _, mean in possible) >= 5, "too few draws to tell"
    chi_square, freedom = sum((count - mean) ** 2 / mean for count, mean in possible), len(possible) - 1
    only_possible = sum(count for count, _ in possible) == sum(counts)
    return only_possible and chi_square <= freedom + 6 * (2 * freedom) ** 0.5
