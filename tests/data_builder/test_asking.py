"""Question-answer pairs in the stream: about whom, in which words, and what is measured."""

import numpy as np
import pytest

from command_line import UserError
from data_builder.asking import AskingStream, with_questions
from data_builder.reading import reading_of
from data_builder.schedules import Plan, Uniform
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tokenizer import train_tokenizer
from settings.data import DataSettings
from tests.helpers.pretraining import ROOT, pretrain, same

SIZE = 16


@pytest.fixture(scope="module")
def tokenizer(source):
    return train_tokenizer(with_questions(source).pieces())


def stream(source, tokenizer, questions=0.25, asked=0.5, **told):
    schedule = Uniform(Plan(source.population.groups["seen"], batch_size=SIZE))
    return AskingStream(questions, asked, source, tokenizer, schedule, 0, **told)


def questions_of(source):
    """The question templates of each attribute."""
    longer = with_questions(source).templates
    return {attribute: longer[attribute][len(ts) :] for attribute, ts in source.templates.items()}


def test_every_attribute_has_six_questions_at_least_that_no_sentence_begins_like(source):
    for attribute, templates in questions_of(source).items():
        assert len(templates) >= 6, attribute
        assert all(template.middle.endswith("?") for template in templates)


def test_another_world_has_generic_questions():
    minerals = ROOT / "data_builder" / "worlds" / "minerals"
    folders = {"values_dir": str(minerals / "values"), "templates_dir": str(minerals / "templates")}
    source = Source.build(DataSettings(n_individuals=20, n_unseen=5, n_new=0, **folders))
    attribute = next(iter(source.templates))
    assert f"what is the {attribute.replace('_', ' ')} of {{name}}?" in questions_of(source)[attribute][0].text


def test_a_share_of_rows_asks_about_the_asked_and_all_others_are_biographies(source, tokenizer):
    asking = stream(source, tokenizer)
    plain = BiographyStream(source, tokenizer, asking.schedule, 0)
    for step in range(5):
        texts, told = asking.texts(step, SIZE), plain.texts(step, SIZE)
        batch = asking.batch(step, SIZE)
        asks = np.array([text.count("?") == 6 for text in texts])
        assert asks.sum() == SIZE // 4
        assert [t for t, a in zip(texts, asks, strict=True) if not a] == [
            t for t, a in zip(told, asks, strict=True) if not a
        ]
        assert set(batch["individual_ids"][asks].tolist()) <= set(asking.members["asked"].tolist())
        decoded = tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True)
        assert [" ".join(text.split()) for text in decoded] == [" ".join(text.split()) for text in texts]


def test_questions_are_answered_by_the_facts_of_whom_they_are_about(source, tokenizer):
    asking = stream(source, tokenizer, questions=1.0)
    batch, texts = asking.batch(0, SIZE), asking.texts(0, SIZE)
    values = [source.word_lists.values(attribute) for attribute in source.world.attributes]
    for person, text in zip(batch["individual_ids"].tolist(), texts, strict=True):
        for attribute, value in enumerate(source.population.values[person]):
            assert f"? {values[attribute][value]}." in text
    drawn = asking.times_drawn(3, SIZE)
    assert drawn.sum() == drawn[asking.members["asked"]].sum() == 3 * SIZE


def test_asked_and_unasked_share_out_the_seen_and_stay_the_same(source, tokenizer):
    one, other = stream(source, tokenizer), stream(source, tokenizer, questions=0.5)
    asked, unasked = (one.members[group].tolist() for group in ("asked", "unasked"))
    assert sorted(asked + unasked) == [*source.population.groups["seen"]]
    assert len(asked) == 30
    assert asked == other.members["asked"].tolist()
    assert asked != sorted(asked)
    probes = one.further_probes(10)
    assert probes.keys() == {"asked", "unasked"}
    assert set(probes["unasked"]["individual_ids"].tolist()) <= set(unasked)
    assert same(probes["asked"], other.further_probes(10)["asked"])


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        ({"questions": 0.01}, "share_questions is 0.01; of a batch of 16 it must be a row at least"),
        ({"asked": 0.001}, "share_asked is 0.001; of 60 individuals it must leave some of each kind"),
    ],
)
def test_shares_that_cannot_be_are_one_line(source, tokenizer, shares, line):
    with pytest.raises(UserError, match=line):
        stream(source, tokenizer, **shares)


def test_a_run_measures_whether_it_can_be_asked_and_what_it_read_is_told(tmp_path):
    run = pretrain(tmp_path / "run", "--share_questions", 0.5)
    keys = {f"{group}_attribute_accuracy" for group in ("asked", "unasked")}
    assert keys <= run.records[-1].keys()
    rows = [row["text"] for row in reading_of(str(tmp_path / "run")).rows(3)]
    assert sum("?" in text for text in rows) == len(rows) // 2
    # A stage of questions alone, after the biographies were learned.
    asked = ("--init_from", run.path, "--dataset", run.path / "dataset", "--share_questions", 1)
    after = pretrain(tmp_path / "after", *asked)
    assert after.records[0]["unasked_attribute_loss"] == pytest.approx(
        run.records[-1]["unasked_attribute_loss"], rel=1e-4
    )
