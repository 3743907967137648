"""Errors that reach names, made larger: the loss stays, and gradients are those of a slow reference."""

import pytest
import torch

from modeling.gain import AmplifyingLoss
from modeling.interventions import Site, edited
from modeling.loss import TokenLoss
from modeling.patching import blocks
from modeling.recompute import recompute_activations
from tests.helpers.families import NANO, lively, nano

FACTOR = 7.0


@pytest.fixture(params=NANO)
def model(tokenizer, request):
    return nano(tokenizer, 0, request.param) if "hawk" in request.param else lively(tokenizer, 0, request.param)


@pytest.fixture
def batch(stream):
    return [stream.batch(0, 40)[key] for key in ("input_ids", "labels", "attribute_ids")]  # more rows than go at once


@pytest.fixture
def is_name(stream, model):
    tokens = torch.zeros(model.config.vocab_size, dtype=torch.bool)
    tokens[stream.tables.name_tokens()] = True
    return tokens


def gradients(loss, batch):
    loss.model.zero_grad()
    total, value_loss = loss(*batch)
    total.backward()
    return total.item(), value_loss.item(), {name: p.grad.clone() for name, p in loss.model.named_parameters()}


def slow_gradients(model, batch, is_name):
    """In two halves, cut where the last block begins: what arrives there is multiplied by hand."""
    middle, states = Site("residual", len(blocks(model)) - 1), []

    def cut(passing):
        states.append((passing, passing.detach().requires_grad_()))
        return states[-1][1]

    ids, labels, _ = batch
    found = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for row in range(len(ids)):
        model.zero_grad()
        states.clear()
        part = slice(row, row + 1), slice(0, int((labels[row] != -100).nonzero().max()) + 1)
        with edited(model, {middle: cut}):
            logits = model(input_ids=ids[part], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[0, :-1], labels[part][0, 1:], reduction="sum")
        loss.backward()
        below, above = states[0]
        factors = torch.where(is_name[ids[part]], FACTOR, 1.0)[..., None]
        below.backward(above.grad * factors)
        for name, p in model.named_parameters():
            found[name] += p.grad
    return found


def test_gradients_are_those_of_a_slow_reference_and_the_loss_is_the_plain_one(model, batch, is_name):
    total, of_values, found = gradients(AmplifyingLoss(model, is_name, FACTOR), batch)
    plain_total, plain_of_values, plain = gradients(TokenLoss(model), batch)
    assert (total, of_values) == (plain_total, plain_of_values)
    expected, last = slow_gradients(model, batch, is_name), f".{len(blocks(model)) - 1}."
    changed = []
    for name, gradient in found.items():
        scale = expected[name].abs().max() + 1e-6
        torch.testing.assert_close(gradient / scale, expected[name] / scale, rtol=0, atol=2e-3)
        changed += [name] if not torch.equal(gradient, plain[name]) else []
    assert any(".0." in name for name in changed)
    assert not any(last in name for name in changed)


def test_a_factor_of_1_changes_nothing_and_no_hook_is_left(model, batch, is_name):
    *_, plain = gradients(TokenLoss(model), batch)
    *_, found = gradients(AmplifyingLoss(model, is_name, 1.0), batch)
    assert all(torch.equal(found[name], plain[name]) for name in plain)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_with_gradient_checkpointing_it_is_the_same(tokenizer, stream, batch):
    one, other = lively(tokenizer, 0), lively(tokenizer, 0)
    recompute_activations(other)
    is_name = torch.zeros(one.config.vocab_size, dtype=torch.bool)
    is_name[stream.tables.name_tokens()] = True
    (*_, expected), (*_, found) = (gradients(AmplifyingLoss(m, is_name, FACTOR), batch) for m in (one, other))
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name])
