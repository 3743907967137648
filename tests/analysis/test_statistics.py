"""Intervals and tests over seeds, against scipy and by hand."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import PERCENT, UNBOUNDED, from_scale, holm, interval_text, mean_interval, p_above, to_scale

numbers = st.lists(st.floats(-100, 100), min_size=2, max_size=6)
shares = st.lists(st.floats(0, 1), min_size=2, max_size=6)


@given(numbers)
def test_without_bounds_an_interval_is_students(values):
    assume(np.std(values) > 1e-6)
    mean, low, high = mean_interval(values)
    assert mean == pytest.approx(np.mean(values))
    assert (low, high) == pytest.approx(stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values)))


@given(shares)
def test_an_interval_lies_within_its_bounds_and_around_the_mean(values):
    mean, low, high = mean_interval(values, (0, 1))
    assert mean == pytest.approx(np.mean(values))
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1


def test_between_bounds_it_is_that_of_the_logit_above_one_of_the_logarithm():
    values = [0.90, 0.92, 0.97]
    mean, low, high = mean_interval(values, (0, 1))
    half = stats.t.ppf(0.975, 2) * stats.sem(values) / (mean * (1 - mean))  # the slope of the logit at the mean
    assert np.log([low / (1 - low), high / (1 - high)]) == pytest.approx(
        np.log(mean / (1 - mean)) + np.array([-half, half])
    )
    mean, low, high = mean_interval([2.0, 4.0], (0, np.inf))
    assert mean == 3
    assert low * high == pytest.approx(9)
    correlations = [0.2, 0.5, 0.9]
    _, low, high = mean_interval(correlations, (-1, 1))
    middle = np.mean(correlations)
    half = stats.t.ppf(0.975, 2) * stats.sem(correlations) / (1 - middle**2)  # the slope of Fisher's z
    assert (low, high) == pytest.approx(tuple(np.tanh(np.arctanh(middle) + np.array([-half, half]))))


def test_where_the_spread_is_small_bounds_change_nothing():
    values = [50.0, 50.1, 50.2]
    assert mean_interval(values, PERCENT) == pytest.approx(mean_interval(values), rel=1e-4)


@given(st.floats(0.01, 0.99), st.sampled_from([(0, 1), (-2, 5), (0, np.inf), UNBOUNDED]))
def test_the_scale_goes_back(value, bounds):
    assert from_scale(to_scale(value, bounds), bounds) == pytest.approx(value)


def test_values_that_are_all_the_same_are_told_without_an_interval():
    assert mean_interval([100.0, 100.0], PERCENT) == (100, 100, 100)
    assert interval_text([0.0], "{:.1f}%", PERCENT) == "0.0%"  # of one value, itself
    assert interval_text([100.0, 100.0], "{:.1f}%", PERCENT) == "100.0%"
    assert interval_text([3.0], "{:.0f}") == "3"
    assert interval_text([3.0, None], "{:.0f}") == "1 of 2 not reached"


@given(numbers, st.floats(-50, 50))
def test_p_is_scipys(values, level):
    assume(np.std(values) > 1e-6)
    assert p_above(values, level) == pytest.approx(stats.ttest_1samp(values, level, alternative="greater").pvalue)


def test_there_is_no_p_of_too_little():
    assert np.isnan(p_above([0.2], 0))
    assert np.isnan(p_above([0.2, 0.2], 0))


def test_holm_is_the_textbooks():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.9, np.nan, 0.6])
    assert adjusted[0] == adjusted[2] == 1
    assert np.isnan(adjusted[1])
