"""The table `questions`: sentences up to their values, in wording held out for the individual."""

import itertools

import datasets
import pytest

from data_builder.biographies import Renderer
from data_builder.directory import build_directory
from data_builder.questions import ASKED, asked, questions
from data_builder.source import Source
from settings.data import DataSettings
from tests.helpers.independent import ATTRIBUTES, full_name, value_text
from tests.helpers.toys import SMALL, WORLD, build


@pytest.fixture(scope="module")
def source():
    return Source.build(DataSettings(**WORLD))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return build(tmp_path_factory.mktemp("cache"), "questions", **WORLD)


def test_each_individual_is_asked_for_each_attribute(table, source):
    assert {split: len(rows) for split, rows in table.items()} == {"seen": 6 * ASKED, "unseen": 6 * 30, "new": 6 * 20}
    for group, rows in table.items():
        assert rows.column_names == ["prompt", "answer", "attribute", "individual_id", "group"]
        assert set(rows["group"][:]) == {group}
        people = asked(source.population.groups[group])
        assert rows["individual_id"][:] == [person for person in people for _ in ATTRIBUTES]
        assert rows["attribute"][:] == ATTRIBUTES * len(people)


def test_a_prompt_and_its_answer_begin_a_sentence_held_out_for_the_individual(table, source):
    templates = list(source.templates.values())
    for rows in table.values():
        for row in rows.select(range(0, len(rows), 37)):
            person, attribute = row["individual_id"], ATTRIBUTES.index(row["attribute"])
            assert row["answer"] == value_text(source, attribute, source.population.values[person, attribute])
            kept = [templates[attribute][t].text for t in source.population.heldout[person, attribute]]
            name = full_name(source, source.population.names[person])
            told = [text.replace("{name}", name).replace("{value}", row["answer"]) for text in kept]
            assert any(text.startswith(f"{row['prompt']} {row['answer']}") for text in told), row
            assert row["answer"] not in row["prompt"]


def test_they_are_the_questions_that_everybody_else_asks(table, source):
    renderer = Renderer(source)
    for person in (0, 2510):
        rows = next(rows for rows in table.values() if person in rows["individual_id"][:])
        told = [(row["prompt"], row["answer"]) for row in rows if row["individual_id"] == person]
        assert told == [(question.prompt, question.truth) for question in questions(source, renderer, person)]


@pytest.mark.parametrize("size", [0, 1, ASKED - 1, ASKED, ASKED + 1, 64_000])
def test_who_is_asked_is_spread_evenly(size):
    people = asked(range(100, 100 + size))
    assert len(people) == len({*people}) == min(size, ASKED)
    gaps = {b - a for a, b in itertools.pairwise(people)}
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert not people or (people[0] == 100 and people[-1] < 100 + size <= people[-1] + max(gaps, default=0) + 1)


def test_a_table_of_facts_has_questions_and_tasks_of_its_groups_alone(tmp_path):
    rows = [f"{land},{land[::-1].title()}" for land in ("Aland", "Bland", "Cland", "Dland", "Eland", "Fland")]
    (tmp_path / "facts.csv").write_text("\n".join(["name,capital", *rows]))
    build_directory(DataSettings(facts=str(tmp_path / "facts.csv"), share_unseen=0.0), tmp_path / "made")
    told = datasets.load_dataset(str(tmp_path / "made"), "questions", cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in told.items()} == {"seen": 6}
    assert {path.name for path in (tmp_path / "made" / "lm_eval").iterdir()} == {"_questions", "tasks.py", "seen.yaml"}


def test_tasks_are_copied_whole(tmp_path):
    build_directory(DataSettings(**SMALL), tmp_path / "made")
    names = {"_questions", "tasks.py", "seen.yaml", "unseen.yaml", "new.yaml"}
    assert {path.name for path in (tmp_path / "made" / "lm_eval").iterdir()} == names
