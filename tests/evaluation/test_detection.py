"""Confidence as a measure of knowledge, against slow implementations that follow the definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.detection import auprc, auroc, bootstrap, calibration_error, risk_coverage

answers = st.lists(st.tuples(st.integers(0, 4).map(lambda i: i / 4), st.booleans()), min_size=1, max_size=14)


def slow_auroc(positive, negative):
    wins = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative]
    return sum(wins) / len(wins)


def slow_auprc(positive, negative):
    """Precision at the threshold that finds each positive."""
    precisions = []
    for threshold in positive:
        found = [sum(score >= threshold for score in side) for side in (positive, negative)]
        precisions.append(found[0] / sum(found))
    return sum(precisions) / len(precisions)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
def test_areas_equal_the_slow_ones_also_of_samples_side_by_side(p, q, seed):
    random = np.random.default_rng(seed)
    positive, negative = random.integers(0, 5, (3, p)), random.integers(0, 5, (3, q))
    for measure, slow in ((auroc, slow_auroc), (auprc, slow_auprc)):
        expected = [slow(a, b) for a, b in zip(positive.tolist(), negative.tolist(), strict=True)]
        assert measure(positive, negative) == pytest.approx(expected)
        assert measure(positive[0], negative[0]) == pytest.approx(expected[0])
    assert auroc(positive, negative) == pytest.approx(1 - auroc(negative, positive))


@given(answers, st.integers(1, 6))
def test_calibration_equals_the_slow_one(pairs, n_bins):
    total = 0.0
    for b in range(n_bins):
        last = b == n_bins - 1
        inside = [(p, c) for p, c in pairs if b <= p * n_bins and (p * n_bins < b + 1 or (last and p == 1))]
        total += abs(sum(c for _, c in inside) - sum(p for p, _ in inside))
    assert calibration_error(*zip(*pairs, strict=True), n_bins) == pytest.approx(total / len(pairs))


@given(answers)
def test_risk_is_the_mean_over_orders_that_respect_confidence(pairs):
    """Ties are in random order: each place among equals has their mean."""
    coverage, risk = risk_coverage(*zip(*pairs, strict=True))
    assert coverage == pytest.approx([(k + 1) / len(pairs) for k in range(len(pairs))])
    for k in range(1, len(pairs) + 1):
        threshold = sorted((p for p, _ in pairs), reverse=True)[k - 1]
        above = [1 - c for p, c in pairs if p > threshold]
        equal = [1 - c for p, c in pairs if p == threshold]
        expected = sum(above) + (k - len(above)) * sum(equal) / len(equal)
        assert risk[k - 1] == pytest.approx(expected / k)


@pytest.mark.parametrize(("apart", "truth"), [(1, 0.7602), (3, 0.9831)])
def test_a_bootstrap_interval_has_the_value_inside_and_the_truth_as_often_as_it_says(apart, truth):
    """Of two normal distributions: Phi(apart / sqrt 2)."""
    random, held = np.random.default_rng(0), 0
    for trial in range(60):
        value, low, high = bootstrap(auroc, random.normal(apart, 1, 50), random.normal(0, 1, 50), seed=trial)
        assert 0 <= low <= value <= high <= 1
        held += low <= truth <= high
    assert 50 <= held <= 60
    unseen = 1 - 0.025 ** (1 / 20)  # a share of people that 20 of them have nobody of, once in 40 times
    for shift, ends in ((1, (1 - unseen, 1)), (-1, (0, unseen)), (0, (0.5 - unseen / 2, 0.5 + unseen / 2))):
        assert bootstrap(auroc, np.full(20, shift), np.zeros(30))[1:] == pytest.approx(ends)  # all or nothing told
    assert bootstrap(auprc, [2], [1, 0]) == pytest.approx((1, 0.025, 1))
    assert bootstrap(auroc, [1, 2, 3], [0, 2, 2], 5) == bootstrap(auroc, [1, 2, 3], [0, 2, 2], 5)


def test_they_are_evaluate_modules(metric):
    confidences, correct = [0.9, 0.8, 0.3, 0.3], [1, 0, 1, 0]
    assert metric("calibration_error").compute(predictions=confidences, references=correct, n_bins=2) == {
        "calibration_error": pytest.approx(calibration_error(confidences, correct, 2))
    }
    found = metric("known_detection").compute(predictions=[3.0, 1.0, 2.0, 0.0], references=[1, 1, 0, 0], seed=1)
    assert (found["auroc"], found["auprc"]) == pytest.approx((slow_auroc([3, 1], [2, 0]), slow_auprc([3, 1], [2, 0])))
    assert found["auroc_interval"] == list(bootstrap(auroc, [3, 1], [2, 0], 1)[1:])
    curve = metric("risk_coverage").compute(predictions=confidences, references=correct)
    assert curve["coverage"] == [0.25, 0.5, 0.75, 1]
    assert curve["risk"] == pytest.approx([0, 0.5, 0.5, 0.5])
    assert curve["risk_coverage_area"] == pytest.approx(0.375)
