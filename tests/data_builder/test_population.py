import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import UserError
from data_builder.population import build_population
from data_builder.random import uniforms
from data_builder.source import Source
from settings.data import DataSettings
from tests.helpers.independent import is_uniform

NAMES, VALUES, TEMPLATES = (20, 30, 40), (31 * 12 * 20, 80, 20, 10, 50, 80), (25, 25, 8, 6, 25, 255)


def population(groups=(70, 20, 10), names=NAMES, n_heldout=5, seed=0):
    return build_population(names, VALUES, TEMPLATES, groups, n_heldout, seed)


@pytest.fixture(scope="module")
def large():
    return population((20_000, 0, 0))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_as_many_people_as_names_use_each_full_name_once(first, middle, last, seed):
    total = first * middle * last
    people = population((total, 0, 0), (first, middle, last), seed=seed)
    every = [(a, b, c) for a in range(first) for b in range(middle) for c in range(last)]
    assert sorted(map(tuple, people.names.tolist())) == every
    for groups in ((total + 1, 0, 0), (1, 0, total), (0, total + 1, 0)):
        with pytest.raises(UserError, match=rf"^{total + 1:,} individuals .* {total:,} full names"):
            population(groups, (first, middle, last))


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50))
def test_groups_are_disjoint_and_have_the_sizes_asked_for(seen, unseen, new):
    people = population((seen, unseen, new))
    sizes = {group: len(members) for group, members in people.groups.items()}
    assert sizes == {"seen": seen, "unseen": unseen, "new": new}
    everyone = [person for members in people.groups.values() for person in members]
    assert everyone == list(range(seen + unseen + new))
    assert len(people) == len(people.names) == len(people.values) == len(people.heldout) == len(everyone)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 3))
def test_a_smaller_population_is_the_beginning_of_a_larger_one(few, more, seed):
    few, more = sorted((few, more))
    smaller, larger = population((few, 0, 0), seed=seed), population((more - more // 3, more // 3, 0), seed=seed)
    for name in ("names", "values", "heldout"):
        assert np.array_equal(getattr(smaller, name), getattr(larger, name)[:few])


def test_names_values_and_heldout_templates_are_uniform_and_independent(large):
    counts = [np.bincount(large.names[:, part], minlength=size) for part, size in enumerate(NAMES)]
    counts += [np.bincount(large.values[:, a], minlength=VALUES[a]) for a in range(1, 6)]
    day, rest = np.divmod(large.values[:, 0], 12 * 20)
    counts += [np.bincount(day, minlength=31), np.bincount(rest // 20, minlength=12), np.bincount(rest % 20)]
    counts += [np.bincount(large.values[:, 1] // 4 * 20 + large.values[:, 5] // 4, minlength=400)]
    counts += [np.bincount(large.values[:, 2] * 10 + large.values[:, 3], minlength=200)]
    counts += [np.bincount(large.heldout[:, a].ravel(), minlength=TEMPLATES[a]) for a in range(6)]
    assert all(map(is_uniform, counts))
    assert len({tuple(row) for row in large.names.tolist()}) == len(large) == 20_000
    other = population((20_000, 0, 0), seed=1)
    for name in ("names", "values", "heldout"):
        assert (getattr(large, name) == getattr(other, name)).all(axis=-1).mean() < 0.2


@given(st.integers(1, 5), st.integers(0, 99))
def test_heldout_templates_are_sorted_and_distinct(n_heldout, seed):
    kept = population(n_heldout=n_heldout, seed=seed).heldout.astype(int)
    assert kept.shape == (100, 6, n_heldout)
    assert (np.diff(kept, axis=2) > 0).all()
    assert kept.min() >= 0
    assert (kept.max(axis=2) < np.array(TEMPLATES)).all()


def test_each_set_of_heldout_templates_is_equally_likely():
    kept = build_population((50, 50, 50), (2,), (6,), (30_000, 0, 0), 3, 0).heldout[:, 0].astype(int)
    sets = (1 << kept).sum(axis=1)
    assert len(set(sets.tolist())) == math.comb(6, 3)
    assert is_uniform(np.unique(sets, return_counts=True)[1])


@pytest.mark.parametrize("attribute", range(5))
@pytest.mark.parametrize("heldout", [False, True])
def test_wording_draws_each_allowed_template_equally_often_and_no_other(attribute, heldout):
    people = population((3, 0, 0))
    for person in range(3):
        kept = set(people.heldout[person, attribute].tolist())
        allowed = kept if heldout else set(range(TEMPLATES[attribute])) - kept
        draws = uniforms(person, "wording test", (4000, 12))
        counts = np.bincount(people.draw_wording(np.full(4000, person), draws, heldout).templates[:, attribute])
        assert set(np.flatnonzero(counts).tolist()) == allowed
        assert len(allowed) == 1 or is_uniform(counts[sorted(allowed)])


@pytest.mark.parametrize("heldout", [False, True])
def test_the_least_and_largest_draws_choose_the_first_and_last_allowed_templates(heldout):
    people = population((200, 0, 0))
    for draw, choose in ((0.0, min), (1 - 2.0**-53, max)):
        templates = people.draw_wording(np.arange(200), np.full((200, 12), draw), heldout).templates
        for person in range(200):
            for attribute in range(6):
                kept = set(people.heldout[person, attribute].tolist())
                allowed = kept if heldout else set(range(TEMPLATES[attribute])) - kept
                assert templates[person, attribute] == choose(allowed)


def test_the_order_of_sentences_is_a_uniform_permutation_whatever_their_templates():
    people = population()
    for heldout in (False, True):
        wording = people.draw_wording(np.zeros(20_000, int), uniforms(0, "order test", (20_000, 12)), heldout)
        assert (np.sort(wording.order, axis=1) == np.arange(6)).all()
        orders, counts = np.unique(wording.order, axis=0, return_counts=True)
        assert len(orders) == math.factorial(6)
        assert is_uniform(counts)
        low = wording.templates[:, 0] <= np.median(wording.templates[:, 0])
        for half in (wording.order[low], wording.order[~low]):
            assert is_uniform(np.bincount(half[:, 0], minlength=6))


def test_a_person_words_the_same_whoever_else_is_in_the_batch():
    people, draws = population(), uniforms(0, "batch test", (50, 12))
    together = people.draw_wording(np.arange(50), draws, False)
    for row in (0, 17, 49):
        alone = people.draw_wording(np.array([row]), draws[row : row + 1], False)
        assert np.array_equal(alone.templates[0], together.templates[row])
        assert np.array_equal(alone.order[0], together.order[row])


def test_the_digest_of_a_small_source_stays_the_same_on_every_platform(source):
    """Changes only with the bundled lists or templates, or the way that people are drawn."""
    changes = {"n_unseen": 19, "n_new": 21, "population_seed": 1, "entries_per_list": 13, "n_heldout_templates": 4}
    for change in ({"n_individuals": 61, "n_unseen": 19}, *({key: value} for key, value in changes.items())):
        assert Source.build(DataSettings(**vars(source.settings) | change)).digest() != source.digest()
    assert source.digest() == "87b8b8ceb3bb1bc5dc0fb4ca5edd4ae6dcef1cd7772852ba63efdca75dd0679e"


@pytest.mark.parametrize(
    ("name", "least"),
    [("n_individuals", 1), ("n_unseen", 0), ("n_new", 0), ("n_heldout_templates", 1), ("entries_per_list", 1),
     ("names_per_list", 1)],
)  # fmt: skip
def test_sizes_that_are_too_small_are_refused_by_name(name, least):
    with pytest.raises(UserError, match=f"^{name} is {least - 1}; it must be at least {least}$"):
        Source.build(DataSettings(**{name: least - 1}))


@pytest.mark.parametrize("names", [2, 4])
def test_too_few_names_tell_the_largest_possible_population(names, tmp_path):
    people = {"n_individuals": names**3, "n_new": 0, "entries_per_list": 9, "names_per_list": names}
    with pytest.raises(UserError, match=rf"{names**3 + 1} individuals are more than the {names**3} full names"):
        Source.build(DataSettings(**people, n_unseen=1))
    Source.build(DataSettings(**people, n_unseen=0)).save(tmp_path)
    assert Source.load(tmp_path).settings.names_per_list == names
