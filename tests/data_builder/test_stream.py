import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builder.biographies import Renderer
from data_builder.population import Wording
from data_builder.rendered import token_tables
from data_builder.schedules import Plan, Uniform
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tokenizer import train_tokenizer
from settings.data import DataSettings
from tests.helpers.independent import drawn, parse, sentence
from tests.helpers.pretraining import same
from tests.helpers.toys import stream_of

KEYS = {"input_ids", "attention_mask", "labels", "attribute_ids", "individual_ids"}


@pytest.fixture(scope="module", params=["small", "full"])
def world(request, source, tokenizer, full_source, full_tokenizer):
    chosen = (source, tokenizer) if request.param == "small" else (full_source, full_tokenizer)
    return *chosen, stream_of(*chosen)


def decoded(batch, tokenizer):
    return [tokenizer.decode(row, skip_special_tokens=True).removeprefix(" ") for row in batch["input_ids"]]


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12))
def test_ids_are_those_of_the_text_and_mark_exactly_the_tokens_of_names_and_values(world, seed, n):
    source, tokenizer, stream = world
    names, values, templates, order = drawn(source, seed, n)
    wording = Wording(templates, order)
    made = stream.tables.assemble(names, values, wording, with_names=True)
    plain = stream.tables.assemble(names, values, wording)
    assert plain.keys() == made.keys() - {"name_ids"}
    assert all(np.array_equal(plain[key], made[key]) for key in plain)
    rows = zip(*(a.tolist() for a in (names, values, wording.templates, wording.order)), strict=True)
    for number, row in enumerate(rows):
        told = Renderer(source).biography(*row)  # its spans are tested by test_tokenizer.py
        encoded = tokenizer(told.text, return_offsets_mapping=True)
        true, width = [*encoded.input_ids, tokenizer.eos_token_id], made["input_ids"].shape[1]
        assert made["input_ids"][number].tolist() == true + [tokenizer.pad_token_id] * (width - len(true))
        assert made["attention_mask"][number].tolist() == [True] * len(true) + [False] * (width - len(true))
        for key, spans in (
            ("attribute_ids", dict(zip((a + 1 for a in row[3]), told.value_spans, strict=True))),
            ("name_ids", dict(enumerate(told.name_spans, 1))),
        ):
            marks = [mark(spans, *offsets) for offsets in encoded.offset_mapping[1:]]
            assert made[key][number].tolist() == [0, *marks] + [0] * (width - 1 - len(marks))


def mark(spans, begin, end):
    """The number of the span that has characters of a token, 0 if none has."""
    return next((number for number, (a, b) in spans.items() if begin < b and end > a), 0)


def test_a_batch_has_its_keys_shapes_and_types_and_labels_are_its_tokens_but_not_padding(stream):
    batch = stream.batch(3, 32)
    ids, mask = batch["input_ids"], batch["attention_mask"].bool()
    assert batch.keys() == KEYS
    assert ids.shape[1] % 8 == 0
    for key, tensor in batch.items():
        assert (tensor.shape, tensor.dtype) == ((32,) if key == "individual_ids" else ids.shape, torch.int64)
    assert not mask.all()
    assert torch.equal(batch["labels"][mask], ids[mask])
    assert (batch["labels"][~mask] == -100).all()
    assert (batch["attribute_ids"][~mask] == 0).all()
    lengths = mask.sum(dim=1)
    assert (torch.arange(ids.shape[1]) < lengths[:, None]).equal(mask)
    assert 0 <= ids.shape[1] - lengths.max() < 8


@pytest.mark.parametrize("step", [0, 1, 10**9])
def test_a_training_batch_tells_true_biographies_in_training_wording(world, step):
    source, tokenizer, stream = world
    longest = stream.batch(step, 200)["attention_mask"].sum(dim=1).max().item()
    assert 0.5 * stream.tables.max_length < longest <= stream.tables.max_length
    batch = stream.batch(step, 24)
    for person, text, marks in zip(
        batch["individual_ids"].tolist(), decoded(batch, tokenizer), batch["attribute_ids"], strict=True
    ):
        assert person in source.population.groups["seen"]
        told = parse(source, person, text)
        assert sorted(attribute for attribute, _ in told) == list(range(6))
        assert not [(a, t) for a, t in told if t in source.population.heldout[person, a]]
        kinds = [kind for kind, _ in itertools.groupby(marks.tolist()) if kind]
        assert kinds == [attribute + 1 for attribute, _ in told]


def test_a_batch_is_the_same_in_any_order_of_calls_and_in_another_stream_and_no_other_is(source, tokenizer, stream):
    forwards = [stream.batch(step, 8) for step in range(6)]
    other = stream_of(source, tokenizer)
    other.probe("seen", 5)
    for step in (5, 0, 3, 3, 1, 4, 2):
        assert same(forwards[step], other.batch(step, 8))
    small, large = forwards[2], stream.batch(2, 20)  # which it begins
    assert torch.equal(small["individual_ids"], large["individual_ids"][:8])
    for a, b, mask in zip(small["input_ids"], large["input_ids"], small["attention_mask"].bool(), strict=False):
        assert torch.equal(a[mask], b[: len(a)][mask])
    batches = [*forwards, stream_of(source, tokenizer, seed=1).batch(0, 8)]
    assert len({text for batch in batches for text in decoded(batch, tokenizer)}) == 7 * 8
    assert len({tuple(batch["individual_ids"].tolist()) for batch in batches}) == 7


def test_people_are_drawn_by_the_schedule_alone(source, tokenizer, stream):
    """Who is drawn changes, the wording of row k of batch t does not."""
    one = BiographyStream(source, tokenizer, Uniform(Plan(range(7, 8))), 0).batch(4, 30)
    assert set(one["individual_ids"].tolist()) == {7}
    assert len(set(decoded(one, tokenizer))) == 30
    orders = [
        [[kind for kind, _ in itertools.groupby(row.tolist()) if kind] for row in batch["attribute_ids"]]
        for batch in (one, stream.batch(4, 30))
    ]
    assert orders[0] == orders[1]


@pytest.mark.parametrize("group", ["seen", "unseen", "new"])
def test_a_probe_is_fixed_without_repeats_and_in_heldout_wording(world, group):
    source, tokenizer, stream = world
    probe = stream.probe(group, 15)
    assert probe.keys() == KEYS | {"name_ids"}
    people = probe["individual_ids"].tolist()
    assert len(set(people)) == len(people) == 15
    assert set(people) <= set(source.population.groups[group])
    for person, text in zip(people, decoded(probe, tokenizer), strict=True):
        told = parse(source, person, text)
        assert sorted(attribute for attribute, _ in told) == list(range(6))
        assert all(t in source.population.heldout[person, a] for a, t in told)
    stream.batch(0, 4)
    assert same(probe, stream.probe(group, 15))
    assert same(probe, stream_of(source, tokenizer).probe(group, 15))


def test_a_probe_takes_no_more_than_the_group_and_another_seed_others_of_it(source, tokenizer, stream):
    for group in ("seen", "new"):
        members = source.population.groups[group]
        assert sorted(stream.probe(group, 10_000)["individual_ids"].tolist()) == list(members)
    people = [s.probe("seen", 20)["individual_ids"].tolist() for s in (stream, stream_of(source, tokenizer, seed=1))]
    assert len({*map(frozenset, people), frozenset(range(20))}) == 3
    empty = Source.build(DataSettings(n_individuals=5, n_unseen=0, n_new=0, entries_per_list=3))
    probe = stream_of(empty, train_tokenizer(empty.pieces())).probe("unseen", 10)
    assert len(probe["individual_ids"]) == len(probe["input_ids"]) == 0


def test_max_length_is_the_length_of_the_longest_possible_biography():
    """Brute force: every name, template and value of a world with two entries in each list."""
    source = Source.build(DataSettings(n_individuals=5, n_unseen=0, n_new=0, entries_per_list=2))
    lists = {"company": ("Q", "Warner Bros. Discovery"), "last_name": ("Lee", "Lloyd-Webber"), "day": ("1", "2 or 3")}
    source.word_lists.lists.update(lists)
    tokenizer = train_tokenizer(source.pieces())
    longest = 0
    for parts in itertools.product(range(2), repeat=3):
        total = 2
        for attribute, size in enumerate(source.word_lists.value_sizes.values()):
            told = [sentence(source, attribute, t, parts, value) for t in range(25) for value in range(size)]
            total += max(len(ids) for ids in tokenizer(told, add_special_tokens=False).input_ids)
        longest = max(longest, total)
    assert token_tables(source, tokenizer).max_length == longest


@pytest.mark.parametrize("used", [{"padding": True}, {"truncation": True, "max_length": 3}])
def test_a_tokenizer_used_otherwise_before_gives_the_same_stream(source, stream, used):
    tokenizer = train_tokenizer(source.pieces())
    tokenizer(["a", "b c d e"], **used)
    assert same(stream_of(source, tokenizer).batch(0, 4), stream.batch(0, 4))


def test_tokens_of_names_are_those_that_nothing_else_has(world):
    source, tokenizer, stream = world
    names, values, templates, order = drawn(source, 0, 400)
    made = stream.tables.assemble(names, values, Wording(templates, order), with_names=True)
    inside, outside = (set(made["input_ids"][mask].tolist()) for mask in (made["name_ids"] > 0, made["name_ids"] == 0))
    own = set(stream.tables.name_tokens().tolist())
    assert inside - outside
    # All that these biographies show; others may have more names, and more words that are no names.
    assert own.isdisjoint(outside)
    parts = {tokenizer.convert_ids_to_tokens(token) for token in inside - outside - own}
    lists = source.word_lists
    others = [text for attribute in source.world.attributes for text in lists.values(attribute)]
    others += [piece for ts in source.templates.values() for t in ts for piece in (t.head, t.middle, t.tail)]
    words = {piece for text in others for piece in (*tokenizer.tokenize(text), *tokenizer.tokenize(f" {text}"))}
    assert parts <= words
