"""Intervals and tests over seeds, against scipy and by hand."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import PERCENT, UNBOUNDED, holm, interval_text, inverse_transform, mean_interval, p_above
from analysis.statistics import transform as transformed

numbers = st.lists(st.floats(-100, 100), min_size=2, max_size=6)
shares = st.lists(st.floats(0, 1), min_size=2, max_size=6)


@given(numbers)
def test_without_bounds_an_interval_is_students(values):
    assume(np.std(values) > 1e-6)
    mean, low, high = mean_interval(values)
    assert mean == pytest.approx(np.mean(values))
    assert (low, high) == pytest.approx(stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values)))


@given(shares)
def test_an_interval_lies_within_its_bounds_and_around_its_value(values):
    mean, low, high = mean_interval(values, (0, 1))
    assert 0 <= low <= mean <= high <= 1
    assert min(values) - 2e-3 <= mean <= max(values) + 2e-3


def test_above_a_bound_it_is_that_of_logarithms_and_in_minus_one_to_one_fishers():
    mean, low, high = mean_interval([2.0, 8.0], (0, np.inf))
    assert mean == pytest.approx(4)
    assert low * high == pytest.approx(16)
    correlations = [0.2, 0.5, 0.9]
    assert mean_interval(correlations, (-1, 1))[0] == pytest.approx(np.tanh(np.arctanh(correlations).mean()))


@given(shares, st.sampled_from([(0, 1), (-2, 5), (0, np.inf), UNBOUNDED]))
def test_a_transformation_goes_back(values, bounds):
    values = [0.01 + 0.98 * value for value in values]
    assert inverse_transform(transformed(values, bounds), bounds) == pytest.approx(values)


def test_values_that_are_all_the_same_are_told_without_an_interval():
    assert mean_interval([100.0, 100.0], PERCENT) == (100, 100, 100)
    assert interval_text([100.0, 100.0], "{:.1f}%", PERCENT) == "100.0%"
    assert interval_text([3.0], "{:.0f}") == "3"
    assert interval_text([3.0, None], "{:.0f}") == "1 of 2 not reached"


@given(numbers, st.floats(-50, 50))
def test_p_is_scipys(values, level):
    assume(np.std(values) > 1e-6)
    assert p_above(values, level) == pytest.approx(stats.ttest_1samp(values, level, alternative="greater").pvalue)


def test_p_of_a_bound_and_of_too_little():
    assert p_above([0.2, 0.3], 0, (0, np.inf)) == 0  # all that is possible lies above
    assert np.isnan(p_above([0.2], 0))
    assert np.isnan(p_above([0.2, 0.2], 0))


def test_holm_is_the_textbooks():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.9, np.nan, 0.6])
    assert adjusted[0] == adjusted[2] == 1
    assert np.isnan(adjusted[1])
