"""Texts of a model read back: whom they name, what they state, and whether it is true."""

import csv

import numpy as np
import pytest

from data_builder import rows
from data_builder.biographies import Renderer
from data_builder.random import uniforms
from data_builder.source import Source
from evaluation.written import Reader, truth
from settings.data import DataSettings
from tests.helpers.toys import ADA, SMALL


def told(source, people):
    """Biographies, and the facts in them, sentence by sentence."""
    renderer, population = Renderer(source), source.population
    draws = uniforms(0, "test", (len(people), 2 * population.values.shape[1]))
    wording = population.draw_wording(people, draws, heldout=True)
    rows = zip(population.names[people], population.values[people], wording.templates, wording.order, strict=True)
    texts = [renderer.biography(*row).text for row in rows]
    facts = [
        [(who, a, population.values[who][a]) for a in order] for who, order in zip(people, wording.order, strict=True)
    ]
    return texts, facts


@pytest.mark.parametrize("kind", ["source", "full_source"])
def test_what_was_rendered_is_read_back(kind, request):
    source = request.getfixturevalue(kind)
    texts, facts = told(source, np.arange(80))
    reader = Reader(source)
    assert [list(reader.facts(text)) for text in texts] == facts


def test_large_populations_and_own_people_are_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "LONGEST_KEPT", -1)  # nobody is in a table
    table = tmp_path / "people.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ADA)
        writer.writeheader()
        writer.writerow(ADA)
    source = Source.build(DataSettings(**SMALL, new_individuals=str(table)))
    people = np.arange(len(source.population))
    texts, facts = told(source, people)
    assert [list(Reader(source).facts(text)) for text in texts] == facts
    found = truth(texts, source, [range(len(people))])
    assert (found["share_taught"], found["share_true"], found["n_individuals"]) == (1.0, 1.0, len(people))


def test_what_is_true_is_told_from_what_is_not(source):
    groups, everybody = source.population.groups, np.arange(len(source.population))
    texts, _ = told(source, everybody)
    seen, unseen = (texts[people.start : people.stop] for people in (groups["seen"], groups["unseen"]))
    all_true = {"sentences": 360, "share_read": 1.0, "share_taught": 1.0, "share_true": 1.0, "n_individuals": 60}
    assert truth(seen, source, [groups["seen"]]) == all_true
    found = truth(seen + unseen, source, [groups["seen"]])
    assert (found["share_taught"], found["share_true"], found["n_individuals"]) == (0.75, 1.0, 60)
    assert truth([], source, [groups["seen"]])["share_true"] is None


def test_sentences_that_are_none_names_that_nobody_has_and_wrong_values(source):
    renderer, (text, *_) = Renderer(source), told(source, np.arange(2))[0]
    reader, (first, *rest) = Reader(source), list(Reader(source).facts(text))
    name, value = renderer.name(source.population.names[0]), renderer.values[first[1]][first[2]]
    other = next(v for v in renderer.values[first[1]] if v != value and not v.startswith(value))
    assert next(reader.facts(text.replace(value, other, 1))) == (0, first[1], renderer.values[first[1]].index(other))
    nobody = " ".join([*name.split()[:-1], next(w for w in sorted(reader.words) if w not in name)])
    assert reader.individual(nobody) is None
    assert {who for who, *_ in reader.facts(text.replace(name, nobody))} == {None}
    broken = text.replace(value, "Nowhere in the Lists", 1)
    assert list(reader.facts(broken)) == [None, *rest]
    assert list(reader.facts("There is. no sentence")) == [None, None]
    assert list(reader.facts("")) == []
