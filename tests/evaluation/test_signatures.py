"""Attention signatures on hand-made attention, and against a slow implementation that follows the definitions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from evaluation.signatures import attention_metrics, forward_with_gradients, gradients_to_names, signatures
from modeling.loss import TokenLoss
from modeling.patching import Patched, blocks
from tests.helpers.families import ATTENTIVE, NANO, attention_of, nano

# <bos> n n n is v v . n n n in v . <padding>
NAMES = [0, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0, 0]
ATTRIBUTES = [0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 1, 0, 0]
FIRST, SECOND = 4, 11  # where a value is predicted
BATCH = {"name_ids": torch.tensor([NAMES]), "attribute_ids": torch.tensor([ATTRIBUTES])}
LENGTH = len(NAMES)


def uniform():
    return torch.ones(LENGTH, LENGTH).tril() / torch.arange(1, LENGTH + 1)[:, None]


def to(**targets):
    """Uniform attention, but that of some tokens goes to one other: to(t4=3)."""
    attention = uniform()
    for query, key in targets.items():
        attention[int(query[1:])] = functional.one_hot(torch.tensor(key), LENGTH)
    return attention


def measured(*heads):
    return {name: values[0] for name, values in signatures(torch.stack(heads)[None, None], BATCH).items()}


EXTRACTION, TEXT, EARLIER_VALUE = {"t4": 3, "t11": 10}, {"t4": 0, "t11": 11}, {"t4": 3, "t11": 6}


@pytest.mark.parametrize(
    ("heads", "to_name", "to_text"),
    [([EXTRACTION], 1, 0), ([TEXT], 0, 1), ([EARLIER_VALUE], 0.5, 0), ([EXTRACTION, TEXT], 0.5, 0.5)],
)
def test_attention_from_where_values_are_predicted_and_its_mean_over_heads(heads, to_name, to_text):
    found = measured(*(to(**targets) for targets in heads))
    assert (found["value_to_name"], found["value_to_text"], found["sharpness"]) == (to_name, to_text, 0)


def test_uniform_attention_and_grouping_from_the_last_token_of_a_name_to_its_others():
    expected = {"value_to_name": (3 / 5 + 6 / 12) / 2, "value_to_text": (2 / 5 + 4 / 12) / 2, "sharpness": 1}
    expected |= {"value_to_type": (2 / 5 + 2 / 12) / 2}  # <bos> and `is`; `.` and `in`
    grouping = {"name_grouping_first": 2 / 4, "name_grouping_later": 2 / 11}
    assert measured(uniform()) == pytest.approx(expected | grouping | {"name_grouping": (2 / 4 + 2 / 11) / 2})
    assert measured(to(t3=1, t10=9))["name_grouping"] == 1
    assert measured(to(t3=3, t10=9))["name_grouping"] == 0.5  # the first one looks at itself
    assert measured(to(t3=2, t10=1))["name_grouping"] == 0.5  # the second one at an earlier mention
    assert measured(to(t2=1, t3=0, t10=0))["name_grouping"] == 0  # a middle name is not the last token
    of_one_token = BATCH | {"name_ids": torch.tensor([[0, 1, 0, 0, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0, 0]])}
    found = signatures(to(t10=9)[None, None, None], of_one_token)
    assert (found["name_grouping"], found["name_grouping_later"]) == ([1], [1])
    assert "name_grouping_first" not in found


def slow_signatures(attention, names, attributes):
    """One head, one occurrence after another."""
    of_names = ("name_grouping", "name_grouping_first", "name_grouping_later")
    found = {name: [] for name in (*of_names, "value_to_name", "value_to_text", "value_to_type", "sharpness")}
    n_rows, n_heads, length, _ = attention.shape
    for row in range(n_rows):
        name, attribute = ([*ids[row].tolist(), 0] for ids in (names, attributes))
        for head in range(n_heads):
            paid = attention[row, head].tolist()
            for t in range(length):
                if attribute[t + 1] and attribute[t + 1] != attribute[t]:
                    found["value_to_name"].append(sum(paid[t][k] for k in range(t + 1) if name[k]))
                    found["value_to_text"].append(sum(paid[t][k] for k in range(t + 1) if not name[k] + attribute[k]))
                    last_value = max([k for k in range(t + 1) if attribute[k]], default=-1)
                    words = [k for k in range(last_value + 1, t + 1) if not name[k]]
                    found["value_to_type"].append(sum(paid[t][k] for k in words))
                    entropy = -sum(p * math.log(p) for p in paid[t][: t + 1] if p)
                    found["sharpness"].append(entropy / math.log(t + 1))
                others = [k for k in range(t) if name[k] == name[t]]
                if name[t] and name[t + 1] != name[t] and others:
                    for key in ("name_grouping", f"name_grouping_{'first' if name[t] == 1 else 'later'}"):
                        found[key].append(sum(paid[t][k] for k in others))
    return {key: sum(values) / len(values) for key, values in found.items()}


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), n_rows=st.integers(1, 5), n_heads=st.integers(1, 3))
def test_fast_signatures_equal_the_slow_ones(stream, seed, n_rows, n_heads):
    probe = stream.probe("seen", n_rows)
    length = probe["name_ids"].shape[1]
    scores = 4 * torch.randn(2, n_rows, n_heads, length, length, generator=torch.Generator().manual_seed(seed))
    future = torch.ones(length, length).triu(1).bool()
    attention = scores.masked_fill(future, -torch.inf).softmax(-1)
    found = signatures(attention, probe)
    for layer in range(2):
        expected = slow_signatures(attention[layer], probe["name_ids"], probe["attribute_ids"])
        assert {key: values[layer] for key, values in found.items()} == pytest.approx(expected, rel=1e-4)


def slow_ratios(model, probe):
    """From the hidden states that stock transformers gives, one token after another."""
    states = model(input_ids=probe["input_ids"], output_hidden_states=True, use_cache=False)
    streams = states.hidden_states[:-1]  # the last is what leaves the last block
    for stream in streams:
        stream.retain_grad()
    loss, places, names = 0, [], probe["name_ids"].nonzero().tolist()
    for row, attributes in enumerate(probe["attribute_ids"].tolist()):
        for t in range(len(attributes) - 1):
            if attributes[t + 1] and attributes[t + 1] != attributes[t]:
                loss = loss - states.logits[row, t].log_softmax(0)[probe["input_ids"][row, t + 1]]
                places.append((row, t))
    loss.backward()
    norms = [[sum(s.grad[row, t].square().sum() for row, t in p).sqrt() for p in (names, places)] for s in streams]
    return [(names / places).item() for names, places in norms]


@pytest.mark.parametrize("preset", NANO)
def test_gradients_that_reach_names_equal_those_of_stock_hidden_states(tokenizer, stream, preset):
    model, probe = nano(tokenizer, preset=preset), stream.probe("seen", 5)
    expected = slow_ratios(nano(tokenizer, preset=preset), probe)
    _, attention, gradients = forward_with_gradients(model, probe)
    assert (attention is not None) == (preset in ATTENTIVE)
    assert gradients_to_names(gradients, probe) == pytest.approx(expected, rel=1e-4)
    assert all(parameter.grad is None for parameter in model.parameters())
    frozen = model.requires_grad_(False)  # as in fine-tuning of some weights
    assert gradients_to_names(forward_with_gradients(frozen, probe)[2], probe) == gradients_to_names(gradients, probe)
    assert not any(block._forward_pre_hooks for block in blocks(model))


@pytest.mark.parametrize("preset", ATTENTIVE)
def test_without_attention_between_tokens_nothing_reaches_names(tokenizer, stream, preset):
    model, probe = nano(tokenizer, preset=preset), stream.probe("seen", 5)
    for block in blocks(model):
        attention_of(block)[1].weight.data.zero_()
    _, _, gradients = forward_with_gradients(model, probe)
    assert gradients_to_names(gradients, probe) == [0, 0]


def measured_of(model, probe):
    _, attention, gradients = forward_with_gradients(model, probe)
    return attention_metrics(attention, gradients, probe)


@pytest.mark.parametrize("preset", ATTENTIVE)
def test_what_an_evaluation_records(tokenizer, stream, preset):
    model = nano(tokenizer, preset=preset)
    TokenLoss(model)  # as in training
    metrics = measured_of(model, stream.probe("seen", 8))
    names = ("name_grouping", "name_grouping_first", "name_grouping_later", "value_to_name", "value_to_text")
    names = (*names, "value_to_type", "sharpness", "gradient_to_names")
    assert metrics.keys() == {"name_grouping"} | {f"layer_{layer}_{name}" for layer in (1, 2) for name in names}
    assert metrics["name_grouping"] == metrics["layer_1_name_grouping"]
    assert all(type(value) is float and 0 <= value < 2 for value in metrics.values())
    assert metrics["layer_1_sharpness"] == pytest.approx(1, abs=0.2)  # untrained attention is nearly uniform


def test_a_patched_model_shows_the_attention_of_its_reference(tokenizer, stream):
    probe, model, reference = stream.probe("seen", 8), nano(tokenizer), nano(tokenizer, seed=1)
    for block in reference.transformer.h:
        block.attn.c_attn.weight.data *= 20
    models = (Patched(nano(tokenizer), reference), model, reference)
    patched, own, of_reference = (measured_of(m, probe) for m in models)
    for key, value in patched.items():
        if not key.endswith("gradient_to_names"):
            assert value == of_reference[key]
    assert patched["layer_2_sharpness"] != pytest.approx(own["layer_2_sharpness"], rel=1e-3)
    assert 0 < patched["layer_1_gradient_to_names"] < 2
