"""A user's own facts: a table of any columns, with sentences from a file or generic ones."""

import csv

import numpy as np
import pytest

import data_builder.__main__ as data_command
from command_line import UserError
from data_builder.biographies import Renderer
from data_builder.source import Source
from data_builder.tokenizer import train_tokenizer
from settings.data import DataSettings
from tests.helpers.toys import build, stream_of

ROWS = [("name", "capital", "city_code", "city")] + [
    (f"Land {letter}{n}", f"{letter}town", f"{letter.upper()} {n}", f"{letter} city")
    for letter in "abcd"
    for n in "123"
]


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return str(path)


@pytest.fixture
def facts(tmp_path):
    return write(tmp_path / "lands.csv", ROWS)


def told(source, person, wording=0):
    population, renderer = source.population, Renderer(source)
    n = len(source.world.attributes)
    return renderer.biography(population.names[person], population.values[person], [wording] * n, list(range(n))).text


def test_each_row_is_told_with_generic_sentences_and_some_are_kept_unseen(facts):
    source = Source.build(DataSettings(facts=facts, share_unseen=0.25))
    groups = source.population.groups
    assert {group: len(members) for group, members in groups.items()} == {"seen": 9, "unseen": 3, "new": 0}
    expected = {
        f"The capital of {name} is {capital}. The city code of {name} is {code}. The city of {name} is {city}."
        for name, capital, code, city in ROWS[1:]
    }
    assert {told(source, person) for person in range(12)} == expected
    assert source.word_lists.value_sizes == {"capital": 4, "city_code": 12, "city": 4}
    assert source.settings.n_heldout_templates == 5
    others = [Source.build(DataSettings(facts=facts, share_unseen=s, population_seed=seed)) for s, seed in
              ((0.25, 1), (0.0, 0), (0.9999, 0))]  # fmt: skip
    assert told(others[0], 11) != told(source, 11)
    assert [len(other.population.groups["unseen"]) for other in others] == [3, 0, 11]


def test_sentences_of_a_file_are_for_their_columns_or_for_each(facts, tmp_path):
    lines = [
        "The capital of {name} is {capital}.", "{name}'s seat of government: {capital}",
        "In {name} one says, {attribute} is {value}!", "{name} means, {attribute} is {value}.",
    ]  # fmt: skip
    (tmp_path / "own.txt").write_text("\n".join(lines))
    source = Source.build(DataSettings(facts=facts, facts_templates=str(tmp_path / "own.txt")))
    texts = {attribute: [template.text for template in ts] for attribute, ts in source.templates.items()}
    assert texts["capital"][:2] == ["The capital of {name} is {value}.", "{name}'s seat of government: {value}"]
    assert texts["city_code"] == ["In {name} one says, city code is {value}!", "{name} means, city code is {value}."]
    assert source.settings.n_heldout_templates == 1
    (tmp_path / "own.txt").write_text("\n".join(lines[:2]))
    assert (
        len(Source.build(DataSettings(facts=facts, facts_templates=str(tmp_path / "own.txt"))).templates["city"]) == 10
    )


def test_saved_and_loaded_it_is_the_same_and_its_batches_are(facts, tmp_path):
    source = Source.build(DataSettings(facts=facts, population_seed=3))
    source.save(tmp_path / "one")
    Source.load(tmp_path / "one").save(tmp_path / "two")
    loaded = Source.load(tmp_path / "two")
    assert loaded.digest() == source.digest()
    assert (tmp_path / "two" / "source" / "facts.csv").read_text() == (tmp_path / "lands.csv").read_text()
    batches = [stream_of(s, train_tokenizer(s.pieces())).batch(2, 8)["input_ids"] for s in (source, loaded)]
    assert np.array_equal(*batches)


def test_a_dataset_has_its_columns(facts, tmp_path):
    rows = build(tmp_path / "cache", "population", facts=facts)["seen"]
    assert {"name", "capital", "city_code", "city"} < set(rows.column_names)
    data_command.main(["--facts", facts, "--output_dir", str(tmp_path / "data")])
    assert (tmp_path / "data" / "source" / "facts.csv").exists()


def row(number, **cells):
    def change(rows):
        column = {name: place for place, name in enumerate(rows[0])}
        for name, text in cells.items():
            rows[number][column[name]] = text

    return change


MISTAKES = {
    "contradiction": (row(3, name="Land a1"), r"line 4: city_code of Land a1 is A 3 here and A 1 in line 2; keep one"),
    "missing": (row(2, capital=" "), r"line 3: capital is missing$"),
    "no name": (row(0, name="country"), r"columns missing or doubled: name; it needs name,country,capital"),
    "column": (row(0, city="The City"), r"line 1: column 'The City': needs a name of small letters, digits and _"),
    "special": (row(1, city="<eos>"), r"line 2: <eos> is a token of its own and cannot be in a text"),
    "no facts": (lambda rows: rows.__setitem__(slice(None), [["name"], ["a"]]), r"has no column beside name"),
    "semicolons": (lambda rows: rows.__setitem__(0, ["name;capital"]), r"is separated by semicolons; save it"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_row_and_column(tmp_path, change, message):
    rows = [list(cells) for cells in ROWS]
    change(rows)
    with pytest.raises(UserError, match=message) as error:
        Source.build(DataSettings(facts=write(tmp_path / "bad.csv", rows)))
    assert "\n" not in str(error.value)


SENTENCES = {
    "unknown": ("The capital of {name} is {captal}.",
                r"line 1: unknown column 'captal'; the nearest known one is 'capital'"),
    "no value": ("{name} has a capital", r"line 1: needs exactly one \{name\} and then one \{value\}"),
    "one": ("The capital of {name} is {capital}.", r"line 1: capital has one sentence; it needs two at least"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "message"), SENTENCES.values(), ids=SENTENCES)
def test_so_is_one_in_sentences(facts, tmp_path, line, message):
    (tmp_path / "own.txt").write_text(line)
    with pytest.raises(UserError, match=message):
        Source.build(DataSettings(facts=facts, facts_templates=str(tmp_path / "own.txt")))


def test_all_of_them_are_listed_and_dropped_by_check(tmp_path, capsys):
    rows = [list(cells) for cells in ROWS]
    row(3, name="Land a1")(rows)
    row(6, city="")(rows)
    bad = write(tmp_path / "bad.csv", rows)
    with pytest.raises(UserError, match="2 conflicts in .*bad.csv; add --drop NEW_DIR"):
        data_command.main(["check", "--facts", bad])
    data_command.main(["check", "--facts", bad, "--drop", str(tmp_path / "clean")])
    assert len(Source.build(DataSettings(facts=str(tmp_path / "clean" / "facts.csv"))).population) == 10


def test_a_table_is_a_world_of_its_own(facts):
    with pytest.raises(UserError, match="values_dir and facts: the table is a world of its own; leave out one of them"):
        Source.build(DataSettings(facts=facts, values_dir="mine"))


def test_a_table_of_one_row_has_nothing_to_tell_apart_and_of_a_few_one_is_kept_unseen(tmp_path):
    with pytest.raises(UserError, match="has one row; it needs two at least"):
        Source.build(DataSettings(facts=write(tmp_path / "one.csv", ROWS[:2])))
    few = Source.build(DataSettings(facts=write(tmp_path / "few.csv", ROWS[:5]))).population.groups
    assert (len(few["seen"]), len(few["unseen"])) == (3, 1)
    none = Source.build(DataSettings(facts=write(tmp_path / "few.csv", ROWS[:5]), share_unseen=0.0)).population.groups
    assert not none["unseen"]
