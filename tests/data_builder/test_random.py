import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builder.random import permute, quasi_uniforms, uniforms
from tests.helpers.independent import is_uniform

MASK = 2**64 - 1
GOLDEN_UNIFORMS = [0.655656661073702, 0.343972602923322, 0.4249018511197177]
GOLDEN_EVEN = [0.598380280341976, 0.216414269091871, 0.834448257841766]
GOLDEN_PERMUTED = [60, 238, 360, 232, 822, 623, 735, 223]


def philox(counter, key):
    """One block of Philox 4x64 with 10 rounds, written from its paper (Salmon et al. 2011)."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        p0, p1 = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (p1 >> 64) ^ c1 ^ k0, p1 & MASK, (p0 >> 64) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return [c0, c1, c2, c3]


@given(st.integers(0, 2**32), st.text(max_size=9), st.integers(0, 2**40))
def test_uniforms_are_53_bits_of_philox(seed, purpose, step):
    key = (seed, zlib.crc32(purpose.encode()))
    words = [word for block in range(1, 4) for word in philox((block, 0, step, 0), key)]
    assert uniforms(seed, purpose, (12,), step).tolist() == [(word >> 11) / 2**53 for word in words]


def test_first_numbers_stay_the_same_for_ever():
    assert uniforms(7, "golden", (3,), step=5).tolist() == GOLDEN_UNIFORMS
    assert quasi_uniforms(7, "golden", 3, step=5) == pytest.approx(GOLDEN_EVEN, abs=1e-12)
    assert permute(np.arange(8), 1000, 7, "golden").tolist() == GOLDEN_PERMUTED


@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 40))
def test_even_numbers_come_back_to_a_place_after_one_of_three_waits(seed, n_places, batch):
    """The three-gap theorem (Steinhaus): a rotation comes back to an interval after one of at most three times."""
    steps = range(-(-20 * n_places // batch))
    numbers = np.concatenate([quasi_uniforms(seed, "places", batch, step) for step in steps])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    visits = np.flatnonzero((numbers * n_places).astype(int) == n_places // 2)
    waits = np.diff(visits)
    assert len(set(waits)) <= 3
    assert waits.max(initial=0) < 4 * n_places


def test_even_numbers_are_those_of_a_random_beginning_and_the_golden_section():
    numbers = [*quasi_uniforms(3, "places", 4, 0), *quasi_uniforms(3, "places", 4, 1)]
    assert np.diff(numbers) % 1 == pytest.approx([0.6180339887498949] * 7, abs=1e-12)
    assert not np.isclose(numbers[0], quasi_uniforms(4, "places", 4, 0)[0])


@given(st.integers(1, 40), st.integers(1, 40), st.lists(st.integers(1, 5), max_size=2), st.integers(0, 2**31))
def test_fewer_uniforms_are_the_beginning_of_more(few, more, shape, step):
    few, more = sorted((few, more))
    a, b = (uniforms(3, "prefix", (n, *shape), step) for n in (few, more))
    assert a.shape == (few, *shape)
    assert np.array_equal(a, b[:few])


def test_uniforms_differ_with_seed_purpose_and_step_and_are_uniform():
    calls = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (0, "a", 2), (0, "a", 2**32)]
    numbers = [number for seed, purpose, step in calls for number in uniforms(seed, purpose, (4096,), step).tolist()]
    assert len(set(numbers)) == len(numbers)
    assert 0 <= min(numbers) < 0.001 < 0.999 < max(numbers) < 1
    assert is_uniform(np.bincount((np.array(numbers) * 100).astype(int), minlength=100))


@given(
    st.integers(1, 3000) | st.sampled_from([2**k + d for k in range(1, 13) for d in (-1, 0, 1)]), st.integers(0, 2**32)
)
def test_permute_is_a_bijection(size, seed):
    indices = np.arange(size)
    assert sorted(permute(indices, size, seed, "bijection").tolist()) == indices.tolist() == list(range(size))


@given(st.integers(1, 10**9), st.lists(st.integers(0, 10**9), min_size=1, max_size=30), st.integers(0, 99))
def test_permute_maps_each_index_alone(size, indices, seed):
    indices = [index % size for index in indices]
    together = permute(np.array(indices), size, seed, "alone").tolist()
    assert together == [permute(np.array([index]), size, seed, "alone").item() for index in indices]
    assert all(0 <= place < size for place in together)


def test_permute_differs_with_seed_and_purpose():
    orders = [permute(np.arange(100), 100, seed, purpose).tolist() for seed, purpose in [(0, "a"), (1, "a"), (0, "b")]]
    assert all(sum(a == b for a, b in zip(x, y, strict=True)) < 10 for x, y in pairwise(orders))
    assert sum(place == index for index, place in enumerate(orders[0])) < 10
    places = [permute(np.arange(3), 10, seed, "uniform").tolist() for seed in range(1000)]
    assert all(is_uniform(np.bincount(column, minlength=10)) for column in zip(*places, strict=True))
