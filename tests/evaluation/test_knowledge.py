"""The metrics against a slow implementation that follows the paper's words."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.knowledge import attribute_accuracies, attribute_losses, learned_bits, no_knowledge_baseline
from evaluation.measure import knowledge, run_measure
from evaluation.probes import name_losses, probe_predictions
from modeling.presets import build_model
from settings.model import ModelSettings
from tests.helpers.independent import ATTRIBUTES


@st.composite
def biographies(draw):
    """For each biography the attribute of each token: values of 1-3 tokens, text (0) between."""
    n_attributes = draw(st.integers(1, 6))
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        row = []
        for attribute in draw(st.permutations(range(1, n_attributes + 1))):
            row += [0] * draw(st.integers(0, 2)) + [attribute] * draw(st.integers(1, 3))
        rows.append(row)
    return rows


def slow_metrics(rows, losses, correct):
    """Go through every value of every biography, one by one."""
    attributes = sorted({a for row in rows for a in row} - {0})
    loss_of = {a: [] for a in attributes}
    right_of = {a: [] for a in attributes}
    for row, row_losses, row_correct in zip(rows, losses, correct, strict=True):
        for attribute in attributes:
            positions = [i for i, a in enumerate(row) if a == attribute]
            loss_of[attribute].append(sum(row_losses[i] for i in positions))
            right_of[attribute].append(all(row_correct[i] for i in positions))
    mean = [[sum(v) / len(v) for v in of.values()] for of in (loss_of, right_of)]
    return mean[0], [float(x) for x in mean[1]]


def tokens_for(rows, seed):
    random = np.random.default_rng(seed)
    losses = [random.exponential(size=len(row)).tolist() for row in rows]
    correct = [(random.random(len(row)) < 0.7).tolist() for row in rows]
    return losses, correct


@settings(deadline=None, derandomize=True, max_examples=60)
@given(biographies(), st.integers(0, 100))
def test_fast_metrics_equal_the_slow_ones(rows, seed):
    losses, correct = tokens_for(rows, seed)
    flat = [(r, a, x, c) for r, row in enumerate(rows) for a, x, c in zip(row, losses[r], correct[r], strict=True) if a]
    r, a, x, c = map(np.array, zip(*flat, strict=True))
    expected_loss, expected_accuracy = slow_metrics(rows, losses, correct)
    assert attribute_losses(x, r, a, a.max()) == pytest.approx(expected_loss)
    assert attribute_accuracies(c, r, a, a.max()) == pytest.approx(expected_accuracy)


def test_baseline_is_the_papers_with_the_papers_lists(full_source):
    losses = attribute_losses(np.array([2.0]), np.array([0]), np.array([2]), n_attributes=2)
    assert losses == pytest.approx([math.nan, 2.0], nan_ok=True)  # one attribute does not occur
    # paper, Sec. 1.3: the mean of ln(number of values); 6.784 nats with 200 years of birth
    assert no_knowledge_baseline([*full_source.word_lists.value_sizes.values()]) == pytest.approx(6.784, abs=5e-4)


def test_evaluate_modules_equal_the_slow_metrics(metric):
    rows = [[0, 1, 1, 0, 2], [2, 2, 0, 1], [1, 2, 0]]
    losses, correct = tokens_for(rows, seed=3)
    ids = [[7] * len(row) for row in rows]
    predicted = [[7 if c else 8 for c in row] for row in correct]
    expected_loss, expected_accuracy = slow_metrics(rows, losses, correct)
    loss = metric("attribute_loss").compute(predictions=losses, references=rows)
    assert loss["attribute_loss"] == pytest.approx(np.mean(expected_loss))
    assert loss["per_attribute"] == pytest.approx(expected_loss)
    accuracy = metric("attribute_accuracy").compute(predictions=predicted, references=ids, attributes=rows)
    assert accuracy["attribute_accuracy"] == pytest.approx(np.mean(expected_accuracy))
    assert accuracy["per_attribute"] == pytest.approx(expected_accuracy)
    baseline = metric("no_knowledge_baseline").compute(value_sizes=[4, 10])
    assert baseline["no_knowledge_baseline"] == pytest.approx(math.log(40) / 2)


@pytest.fixture
def model(tokenizer):
    return build_model(ModelSettings(preset="nano"), tokenizer, max_length=256, seed=0)


def test_probe_metrics_equal_full_logits_of_the_stock_model(model, stream):
    """No shortcut of the fast path (head at values alone, rows sorted, no mask) changes a number."""
    probe = stream.probe("unseen", 15)
    logits = model(input_ids=probe["input_ids"], attention_mask=probe["attention_mask"]).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), probe["input_ids"][:, 1:], reduction="none"
    ).tolist()
    correct = (logits.argmax(-1) == probe["input_ids"][:, 1:]).tolist()
    expected_loss, expected_accuracy = slow_metrics(probe["attribute_ids"][:, 1:].tolist(), losses, correct)
    metrics = knowledge(probe_predictions(model, probe), "unseen", stream.value_sizes)
    assert metrics["unseen_attribute_loss"] == pytest.approx(np.mean(expected_loss), rel=1e-5)
    assert metrics["unseen_attribute_accuracy"] == pytest.approx(np.mean(expected_accuracy))
    for attribute, loss in zip(ATTRIBUTES, expected_loss, strict=True):
        assert metrics[f"unseen_attribute_loss_{attribute}"] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("n_looked_at", [1, 7, 20, 32])
def test_an_evaluation_measures_what_is_known_of_all_however_many_are_looked_at(model, stream, n_looked_at):
    """Also if fewer are measured than should be looked at."""
    probes = {group: stream.probe(group, 20) for group in ("seen", "unseen")}
    expected = {}
    for group, probe in probes.items():
        expected |= knowledge(probe_predictions(model, probe), group, stream.value_sizes)
    found = run_measure(probes, stream.value_sizes, n_looked_at)(model)
    assert found["seen_attribute_loss"] > found["no_knowledge_baseline"]  # untrained it knows less than nothing
    assert found["seen_attribute_accuracy"] == 0
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)


def test_who_knows_all_has_all_bits_and_who_knows_nobody_has_none():
    """64 values are 6 bits, 1,024 are 10 (Allen-Zhu & Li, 2404.05405)."""
    sizes = [64, 1024]
    assert learned_bits([0, 0], sizes) == pytest.approx(16)
    assert learned_bits(np.log(sizes), sizes) == pytest.approx(0)
    assert learned_bits([math.log(64) + math.log(2), math.log(512)], sizes) == pytest.approx(-1 + 1)


def test_a_name_costs_what_the_whole_model_says_where_it_first_stands(model, stream):
    probe = stream.probe("seen", 5)
    logits = model(input_ids=probe["input_ids"], attention_mask=probe["attention_mask"]).logits.log_softmax(-1)
    for row, loss in enumerate(name_losses(model, probe)):
        ids, names = probe["input_ids"][row].tolist(), probe["name_ids"][row].tolist()
        first = names.index(1)
        places = range(first, next(i for i in range(first, len(ids)) if names[i] != 1))
        assert loss == pytest.approx(-sum(logits[row, i - 1, ids[i]].item() for i in places), rel=1e-5)


def test_bits_of_a_parameter_count_all_individuals_that_were_learned(model, stream):
    probes = {group: stream.probe(group, 6) for group in ("seen", "new")}
    measure = run_measure(probes, stream.value_sizes, 4, n_names=4096, n_learned={"seen": 30, "new": 12})
    found = measure(model)
    assert found["seen_name_bits"] == pytest.approx(12 - name_losses(model, probes["seen"]).mean() / math.log(2))
    n_bits = 30 * found["seen_bits"] + 12 * found["new_bits"]
    assert found["bits_per_parameter"] == pytest.approx(n_bits / sum(tensor.numel() for tensor in model.parameters()))
