"""Populations of which no array is whole in memory: the same people, row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data_builder.rows as rows
from command_line import UserError
from data_builder.population import build_population, unused_names, who_has
from data_builder.random import permute, uniforms, uniforms_of
from data_builder.source import Source
from data_builder.tokenizer import train_tokenizer
from settings.data import DataSettings
from tests.helpers.toys import ADA, SMALL, stream_of, table

NAMES, VALUES, TEMPLATES = (20, 30, 40), (31 * 12 * 20, 80, 20, 10, 50, 80), (25, 25, 8, 6, 25, 255)
ARRAYS = ("names", "values", "heldout")


@pytest.fixture
def nothing_kept(monkeypatch):
    """From now on every population is one of which no array is whole."""
    monkeypatch.setattr(rows, "LONGEST_KEPT", -1)


def population(n=500, seed=0):
    return build_population(NAMES, VALUES, TEMPLATES, (n - 20, 10, 10), 5, seed)


@given(st.integers(1, 13), st.integers(0, 2**64 - 1), st.lists(st.integers(0, 199), max_size=9))
def test_rows_of_uniform_numbers_are_those_of_the_whole_array(width, seed, which):
    whole = [uniforms(seed, purpose, (200, width)) for purpose in ("one", "two")]
    for some in (np.array(which, dtype=int), np.arange(3, 120), np.arange(0)):
        found = uniforms_of(seed, ["one", "two"], some, width)
        assert np.array_equal(found, np.stack([array[some] for array in whole]))


def test_rows_far_from_the_beginning_are_those_of_numpy_as_well():
    last = np.array([999_999, 123, 999_998])
    whole = uniforms(7, "far", (1_000_000, 3))
    assert np.array_equal(uniforms_of(7, ["far"], last, 3)[0], whole[last])


@given(st.integers(1, 10**6), st.integers(0, 99))
def test_a_permutation_can_be_undone(size, seed):
    numbers = np.arange(min(size, 300))
    assert np.array_equal(permute(permute(numbers, size, seed, "test"), size, seed, "test", back=True), numbers)


def test_the_people_are_the_same_by_number_slice_and_array(nothing_kept, monkeypatch):
    made = population()
    monkeypatch.undo()
    kept = population()
    some = np.random.default_rng(0).integers(0, 500, (40, 2))
    for name in ARRAYS:
        ours, theirs = getattr(made, name), getattr(kept, name)
        assert isinstance(ours, rows.Rows)
        assert ours.shape == theirs.shape
        for which in (some, some[:, 0], 499, slice(7, 400), slice(500, None), np.arange(0)):
            assert np.array_equal(ours[which], theirs[which])
            assert ours[which].dtype == theirs[which].dtype
        for wrong in (500, -1, np.array([3, 500])):
            with pytest.raises(IndexError, match="rows are 0 to 499"):
                ours[wrong]
    draws = uniforms(0, "wording test", (40, 12))
    for heldout, n in ((True, None), (False, None), (False, 1)):
        own = [people.own_templates(n, seed=3) if n else None for people in (made, kept)]
        one, other = (p.draw_wording(some[:, 0], draws, heldout, o) for p, o in zip((made, kept), own, strict=True))
        assert np.array_equal(one.templates, other.templates)


def test_own_people_come_after_people_of_whom_no_array_is_whole(nothing_kept, monkeypatch):
    more = np.arange(9).reshape(3, 3), np.arange(18).reshape(3, 6)
    made = population().with_people(*more, seed=0)
    monkeypatch.undo()
    kept = population().with_people(*more, seed=0)
    which = np.array([502, 3, 499, 500])
    for name in ARRAYS:
        assert np.array_equal(getattr(made, name)[which], getattr(kept, name)[which])
    assert made.groups == kept.groups


def test_a_stream_reads_the_same_and_a_saved_source_is_found_again(nothing_kept, tmp_path, monkeypatch):
    made = Source.build(DataSettings(**SMALL, new_individuals=table(tmp_path / "mine.csv", ADA)))
    made.save(tmp_path)
    assert Source.load(tmp_path).digest() == made.digest()
    batch = stream_of(made, train_tokenizer(made.pieces())).batch(3, 32)
    settings = tmp_path / "source" / "settings.yaml"
    settings.write_text(settings.read_text().replace("population_seed: 0", "population_seed: 1"))
    with pytest.raises(UserError, match="its lists were changed"):
        Source.load(tmp_path)
    monkeypatch.undo()
    kept = Source.build(made.settings)
    for key, tensor in stream_of(kept, train_tokenizer(kept.pieces())).batch(3, 32).items():
        assert tensor.equal(batch[key])


def test_whose_a_name_is_or_would_be():
    people = population()
    assert np.array_equal(who_has(people.names, NAMES, seed=0), np.arange(500))
    assert (who_has(unused_names(np.linspace(0, 0.99, 30), NAMES, 500, seed=0), NAMES, seed=0) >= 500).all()


def test_blocks_are_all_numbers_in_order(monkeypatch):
    monkeypatch.setattr(rows, "BLOCK", 4)
    assert [block.tolist() for block in rows.in_blocks(range(3, 12))] == [[3, 4, 5, 6], [7, 8, 9, 10], [11]]
