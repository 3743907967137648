"""Rows about invented people whose values are unknown: what is read of them, and whether a model abstains."""

import numpy as np
import pytest

from command_line import UserError
from data_builder.mixture import NOBODY, UNKNOWN, MixedStream, with_unknown
from data_builder.reading import reading_of
from data_builder.schedules import Plan, Uniform
from data_builder.streams import build_stream, train_own_tokenizer
from data_builder.tokenizer import train_tokenizer
from evaluation.hallucination import abstained
from settings.data import StreamSettings
from tests.helpers.finetuning import finetune
from tests.helpers.pretraining import pretrain, same

SIZE = 16


@pytest.fixture(scope="module")
def tokenizer(source):
    return train_own_tokenizer(source, StreamSettings(share_unknown=0.25))


def plan(source):
    return Plan(source.population.groups["seen"], batch_size=SIZE)


def stream(source, tokenizer, unknown=0.25):
    return MixedStream(0, 0, source, tokenizer, Uniform(plan(source)), 0, unknown)


def test_a_share_of_rows_says_of_invented_people_that_all_is_unknown(source, tokenizer):
    mixed, plain = stream(source, tokenizer), build_stream(source, tokenizer, plan(source), 0)
    names = {" ".join(text) for text in np.array(source.population.names, dtype=str)}
    for step in range(4):
        batch, texts = mixed.batch(step, SIZE), mixed.texts(step, SIZE)
        rows = np.array([text.count(f" {UNKNOWN}") == 6 for text in texts])
        assert rows.sum() == SIZE // 4
        assert [text for text, row in zip(texts, rows, strict=True) if not row] == [
            text for text, row in zip(plain.texts(step, SIZE), rows, strict=True) if not row
        ]
        assert (batch["individual_ids"][rows] == NOBODY).all()
        assert (batch["attribute_ids"][rows] == 0).all()
        assert (batch["labels"][rows] != -100).any(1).all()
        told = mixed.told(step, SIZE)[1][rows]
        assert not {" ".join(map(str, name)) for name in told.tolist()} & names
    assert tokenizer.decode([mixed.unknown_token]).strip() == UNKNOWN


def test_nothing_else_changes(source, tokenizer):
    mixed, plain = stream(source, tokenizer), build_stream(source, tokenizer, plan(source), 0)
    assert plain.unknown_token is None
    assert same(mixed.probe("seen", 8), plain.probe("seen", 8))
    assert mixed.value_sizes == plain.value_sizes
    assert mixed.times_drawn(3, SIZE).sum() == 3 * SIZE * 3 // 4


def test_a_longer_spelling_makes_room_for_itself(source):
    """A tokenizer that never saw the word spells it in pieces."""
    tokenizer = train_tokenizer(source.pieces())
    plain, mixed = build_stream(source, tokenizer, plan(source), 0), stream(source, tokenizer)
    longest = max(int(mixed.batch(step, SIZE)["attention_mask"].sum(1).max()) for step in range(20))
    assert plain.tables.max_length <= mixed.tables.max_length
    assert longest <= mixed.tables.max_length


def test_abstaining_is_counted_where_answers_begin():
    flat = {"rows": np.repeat([0, 1], 3), "attributes": np.array([1, 1, 2, 1, 2, 2]),
            "correct": np.zeros(6, dtype=bool), "predicted": np.array([7, 7, 3, 3, 7, 3])}  # fmt: skip
    assert abstained(flat, 7) == 0.5


@pytest.mark.parametrize(
    ("share", "line"), [(0.01, "a batch of 16 must have a row of each kind"), (1.0, "all together below 1")]
)
def test_shares_that_cannot_be_are_one_line(source, tokenizer, share, line):
    with pytest.raises(UserError, match=line):
        stream(source, tokenizer, share)


def test_what_cannot_go_together_is_refused(source, tokenizer):
    with pytest.raises(UserError, match="leave out one of them"):
        build_stream(source, tokenizer, plan(source), 0, share_unknown=0.25, share_questions=0.25)
    with pytest.raises(UserError, match="has a value 'unknown' already"):
        with_unknown(with_unknown(source))


def test_runs_of_both_kinds_measure_who_is_told_to_be_unknown(trained, tmp_path):
    run = pretrain(tmp_path / "run", "--share_unknown", 0.25)
    tuned = finetune(tmp_path / "tuned", trained, share_unknown=0.25, weight_replay_finetune=0.5)
    for groups, found in ((("seen", "unseen"), run), (("seen", "new", "unseen"), tuned)):
        assert {f"{group}_abstained" for group in groups} <= found.records[-1].keys()
        assert sum("unknown" in row["text"] for row in reading_of(str(found.path)).rows(3)) == 2
    assert "seen_abstained" not in pretrain(tmp_path / "plain").records[-1]
