"""Cut attention on a model in which it is known what needs it, and against the mask of stock attention."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from command_line import UserError
from evaluation import knockout
from evaluation.knockout import CUTS, knock_out, layer_windows, read_cut
from evaluation.prompts import POSITIONS, SETS, chosen_people, prompts_about
from tests.helpers.families import ATTENTIVE, lively
from tests.helpers.planted import planted


def still(share):
    """Nobody watches."""


@pytest.fixture
def prompts(stream):
    return prompts_about(stream, chosen_people(stream.population.groups["seen"], 6))


def test_a_planted_lookup_needs_the_one_attention_that_brings_it(tokenizer, prompts):
    model, answers = planted(tokenizer, prompts)
    layers = layer_windows(2, 1)
    assert layers == [range(1), range(1, 2), range(2)]
    found = knock_out(model, replace(prompts, answers=answers), [*CUTS], layers, still)
    assert found["clean"] > -0.5
    effects = dict(zip(CUTS, found["effects"], strict=True))
    for cut in ("before_value:name", "before_value:last_name"):
        assert effects[cut][0] == pytest.approx(0, abs=1e-5)
        assert effects[cut][1] > 5
        assert effects[cut][2] == pytest.approx(effects[cut][1])
    for cut in ("before_value:text", "last_name:rest_of_name", "between:name"):
        np.testing.assert_allclose(effects[cut], 0, atol=1e-4, err_msg=cut)


@pytest.mark.parametrize("preset", ATTENTIVE)
def test_a_cut_is_a_mask_of_stock_attention(tokenizer, prompts, preset, monkeypatch):
    monkeypatch.setattr(knockout, "_ROWS", 7)
    model = lively(tokenizer, 0, preset)
    found = knock_out(model, prompts, ["before_value:name", "last_name:text"], layer_windows(2, 2), still)
    model.set_attn_implementation("eager")
    for number, (query, key) in enumerate((("before_value", "name"), ("last_name", "text"))):
        losses = []
        for row in range(len(prompts)):
            end = int(prompts.last[row]) + 1
            places = [POSITIONS[place] for place in prompts.positions[row, :end]]
            mask = torch.zeros(1, 1, end, end).masked_fill(~torch.ones(end, end).tril().bool(), -1e9)
            plain = truth(model, prompts, row, end, mask)
            for q in range(end):
                for k in range(q):
                    if places[q] in SETS[query] and places[k] in SETS[key]:
                        mask[..., q, k] = -1e9
            losses.append(plain - truth(model, prompts, row, end, mask))
        assert found["effects"][number, -1] == pytest.approx(sum(losses) / len(losses), abs=2e-4)


def truth(model, prompts, row, end, mask):
    with torch.no_grad():
        logits = model(input_ids=prompts.input_ids[row : row + 1, :end], attention_mask=mask, use_cache=False).logits
    return float(logits[0, -1].log_softmax(0)[prompts.answers[row]])


def test_what_no_prompt_has_is_not_there(tokenizer, prompts):
    model = lively(tokenizer, 0)
    positions = prompts.positions.masked_fill(prompts.positions == POSITIONS.index("further"), 4)
    found = knock_out(model, replace(prompts, positions=positions), ["further:name"], layer_windows(2, 1), still)
    assert np.isnan(found["effects"]).all()


@pytest.mark.parametrize(
    ("cut", "line"),
    [
        ("name", "'name' is no cut; name who must not attend to whom, e.g. before_value:name"),
        ("before_value:nmae", "unknown position 'nmae' in the cut before_value:nmae; the nearest known one is 'name'"),
    ],
)
def test_a_cut_that_is_none_is_one_line(cut, line):
    with pytest.raises(UserError, match=line):
        read_cut(cut)
