"""Fine-tuning's schedule, and rows that are about nobody."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from command_line import UserError
from data_builder.biographies import Renderer
from data_builder.mixture import NOBODY, MixedStream
from data_builder.population import build_population, unused_names
from data_builder.random import uniforms
from data_builder.schedules import Plan, build_schedule
from settings.schedule import ScheduleSettings
from tests.helpers.independent import fits
from tests.helpers.pretraining import same

OLD, NEW = range(10, 30), range(40, 48)


def replay(max_steps=100, stages=(OLD,), **settings):
    return build_schedule(Plan(NEW, ScheduleSettings(schedule="replay", **settings), max_steps, 8, 5.0, stages))


def counts(schedule, step=0, n=200_000):
    return np.bincount(schedule.draw(step, uniforms(0, "test", (n,), step)), minlength=60)


@pytest.mark.parametrize("weight", [0, 0.03125, 0.5, 2])
def test_an_old_individual_has_the_weight_and_a_new_one_weight_one(weight):
    total = weight * len(OLD) + len(NEW)
    expected = [weight / total if i in OLD else 1 / total if i in NEW else 0 for i in range(60)]
    assert fits(counts(replay(weight_replay_finetune=weight)), expected)
    schedule = replay(weight_replay_finetune=1, start_replay=0.75, n_individuals_replay=4)  # it may wait, for a few
    assert schedule.metrics(74) == {"n_drawable": 8}
    assert not counts(schedule, 74)[OLD.start : OLD.stop].any()
    expected = [1 / 12 if i in OLD[:4] or i in NEW else 0 for i in range(60)]
    assert fits(counts(schedule, 75), expected)


def test_people_of_all_stages_are_replayed_or_of_those_that_are_named():
    stages = (OLD, range(30, 34), range(34, 40))
    everybody = counts(replay(stages=stages, weight_replay_finetune=0.5))
    total = 0.5 * 30 + len(NEW)
    assert fits(everybody, [0.5 / total if 10 <= i < 40 else 1 / total if i in NEW else 0 for i in range(60)])
    assert replay(stages=stages, weight_replay_finetune=0.5, replay_stages=[2, 0]).old == [OLD, range(34, 40)]
    few = replay(stages=stages, weight_replay_finetune=0.5, replay_stages=[1, 2], n_individuals_replay=6)
    assert few.old == [range(30, 34), range(34, 36)]
    assert not counts(few)[36:40].any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_replay_finetune": -0.5}, "weight_replay_finetune is -0.5; it must be at least 0"),
        ({"weight_replay_finetune": math.nan}, "weight_replay_finetune is nan"),
        ({"weight_replay_finetune": math.inf}, "weight_replay_finetune is inf"),
        ({"start_replay": 1.0}, "start_replay is 1.0; it must be at least 0 and below 1"),
        ({"weight_replay_finetune": 1, "n_individuals_replay": 21}, "n_individuals_replay is 21; .* from 1 to 20"),
        ({"weight_replay_finetune": 1, "n_individuals_replay": 0}, "n_individuals_replay is 0"),
        ({"weight_replay_finetune": 1, "replay_stages": [0, 1]}, r"replay_stages has 1; .* 0 \(pre-training\) to 0"),
        ({"weight_replay_finetune": 1, "stages": ()}, "has nobody to replay here; it is for run_finetune.py"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_one_line(settings, message):
    with pytest.raises(UserError, match=message):
        replay(**settings)


def mixed(source, tokenizer, random_words=0.0, invented=0.0, seed=0, batch_size=32):
    schedule = build_schedule(Plan(source.population.groups["new"], batch_size=batch_size))
    return MixedStream(random_words, invented, source, tokenizer, schedule, seed)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(st.integers(2, 64), st.floats(0, 1), st.floats(0, 1))
def test_kinds_have_their_shares_in_a_batch_and_in_every_stretch(source, tokenizer, size, random_words, invented):
    n_random, n_invented = round(random_words * size), round(invented * size)
    assume(n_random and n_invented and n_random + n_invented < size and random_words + invented < 1)
    batch = mixed(source, tokenizer, random_words, invented, batch_size=size).batch(0, size)
    nobody = batch["individual_ids"] == NOBODY
    silent = (batch["labels"] == -100).all(1)
    assert (int((nobody & ~silent).sum()), int(silent.sum())) == (n_random, n_invented)
    for half in (nobody[: size // 2], nobody[size // 2 : size // 2 * 2]):
        assert abs(half.float().mean() - (n_random + n_invented) / size) <= 2 / len(half)


def test_rows_about_nobody(source, tokenizer):
    stream, plain = mixed(source, tokenizer, 0.25, 0.5), mixed(source, tokenizer)
    assert same(super(MixedStream, plain).batch(3, 16), plain.batch(3, 16))
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


def test_invented_people_have_names_of_the_lists_that_nobody_has(source, tokenizer):
    stream, lists, invented = mixed(source, tokenizer, invented=0.5), source.word_lists.lists, set()
    full_names = [" ".join(name) for name in itertools.product(*(lists[k] for k in source.world.name))]
    for step in range(4):
        batch = stream.batch(step, 32)
        for row in batch["input_ids"][batch["individual_ids"] == NOBODY]:
            text = tokenizer.decode(row, skip_special_tokens=True)
            (name,) = [name for name in full_names if text.count(name) == 6]
            invented.add(name)
    assert len(invented) > 50
    renderer = Renderer(source)
    assert not invented & {renderer.name(parts) for parts in source.population.names}


@given(st.integers(0, 8), st.integers(0, 99))
def test_unused_names_are_all_those_that_nobody_has(n_used, seed):
    draws = (np.arange(8 - n_used) + 0.5) / max(1, 8 - n_used)
    if n_used == 8:
        with pytest.raises(UserError, match="all 8 full names of the word lists are somebody's"):
            unused_names(draws, (2, 2, 2), 8, seed)
        return
    population = build_population((2, 2, 2), (2,) * 6, (6,) * 6, (n_used, 0, 0), 1, seed)
    found = np.concatenate((unused_names(draws, (2, 2, 2), n_used, seed), population.names))
    assert sorted(map(tuple, found.tolist())) == list(itertools.product(range(2), repeat=3))


IMPOSSIBLE = [((a, b), 32, "each must be 0 or more, and all together below 1") for a, b in
              ((-0.1, 0), (0, -1), (0.5, 0.5), (math.nan, 0), (1, 0))]  # fmt: skip
IMPOSSIBLE += [(shares, size, f"a batch of {size} must have a row of each kind, and biographies") for shares, size in
               (((0.01, 0), 8), ((0, 0.01), 8), ((0, 0.9), 4), ((0.5, 0.4), 2))]  # fmt: skip


@pytest.mark.parametrize(("shares", "size", "message"), IMPOSSIBLE)
def test_shares_that_cannot_be_are_one_line(source, tokenizer, shares, size, message):
    with pytest.raises(UserError, match=message):
        mixed(source, tokenizer, *shares, batch_size=size)
