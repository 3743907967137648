"""Which facts exist is data: worlds of any attributes and names, against plain strings."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from command_line import UserError
from data_builder.biographies import Renderer
from data_builder.source import Source, saved_world
from data_builder.tokenizer import train_tokenizer
from data_builder.world import load_world
from settings.data import DataSettings
from tests.helpers.independent import ATTRIBUTES, PACKAGE, full_name
from tests.helpers.toys import SMALL, build, files_of, stream_of, write_world

MINERALS = PACKAGE / "worlds" / "minerals"
MINERAL_FACTS = ["constellation", "stone", "element", "color", "crystal_system", "discovery", "country"]


def minerals(**changes):
    texts = {f"{kind}_dir": str(MINERALS / kind) for kind in ("values", "templates")}
    return DataSettings(**texts | {"n_individuals": 30, "n_unseen": 8, "n_new": 5, "n_heldout_templates": 3} | changes)


@st.composite
def worlds(draw):
    """Parts of names, attributes and their lists; entries of one to three words that differ in the first."""
    n_lists = draw(st.integers(1, 6))
    tail = st.lists(st.sampled_from(["a", "Bb", "7", "-", "é"]), max_size=2)
    entries = {f"list_{k}": [" ".join([f"w{c}", *draw(tail)]) for c in "xyz"] for k in range(n_lists)}
    name = draw(st.lists(st.sampled_from(list(entries)), min_size=1, max_size=4, unique=True))
    parts = st.lists(st.sampled_from(list(entries)), min_size=1, max_size=3)
    values = draw(st.lists(parts, min_size=1, max_size=7))
    return name, {f"kind_{'abcdefg'[k]}": value for k, value in enumerate(values)}, entries


ENTRIES = {"word": ["wx", "wy", "wz"], "pair": ["x 7 a", "y-é", "z"]}


@settings(max_examples=25)
@given(worlds(), st.integers(0, 99))
@example((["word"], {"kind": ["pair", "word"]}, ENTRIES), 0)  # names of one word, as of proteins
@example((["pair", "word"], {"kind": ["word"], "other": ["pair"]}, ENTRIES), 0)
def test_tokens_and_spans_are_those_of_the_text_whatever_the_world(world, step):
    name, attributes, entries = world
    with tempfile.TemporaryDirectory() as folder:
        texts = write_world(Path(folder), *world)
        source = Source.build(DataSettings(2, 1, 0, 1, **texts))
        lines = {a: (Path(folder) / "templates" / f"{a}.txt").read_text().splitlines() for a in attributes}
    tokenizer, population, renderer = train_tokenizer(source.pieces()), source.population, Renderer(source)
    tables, (draws, whom) = stream_of(source, tokenizer).tables, (np.random.default_rng(step), [0, 2, 1, 0])
    wording = population.draw_wording(np.array(whom), draws.random((4, 2 * len(attributes))), heldout=False)
    made = tables.assemble(population.names[whom], population.values[whom], wording, with_names=True)
    assert made["attention_mask"].sum(1).max() <= tables.max_length
    for row, person in enumerate(whom):
        who = " ".join(entries[part][index] for part, index in zip(name, population.names[person], strict=True))
        text, of_names, of_values = "", {}, {}
        for number, attribute in enumerate(wording.order[row], 1):
            kind, value, rest = list(attributes)[attribute], [], population.values[person, attribute]
            for part in reversed(attributes[kind]):
                rest, entry = divmod(rest, 3)
                value.insert(0, entries[part][entry])
            before, after = lines[kind][wording.templates[row, attribute]].split("{value}")
            text += " " * bool(text)
            of_names[number] = (len(text) + before.index("{name}"), len(text) + before.index("{name}") + len(who))
            text += before.replace("{name}", who)
            of_values[attribute + 1] = (len(text), len(text) + len(" ".join(value)))
            text += " ".join(value) + after
        told = renderer.biography(*(a[row].tolist() for a in _rows(population, whom, wording)))
        assert (told.text, told.name_spans, told.value_spans) == (text, [*of_names.values()], [*of_values.values()])
        encoded = tokenizer(text, return_offsets_mapping=True)
        expected = [*encoded.input_ids, tokenizer.eos_token_id]
        assert made["input_ids"][row][made["attention_mask"][row]].tolist() == expected
        for key, spans in (("name_ids", of_names), ("attribute_ids", of_values)):
            marks = [_mark(spans, *offsets) for offsets in encoded.offset_mapping[1:]]
            assert made[key][row].tolist() == [0, *marks] + [0] * (made[key].shape[1] - 1 - len(marks))


def _rows(population, whom, wording):
    return population.names[whom], population.values[whom], wording.templates, wording.order


def _mark(spans, begin, end):
    return next((number for number, (a, b) in spans.items() if begin < b and end > a), 0)


def test_lists_and_datasets_without_a_world_are_of_the_bundled_one(own_texts, tmp_path):
    """The digest is pinned: it was made by the version before there were worlds."""
    world = load_world()
    assert (list(world.name), list(world.attributes)) == (["first_name", "middle_name", "last_name"], ATTRIBUTES)
    assert world.attributes["birth_date"] == ("day", "month", "year")
    (Path(own_texts["values_dir"]) / "world.yaml").unlink()
    own, bundled = (Source.build(DataSettings(**SMALL | texts)) for texts in (own_texts, {}))
    assert own.digest() == bundled.digest()
    assert full_name(own, own.population.names[3]) == full_name(bundled, bundled.population.names[3])
    Source.build(DataSettings(**SMALL)).save(tmp_path)
    settings_file, world_file = (tmp_path / "source" / name for name in ("settings.yaml", "values/world.yaml"))
    saved = yaml.safe_load(settings_file.read_text())
    assert saved["digest"] == "cdaf4c14095f2104d9eb5570a201c5afe86e2f534ded6fd50b720209b0e70976"
    world_file.unlink()
    settings_file.write_text(yaml.safe_dump({k: v for k, v in saved.items() if k not in load_world().for_cards()}))
    assert Source.load(tmp_path).digest() == saved["digest"]
    assert saved_world(tmp_path) == load_world()


def test_a_world_is_saved_with_its_source(tmp_path):
    source = Source.build(minerals())
    source.save(tmp_path / "one")
    loaded = Source.load(tmp_path / "one")
    assert (loaded.digest(), loaded.world) == (source.digest(), source.world)
    loaded.save(tmp_path / "two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    file = tmp_path / "two" / "source" / "values" / "world.yaml"
    file.write_text(file.read_text().replace("[constellation, stone]", "[stone, constellation]"))
    with pytest.raises(UserError, match="its lists were changed"):
        Source.load(tmp_path / "two")


def test_tables_have_the_columns_of_their_world(tmp_path):
    settings, source = vars(minerals()), Source.build(minerals())
    people = build(tmp_path, "population", **settings)["unseen"]
    assert people.column_names == ["individual_id", *MINERAL_FACTS, "heldout_template_ids"]
    renderer, person = Renderer(source), people[3]
    assert renderer.name(source.population.names[33]) == f"{person['constellation']} {person['stone']}"
    rows = build(tmp_path, **settings)["validation"]
    assert rows.features["attributes"].feature.names == MINERAL_FACTS[2:]
    assert {len(row["value_spans"]) for row in rows} == {5}
    assert len(build(tmp_path, "templates", **settings)["train"]) == 40


def test_sources_tell_how_long_the_lists_of_minerals_are():
    rows = re.findall(r"^\| ((?:`\w+\.txt`(?:, )?)+) \| ([\d, ]+) \|", (MINERALS / "SOURCES.md").read_text(), re.M)
    told = [(f, int(n)) for fs, ns in rows for f, n in zip(re.findall(r"\w+\.txt", fs), ns.split(","), strict=True)]
    lists = Source.build(minerals()).word_lists.lists
    assert dict(told) == {f"{name}.txt": len(entries) for name, entries in lists.items()}
    missing = "minerals/values/world.yaml: attributes.element: needs the file .*element.txt"
    with pytest.raises(UserError, match=missing):
        Source.build(minerals(templates_dir=None))


MISTAKES = {
    "name: [a]\nattributes: {b: [c]}\n": r"attributes.b: needs the file .*values/c.txt, which is not there",
    "name: [c]\nattributes: {b: [a]}\n": r"name: needs the file .*values/c.txt, which is not there",
    "name: [a]\nattributes: {b: [a], d: [a]}\n": r"attributes.d: needs the file .*templates/d.txt, which is not there",
    "name: [a]\nattributes: {b: [a], b: [a]}\n": r"line 2: b stands there twice",
    "name: [a]\nattributes:\n": r"attributes: there must be one at least",
    "name: [a]\nattributes: [b]\n": r"attributes: there must be one at least",
    "attributes: {b: [a]}\n": r"name: needs the names of word lists",
    "name: []\nattributes: {b: [a]}\n": r"name: needs the names of word lists",
    "name: [a]\nattributes: {b: a}\n": r"attributes.b: needs the names of word lists",
    "name: [../a]\nattributes: {b: [a]}\n": r"name: needs the names of word lists",
    "name: [a, a]\nattributes: {b: [a]}\n": r"name: each list can be only one part of a name",
    "name: [a]\nattributes: {a: [a]}\n": r"attributes.a: needs a name of small letters, digits and _, other than",
    "name: [a]\nattributes: {individual_id: [a]}\n": r"attributes.individual_id: needs a name of small letters",
    "name: [a]\nattributes: {1: [a]}\n": r"attributes.1: needs a name of small letters",
    "name: [a]\natributes: {b: [a]}\n": r"unknown key 'atributes'; the nearest known one is 'attributes'",
    "nam: [a]\nattributes: {b: a, c: [], 1: [a]}\n": r"(?s)^5 conflicts:.*'nam'.*name: .*\.1: .*\.b: .*\.c: needs the",
    "name: [a\n": r"cannot read",
    "": r"world.yaml is empty",
    "- a\n": r"is not a list of `key: value` lines",
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.items(), ids=MISTAKES.values())
def test_a_world_that_cannot_be_is_one_line_that_names_file_and_key(tmp_path, text, message):
    texts = write_world(tmp_path, ["a"], {"b": ["a"]}, {"a": ["x", "y"]})
    file = tmp_path / "values" / "world.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        Source.build(DataSettings(2, 0, 0, 1, **texts))
    first, *conflicts = str(caught.value).splitlines()
    assert all(str(file) in line for line in conflicts or [first])
    assert not conflicts or first == f"{len(conflicts)} conflicts:"
