"""Causal tracing on a model in which it is known where the fact is, and against one edited run after another."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluation import tracing
from evaluation.prompts import POSITIONS, chosen_people, exchanged
from evaluation.tracing import EFFECTS, trace, windows
from modeling.interventions import components_of
from modeling.patching import blocks
from tests.helpers.families import NANO, attention_of, lively, nano
from tests.helpers.planted import planted


def still(share):
    """Nobody watches."""


@pytest.fixture
def pair(stream):
    everybody = np.array(stream.population.groups["seen"])
    return exchanged(stream, chosen_people(stream.population.groups["seen"], 8), everybody)


def all_edits(model, width=1):
    return [edit for component in components_of(model) for edit in windows(model, component, width)]


def test_a_planted_lookup_is_found_where_it_is_and_nowhere_else(tokenizer, pair):
    model, answers = planted(tokenizer, *pair)
    clean, other = (replace(prompts, answers=answers) for prompts in pair)
    edits = all_edits(model)
    found = trace(model, clean, other, edits, [*POSITIONS], still)
    total = found["clean"] - found["other"]
    assert total > 5
    carried = {
        ("residual", 0): "last_name", ("residual", 1): "last_name", ("residual", 2): "before_value",
        ("feed_forward", 1): "last_name", ("attention", 2): "before_value",
    }  # fmt: skip
    for effect in range(len(EFFECTS)):
        for edit, effects in zip(edits, found["effects"][effect], strict=True):
            where = carried.get(edit[0])
            expected = [total if position == where else 0 for position in POSITIONS]
            np.testing.assert_allclose(effects, expected, atol=0.02 * total, err_msg=f"{EFFECTS[effect]} {edit}")


@pytest.mark.parametrize("preset", NANO)
def test_all_places_at_once_equal_one_edited_run_after_another(tokenizer, pair, preset, monkeypatch):
    monkeypatch.setattr(tracing, "_ROWS", 5)
    model = nano(tokenizer, 0, preset) if "hawk" in preset else lively(tokenizer, 0, preset)
    clean, other = (prompts.rows(slice(0, 48, 29)) for prompts in pair)
    edits, positions = all_edits(model), ["first_name", "last_name", "further", "before_value"]
    found = trace(model, clean, other, edits, positions, still)
    for number, edit in enumerate(edits):
        for place, position in enumerate(positions):
            for effect, (into, of, sign) in enumerate(((other, clean, 1), (clean, other, -1))):
                slow = [
                    slow_effect(model, into, of, clean, row, POSITIONS.index(position), *edit[0])
                    for row in range(len(clean))
                ]
                there = [sign * value for value in slow if value is not None]
                expected = sum(there) / len(there) if there else np.nan
                assert found["effects"][effect, number, place] == pytest.approx(expected, abs=2e-4, nan_ok=True), edit


def slow_effect(model, into, of, clean, row, place, component, layer):
    """Of one prompt, without padding; None if it has no token at the place."""
    end = int(into.last[row]) + 1
    tokens = [t for t in range(end) if clean.positions[row, t] == place]
    if not tokens:
        return None
    block, kept = blocks(model)[max(layer - 1, 0)], {}
    modules = {"residual": block, "feed_forward": block.mlp if hasattr(block, "mlp") else block.mlp_block}
    if component == "attention":
        modules["attention"] = attention_of(block)[0]

    def keep(module, inputs, output=None):
        kept["states"] = (inputs[0] if output is None else output[0] if isinstance(output, tuple) else output).clone()

    def put(module, inputs, output=None):
        states = (inputs[0] if output is None else output[0] if isinstance(output, tuple) else output).clone()
        for t in tokens:
            states[0, t] = kept["states"][0, t]
        rest = inputs[1:] if output is None else output[1:] if isinstance(output, tuple) else None
        return states if rest is None else (states, *rest)

    def run(prompts, hook):
        module = modules[component]
        enters = component == "residual" and layer == 0
        handle = (module.register_forward_pre_hook if enters else module.register_forward_hook)(hook)
        try:
            with torch.no_grad():
                logits = model(input_ids=prompts.input_ids[row : row + 1, :end], use_cache=False).logits
        finally:
            handle.remove()
        return float(logits[0, -1].log_softmax(0)[clean.answers[row]])

    run(of, keep)
    return run(into, put) - run(into, lambda *_: None)


def test_a_window_edits_all_its_layers(tokenizer, pair):
    """All layers' additions at all tokens, and the embeddings: it is the other run."""
    model = lively(tokenizer, 0)
    clean, other = pair
    assert windows(model, "attention", 2)[0] == (("attention", 1), ("attention", 2))
    assert windows(model, "residual", 2) == windows(model, "residual", 1)
    whole = (("residual", 0), ("attention", 1), ("feed_forward", 1), ("attention", 2), ("feed_forward", 2))
    found = trace(model, clean, other, [tuple(tracing.Site(*site) for site in whole)], ["name", "between"], still)
    assert found["effects"].shape == (2, 1, 2)


def test_progress_adds_up_to_one_whole(tokenizer, pair, monkeypatch):
    monkeypatch.setattr(tracing, "_ROWS", 50)
    model, told = nano(tokenizer), []
    trace(model, *pair, all_edits(model), ["last_name"], told.append)
    assert sum(told) == pytest.approx(1)
    assert len(told) > 1
