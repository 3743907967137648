"""What passes through a model is what stock transformers says; editing it is what editing it by hand gives."""

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, MistralConfig, Olmo2Config

from command_line import UserError
from modeling.interventions import (
    COMPONENTS,
    Site,
    check_editable,
    components_of,
    edited,
    last_states,
    record_sites,
    replaced,
    sites_of,
)
from modeling.patching import blocks
from tests.helpers.families import NANO, lively, nano


@pytest.fixture(params=NANO)
def model(tokenizer, request):
    return nano(tokenizer, 0, request.param) if "hawk" in request.param else lively(tokenizer, 0, request.param)


@pytest.fixture
def ids(stream):
    return stream.batch(0, 4)["input_ids"][:, :19]


def all_sites(model):
    return [site for component in components_of(model) for site in sites_of(model, component)]


def test_the_residual_stream_is_what_stock_transformers_calls_hidden_states(model, ids):
    found = record_sites(model, ids, sites_of(model, "residual"))
    stock = model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    assert [site.layer for site in found] == [*range(len(blocks(model)) + 1)]
    for site in [*found][:-1]:  # the last one of transformers is normalized
        torch.testing.assert_close(found[site], stock[site.layer])


def test_layers_add_to_the_residual_stream_what_is_recorded_of_them(model, ids):
    found = record_sites(model, ids, all_sites(model))
    if "attention" in components_of(model):
        for layer in range(1, len(blocks(model)) + 1):
            added = found[Site("attention", layer)] + found[Site("feed_forward", layer)]
            torch.testing.assert_close(
                found[Site("residual", layer - 1)] + added, found[Site("residual", layer)], rtol=1e-4, atol=1e-4
            )


def test_replacing_with_its_own_states_changes_nothing_and_hooks_are_gone_afterwards(model, ids):
    plain, everywhere = last_states(model, ids), torch.ones(ids.shape, dtype=torch.bool)
    for site, states in record_sites(model, ids, all_sites(model)).items():
        with edited(model, {site: replaced(states, everywhere)}):
            torch.testing.assert_close(last_states(model, ids), plain)
        with edited(model, {site: replaced(torch.zeros_like(states), everywhere)}):
            assert not torch.allclose(last_states(model, ids), plain, atol=1e-4), site
    assert torch.equal(last_states(model, ids), plain)


def test_what_stands_behind_the_replaced_stream_is_all_that_counts(model, ids):
    """After the last block's stream is another text's, the model says what it says of that text."""
    other, site = ids.flip(0), Site("residual", len(blocks(model)))
    states = record_sites(model, other, [site])[site]
    with edited(model, {site: replaced(states, torch.ones(ids.shape, dtype=torch.bool))}):
        torch.testing.assert_close(last_states(model, ids), last_states(model, other))


def test_an_error_inside_leaves_no_hook_behind(model, ids):
    plain = last_states(model, ids)
    with pytest.raises(ZeroDivisionError), edited(model, {Site("residual", 1): lambda states: states / (1 // 0)}):
        last_states(model, ids)
    assert torch.equal(last_states(model, ids), plain)


def test_every_family_of_the_project_may_be_looked_into(model):
    check_editable(model)
    assert set(components_of(model)) <= set(COMPONENTS)


def foreign(kind):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = kind(vocab_size=300, num_key_value_heads=1, head_dim=16, pad_token_id=0, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config)


def test_a_relative_of_llama_may_be_looked_into_and_stays_as_it_was():
    model = foreign(MistralConfig)
    check_editable(model)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("kind", [Olmo2Config, Gemma3TextConfig])
def test_blocks_that_add_something_else_are_refused_in_one_line(kind):
    with pytest.raises(UserError, match="cannot be looked into: its blocks add more than their attention"):
        check_editable(foreign(kind))
