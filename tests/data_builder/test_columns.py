"""Columns that are made by array operations, against the renderer that tells one biography after the other."""

import numpy as np
import pytest

from data_builder.biographies import Renderer
from data_builder.columns import TextTables, lists
from data_builder.random import uniforms
from data_builder.source import Source
from settings.data import DataSettings
from tests.helpers.toys import ADA, SMALL, table, write_world

PLATO = ADA | {"name": "Πλάτων", "university": "Ἀκαδημία"}  # two parts fewer, letters of two and three bytes


def sources(tmp_path):
    yield Source.build(DataSettings(**SMALL, new_individuals=table(tmp_path / "mine.csv", ADA, PLATO)))
    entries = {
        "god": ["Óðinn", "Þórr", "Freyr"],
        "realm": ["Ásgarðr", "Vanaheimr", "Jǫtunheimr"],
        "kin": ["Æsir", "Vanir"],
    }
    world = write_world(tmp_path / "own", ["god"], {"home": ["realm"], "kin": ["kin"]}, entries)
    yield Source.build(DataSettings(**world, n_individuals=2, n_unseen=1, n_new=0, n_heldout_templates=1))


@pytest.mark.parametrize("heldout", [False, True])
def test_texts_and_spans_are_those_that_the_renderer_gives_one_by_one(tmp_path, heldout):
    for source in sources(tmp_path):
        people, renderer = source.population, Renderer(source)
        who = np.arange(60) % len(people)
        wording = people.draw_wording(who, uniforms(0, "columns", (60, 2 * people.values.shape[1])), heldout)
        rows = (people.names[who], people.values[who], wording.templates, wording.order)
        told = [renderer.biography(*row) for row in zip(*(array.tolist() for array in rows), strict=True)]
        found = TextTables(renderer).biographies(people.names[who], people.values[who], wording)
        assert found["text"].to_pylist() == [biography.text for biography in told]
        for name in ("name_spans", "value_spans"):
            spans = [list(map(list, getattr(biography, name))) for biography in told]
            assert found[name].to_pylist() == spans


def test_an_array_becomes_a_column_of_lists_of_lists():
    array = np.arange(24).reshape(2, 3, 4)
    assert lists(array).to_pylist() == array.tolist()
    assert lists(array[:, 0, 0]).to_pylist() == [0, 12]
    assert lists(array[:0]).to_pylist() == []
