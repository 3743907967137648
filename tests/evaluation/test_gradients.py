"""Gradients that reach each place, against those of stock hidden states, one prompt after another."""

import numpy as np
import pytest
import torch

from evaluation import gradients
from evaluation.gradients import errors_reaching
from evaluation.prompts import POSITIONS, chosen_people, prompts_about
from modeling.patching import blocks
from tests.helpers.families import NANO, attention_of, lively, nano


def still(share):
    """Nobody watches."""


@pytest.fixture
def prompts(stream):
    return prompts_about(stream, chosen_people(stream.population.groups["seen"], 2))


@pytest.mark.parametrize("preset", NANO)
def test_norms_are_those_of_stock_hidden_states(tokenizer, prompts, preset, monkeypatch):
    monkeypatch.setattr(gradients, "_ROWS", 5)
    model = nano(tokenizer, 0, preset) if "hawk" in preset else lively(tokenizer, 0, preset)
    found = errors_reaching(model, prompts, still)
    truths, squares = [], np.zeros((len(POSITIONS), len(blocks(model))))  # transformers normalizes the last stream
    for row in range(len(prompts)):
        ids = prompts.input_ids[row : row + 1, : prompts.last[row] + 1]
        told = model(input_ids=ids, output_hidden_states=True, use_cache=False)
        for states in told.hidden_states[:-1]:
            states.retain_grad()
        truths.append(told.logits[0, -1].log_softmax(0)[prompts.answers[row]])
        (-truths[-1]).backward()
        for layer, states in enumerate(told.hidden_states[:-1]):
            for t in range(ids.shape[1]):
                squares[prompts.positions[row, t], layer] += states.grad[0, t].double().square().sum().item()
    np.testing.assert_allclose(found["norms"][:, :-1], np.sqrt(squares / len(prompts)), rtol=1e-4)
    assert found["clean"] == pytest.approx(sum(truth.item() for truth in truths) / len(prompts), rel=1e-4)
    *others, last = found["norms"][:, -1]
    assert last > 0  # of what leaves the last block only the last token counts
    assert not any(others)


def test_without_attention_no_error_reaches_a_name(tokenizer, prompts):
    model = lively(tokenizer, 0)
    for block in blocks(model):
        for parameter in attention_of(block)[1].parameters():
            parameter.data.zero_()
    *others, last = errors_reaching(model, prompts, still)["norms"][:, 0]
    assert last > 0
    assert not any(others)


def test_what_no_prompt_has_is_not_there_and_progress_is_whole(tokenizer, prompts):
    told, rows = [], torch.nonzero(~prompts.at("further").any(1)).flatten()
    found = errors_reaching(nano(tokenizer), prompts.rows(rows), told.append)
    assert np.isnan(found["norms"][POSITIONS.index("further")]).all()
    assert not np.isnan(found["norms"][-1]).any()
    assert sum(told) == pytest.approx(1)
