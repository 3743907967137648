"""The control: values drawn anew for each biography, so that nobody can be known."""

import itertools

import torch

from data_builder.schedules import Plan, Uniform
from data_builder.stream import BiographyStream
from tests.helpers.independent import is_uniform
from tests.helpers.pretraining import same
from tests.helpers.toys import stream_of


def test_redrawn_values_change_the_values_and_nothing_else(source, tokenizer, stream):
    control = stream_of(source, tokenizer, redraw_values=True)
    assert same(control.probe("seen", 9), stream.probe("seen", 9))  # probes keep the true values
    n_changed = 0
    for step in range(5):
        a, b = stream.batch(step, 16), control.batch(step, 16)
        assert torch.equal(a["individual_ids"], b["individual_ids"])
        for x, y in zip(_rows(a), _rows(b), strict=True):
            assert [(kind, ids) for kind, ids in x if kind == 0] == [(kind, ids) for kind, ids in y if kind == 0]
            assert [kind for kind, _ in x] == [kind for kind, _ in y]
            n_changed += sum(p != q for p, q in zip(x, y, strict=True))
    assert 0.8 < n_changed / (5 * 16 * 6) < 1


def _rows(batch):
    """Runs of text and of values in each row: [(attribute id, token ids), ...]."""
    rows = []
    for ids, kinds, mask in zip(
        batch["input_ids"], batch["attribute_ids"], batch["attention_mask"].bool(), strict=True
    ):
        pairs = zip(kinds[mask].tolist(), ids[mask].tolist(), strict=True)
        rows.append([(kind, [i for _, i in run]) for kind, run in itertools.groupby(pairs, key=lambda pair: pair[0])])
    return rows


def test_redrawn_values_are_uniform_fresh_and_repeatable(source, tokenizer):
    control = BiographyStream(source, tokenizer, Uniform(Plan(range(7, 8))), 0, redraw_values=True)
    cities = [f" {city}" for city in source.word_lists.lists["city"]]
    counts = dict.fromkeys(cities, 0)
    sequences = set()
    for step in range(4):
        batch = control.batch(step, 300)
        assert same(batch, control.batch(step, 300))
        values = [tokenizer.decode(next(ids for kind, ids in row if kind == 6)) for row in _rows(batch)]
        sequences.add(tuple(values))
        for value in values:
            counts[f" {value.strip()}"] += 1
    assert len(sequences) == 4
    assert list(counts) == cities
    assert is_uniform(counts.values())
