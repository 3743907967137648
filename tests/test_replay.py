"""Fine-tuning's schedule, and rows that are about nobody."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from independent import fits

from command_line import UserError
from data_builder.mixture import NOBODY, MixedStream
from data_builder.random import uniforms
from data_builder.schedules import Plan, ScheduleSettings, build_schedule

OLD, NEW = range(10, 30), range(40, 48)


def replay(max_steps=100, old=OLD, **settings):
    return build_schedule(Plan(NEW, ScheduleSettings(schedule="replay", **settings), max_steps, 8, 5.0, old))


def counts(schedule, step=0, n=200_000):
    return np.bincount(schedule.draw(step, uniforms(0, "test", (n,), step)), minlength=60)


@pytest.mark.parametrize("weight", [0, 0.03125, 0.5, 1, 2])
def test_an_old_individual_has_the_weight_and_a_new_one_weight_one(weight):
    total = weight * len(OLD) + len(NEW)
    expected = [weight / total if i in OLD else 1 / total if i in NEW else 0 for i in range(60)]
    assert fits(counts(replay(weight_replay_finetune=weight)), expected)


def test_replay_may_wait_and_be_of_a_few():
    schedule = replay(weight_replay_finetune=1, start_replay=0.75, n_individuals_replay=4)
    assert schedule.metrics(74) == {"n_drawable": 8}
    assert not counts(schedule, 74)[OLD.start : OLD.stop].any()
    expected = [1 / 12 if i in (10, 15, 20, 25) or i in NEW else 0 for i in range(60)]
    assert fits(counts(schedule, 75), expected)


@given(st.integers(1, 20))
def test_the_few_are_evenly_spread(size):
    few = [r.start for r in replay(weight_replay_finetune=1, n_individuals_replay=size).old]
    gaps = np.diff([*few, OLD.stop])
    assert len(few) == size
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_replay_finetune": -0.5}, "weight_replay_finetune is -0.5; it must be 0 "),
        ({"weight_replay_finetune": math.nan}, "weight_replay_finetune is nan"),
        ({"weight_replay_finetune": math.inf}, "weight_replay_finetune is inf"),
        ({"start_replay": 1.0}, "start_replay is 1.0; it must be from 0 to below 1"),
        ({"weight_replay_finetune": 1, "n_individuals_replay": 21}, "n_individuals_replay is 21; it must be from 1 to"),
        ({"weight_replay_finetune": 1, "n_individuals_replay": 0}, "n_individuals_replay is 0"),
        ({"weight_replay_finetune": 1, "old": range(0)}, "has nobody to replay here; it is for run_finetune.py"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_one_line(settings, message):
    with pytest.raises(UserError, match=message):
        replay(**settings)


def mixed(source, tokenizer, random_words=0.0, invented=0.0, seed=0):
    schedule = build_schedule(Plan(source.population.groups["new"]))
    return MixedStream(random_words, invented, source, tokenizer, schedule, seed)


def test_without_shares_it_is_the_stream(source, tokenizer):
    stream = mixed(source, tokenizer)
    plain = super(MixedStream, stream).batch(3, 16)
    assert all(torch.equal(plain[key], tensor) for key, tensor in stream.batch(3, 16).items())


@given(st.integers(1, 64), st.integers(0, 8), st.integers(0, 7))
def test_rows_have_their_shares_in_every_stretch(size, random_eighths, invented_eighths):
    if random_eighths + invented_eighths > 7:
        return
    kinds = MixedStream._kinds(_Shares(random_eighths / 8, (random_eighths + invented_eighths) / 8), size)
    for begin in range(0, size - size % 8, 8):
        found = np.bincount(kinds[begin : begin + 8], minlength=3)
        assert found.tolist() == [8 - random_eighths - invented_eighths, random_eighths, invented_eighths]


class _Shares:
    def __init__(self, random_words, either):
        self.random_words, self.either = random_words, either


def test_rows_about_nobody(source, tokenizer):
    stream, plain = mixed(source, tokenizer, 0.25, 0.5), mixed(source, tokenizer)
    batch, kinds = stream.batch(0, 32), stream._kinds(32)
    assert np.bincount(kinds).tolist() == [8, 8, 16]
    people = torch.from_numpy(kinds == 0)
    expected = plain.batch(0, 32)["individual_ids"]
    assert torch.equal(batch["individual_ids"][people], expected[people])
    assert (batch["individual_ids"][~people] == NOBODY).all()
    assert (batch["attribute_ids"][~people] == 0).all()
    assert (batch["attribute_ids"][people] > 0).any(1).all()
    real = batch["attention_mask"].bool()
    for kind, learned in ((0, True), (1, True), (2, False)):
        rows = torch.from_numpy(kinds == kind)
        assert torch.equal(batch["labels"][rows] != -100, real[rows] & learned)
    assert stream.times_drawn(3, 32).sum() == 3 * 8


def test_random_words_are_any_that_occur_and_nothing_else(source, tokenizer):
    stream = mixed(source, tokenizer, random_words=0.5)
    words, used = [], set(stream.tables.tokens.tolist()) - set(tokenizer.all_special_ids)
    for step in range(40):
        batch = stream.batch(step, 32)
        rows = batch["input_ids"][batch["individual_ids"] == NOBODY]
        words += rows[~torch.isin(rows, torch.tensor(tokenizer.all_special_ids))].tolist()
        for row in rows:
            real = row[row != tokenizer.pad_token_id]
            assert (real[0], real[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert set(words) <= used
    numbers = np.searchsorted(sorted(used), words)
    assert fits(np.bincount(numbers, minlength=len(used)).tolist(), [1 / len(used)] * len(used))


def test_invented_people_have_names_and_values_of_the_lists(source, tokenizer):
    stream = mixed(source, tokenizer, invented=0.5)
    batch, names = stream.batch(1, 32), set()
    for row in batch["input_ids"][batch["individual_ids"] == NOBODY]:
        text = tokenizer.decode(row, skip_special_tokens=True)
        first, middle, last = (source.word_lists.lists[k] for k in ("first_name", "middle_name", "last_name"))
        found = {(a, b, c) for a in first for b in middle for c in last if text.count(f"{a} {b} {c}") == 6}
        assert len(found) == 1
        names |= found
    assert len(names) > 10


@pytest.mark.parametrize("shares", [(-0.1, 0), (0, -1), (0.5, 0.5), (math.nan, 0), (1, 0)])
def test_shares_that_cannot_be_are_one_line(source, tokenizer, shares):
    with pytest.raises(UserError, match="each must be 0 or more, and both together below 1"):
        mixed(source, tokenizer, *shares)
