"""A user's own people: read, checked, and told of like all others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import UserError
from data_builder.biographies import Renderer
from data_builder.new_individuals import extend, name_parts, read_individuals
from data_builder.rendered import token_tables
from data_builder.schedules import Plan, Uniform
from data_builder.source import Source
from data_builder.stream import BiographyStream
from tests.helpers.independent import ATTRIBUTES, value_text
from tests.helpers.toys import ADA, SMALL, build, table

COLUMNS = tuple(ADA)


def with_known_values(source, **changes):
    return ADA | {a: value_text(source, number, 1) for number, a in enumerate(ATTRIBUTES)} | changes


def test_own_people_become_the_new_group_and_are_saved_with_the_source(source, tmp_path):
    path = table(tmp_path / "mine.csv", ADA, with_known_values(source, name="Plato"))
    own = source.with_individuals(path)
    population = own.population
    assert population.groups == source.population.groups | {"new": range(100, 102)}
    assert np.array_equal(population.names[:100], source.population.names)
    assert np.array_equal(population.heldout[:100], source.population.heldout)
    assert own.word_lists.value_sizes == source.word_lists.value_sizes
    assert population.values[101].tolist() == [1] * 6
    renderer = Renderer(own)
    assert [renderer.name(parts) for parts in population.names[100:]] == ["Ada King Lovelace", "Plato"]
    assert [values[number] for values, number in zip(renderer.values, population.values[100], strict=True)] == [
        ADA[attribute] for attribute in ATTRIBUTES
    ]
    own.save(tmp_path / "one")
    Source.load(tmp_path / "one").save(tmp_path / "two")
    (tmp_path / "mine.csv").unlink()
    assert Source.load(tmp_path / "two").digest() == own.digest() != source.digest()


def test_every_token_is_that_of_the_rendered_text(source, tokenizer, tmp_path):
    """Also of words that the tokenizer has never met."""
    own = source.with_individuals(table(tmp_path / "mine.csv", ADA, ADA | {"name": "Ωμέγα"}, ADA | {"name": "李 四"}))
    stream, renderer = BiographyStream(own, tokenizer, Uniform(Plan(own.population.groups["new"])), 0), Renderer(own)
    for step in range(5):
        batch = stream.batch(step, 6)
        wording = own.population.draw_wording(batch["individual_ids"].numpy(), stream._draws(step, 6)[:, 1:], False)
        for row, person in enumerate(batch["individual_ids"].tolist()):
            arrays = (own.population.names, own.population.values)
            told = renderer.biography(*(a[person] for a in arrays), wording.templates[row], wording.order[row])
            ids = batch["input_ids"][row][batch["attention_mask"][row] == 1].tolist()
            assert ids == [*tokenizer(told.text)["input_ids"], tokenizer.eos_token_id]
            values = [told.text[begin:end] for begin, end in told.value_spans]
            assert sorted(values) == sorted(ADA[attribute] for attribute in ATTRIBUTES)
            for number, attribute in enumerate(ATTRIBUTES, 1):
                of_value = batch["input_ids"][row][batch["attribute_ids"][row] == number]
                assert tokenizer.decode(of_value) == f" {ADA[attribute]}"
    assert batch["input_ids"].shape[1] <= stream.tables.max_length + 8


def test_a_dataset_has_them(tmp_path):
    path = table(tmp_path / "mine.csv", ADA)
    rows = build(tmp_path / "cache", "population", **SMALL, new_individuals=path)["new"]
    assert (rows[0]["first_name"], rows[0]["company"], len(rows)) == ("Ada", "Babbage & Co.", 1)
    table(tmp_path / "mine.csv", ADA | {"company": "Other"})
    assert build(tmp_path / "cache", "population", **SMALL, new_individuals=path)["new"][0]["company"] == "Other"


@given(st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=5))
def test_a_name_is_its_parts(words):
    for n_parts in range(1, 6):
        parts = name_parts(" ".join(words), n_parts)
        assert len(parts) == n_parts
        assert " ".join(part for part in parts if part) == " ".join(words)
        assert n_parts < 3 or parts[0] == words[0]
        assert n_parts < 2 or parts[-1] == (words[-1] if len(words) > 1 else "")


def test_entries_keep_their_numbers(source, tmp_path):
    people = read_individuals(
        table(tmp_path / "mine.csv", ADA, with_known_values(source, name="Ada Other")), source.world
    )
    lists = extend(source.word_lists, people)
    for attribute in ATTRIBUTES:
        known = source.word_lists.values(attribute)
        assert lists.values(attribute) == [*known, ADA[attribute]]
    assert lists.extra["first_name"] == ("Ada",)
    assert lists.extra["last_name"] == ("Lovelace", "Other")


MISTAKES = {
    "no such file": ("none.csv: cannot be read: No such file", None),
    "missing column": (
        "columns missing or doubled: birth_place, .*; it needs name,birth_date,",
        "name,birth_date\nA,B\n",
    ),
    "unknown column": (
        r"(?s)^2 conflicts:.*unknown column 'nome'; the nearest known one is 'name'\n.*missing",
        "nome\n",
    ),
    "column twice": ("columns missing or doubled: name; it needs", "name," + ",".join(COLUMNS) + "\n"),
    "nobody": ("has no individuals; it needs the line name,.* and below it one for each", ",".join(COLUMNS) + "\n"),
    "empty cell": ("line 2: company is missing", ",".join(COLUMNS) + "\nA B,1,2,3,4, ,6\n"),
    "short line": ("line 2: location is missing", ",".join(COLUMNS) + "\nA B,1,2,3,4,5\n"),
    "long line": ("line 2: more cells than columns", ",".join(COLUMNS) + "\nA B,1,2,3,4,5,6,7\n"),
    "twice": ("line 3: A B stands in line 2 already", ",".join(COLUMNS) + "\nA B,1,2,3,4,5,6\nA  B ,1,2,3,4,5,6\n"),
    "empty": ("is empty; it needs the line name,birth_date,", ""),
    "blank": ("is empty; it needs the line name,birth_date,", "\n \n"),
    "semicolons": ("is separated by semicolons; save it with commas", ";".join(COLUMNS) + "\nA B;1;2;3;4;5;6\n"),
    "tabs": ("is separated by tabs; save it with commas", "\t".join(COLUMNS) + "\n"),
    "latin-1": ("none.csv: line 2 is not UTF-8; save the file as UTF-8", ",".join(COLUMNS).encode() + b"\nB\xeb,1,2"),
    "open quote": ("none.csv: cannot be read from line 2 on: ", ",".join(COLUMNS) + '\n"A B,1,2,3,4,5,6\n'),
    "special": ("line 2: <eos> is a token of its own", ",".join(COLUMNS) + "\nA <eos>,1,2,3,4,5,6\n"),
}


@pytest.mark.parametrize(("message", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_table_is_one_line_that_names_it(source, tmp_path, message, text):
    path = tmp_path / "none.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as error:
        read_individuals(path, source.world)
    assert str(error.value).count("\n") == (2 if "(?s)" in message else 0)
    assert str(error.value).count(str(path)) == (2 if "(?s)" in message else 1)


def test_a_byte_order_mark_windows_line_ends_and_quotes_are_understood_and_markup_is_text(source, tmp_path):
    rows = (
        '"Example, Jean-Luc O\'Neil","1 May 1990",London,Harvard University,law,"Babbage, Sons & Co.",Paris',
        "Ada <script>alert(1)</script> **B** {name},1 May 1990,London,Harvard University,arts,{value},Paris",
    )
    path = tmp_path / "mine.csv"
    path.write_bytes("\r\n".join(["\ufeff" + ",".join(COLUMNS), *rows, ""]).encode())
    own = source.with_individuals(path)
    people = [own.population.names[100:], own.population.values[100:]]
    renderer = Renderer(own)
    assert [renderer.name(name) for name in people[0]] == [
        "Example, Jean-Luc O'Neil", "Ada <script>alert(1)</script> **B** {name}"
    ]  # fmt: skip
    for names, values, company in zip(*people, ("Babbage, Sons & Co.", "{value}"), strict=True):
        text = renderer.biography(names.tolist(), values.tolist(), [0] * 6, list(range(6))).text
        assert renderer.name(names) in text
        assert company in text


def test_the_longest_biography_is_of_one_own_person_who_is_named(source, tokenizer, tmp_path):
    """Brute force: the parts that are longest belong to different people."""
    alone = token_tables(source, tokenizer)
    assert alone.longest == "the longest biography"
    long_name = ADA | {"name": "Ada " + "Xqz " * 30 + "Byron"}
    long_value = with_known_values(source, name="Plato", company="Wvk " * 150)
    own = source.with_individuals(table(tmp_path / "mine.csv", ADA, long_name, long_value))
    expected = {}
    for person in own.added[1:]:
        total = 2
        for attribute, templates in own.templates.items():
            told = [t.text.format(name=person["name"], value=person[attribute]) for t in templates]
            total += max(len(ids) for ids in tokenizer(told, add_special_tokens=False).input_ids)
        expected[total] = person["name"]
    tables = token_tables(own, tokenizer)
    assert tables.max_length == max(expected) > alone.max_length
    assert tables.longest.removeprefix("the biography of ")[:4] == expected[max(expected)][:4]
    assert len(tables.longest) < 100


@pytest.mark.parametrize("group", ["seen", "unseen", "new"])
def test_a_name_that_exists_already_is_one_line(source, tmp_path, group):
    name = Renderer(source).name(source.population.names[source.population.groups[group][3]])
    with pytest.raises(UserError, match=f"{name} exists already in this population; give another name"):
        source.with_individuals(table(tmp_path / "mine.csv", ADA, ADA | {"name": name}))
    own = source.with_individuals(table(tmp_path / "mine.csv", ADA))
    with pytest.raises(UserError, match="has own people already; put all of them into one table"):
        own.with_individuals(table(tmp_path / "more.csv", ADA | {"name": "Plato"}))
