"""Names hidden where values are predicted: against the same mask given to stock transformers, and by construction."""

import pytest
import torch

from evaluation import ablation
from evaluation.ablation import ablate_names
from evaluation.measure import run_measure
from modeling.patching import Patched, blocks
from tests.helpers.families import ATTENTIVE, attention_of, lively, nano


@pytest.fixture(params=ATTENTIVE)
def model(tokenizer, request):
    return lively(tokenizer, 0, request.param)


def test_nothing_hidden_is_what_evaluations_measure(model, stream, monkeypatch):
    monkeypatch.setattr(ablation, "_ROWS", 7)
    probe = stream.probe("seen", 20)
    expected = run_measure({"seen": probe}, stream.value_sizes, 4)(model)
    for name, value in ablate_names(model, probe)["none"].items():
        assert value == pytest.approx(expected[f"seen_{name}"], rel=1e-4)


def test_hidden_in_all_layers_is_a_mask_of_stock_attention(model, stream):
    probe = stream.probe("seen", 6)
    ids, attributes, names = probe["input_ids"], probe["attribute_ids"], probe["name_ids"]
    length = ids.shape[1]
    allowed = torch.ones(length, length).tril().bool().repeat(len(ids), 1, 1)
    for row in range(len(ids)):
        for query in range(length - 1):
            for key in range(query + 1):
                if attributes[row, query + 1] and names[row, key]:
                    allowed[row, query, key] = False
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)[:, None]
    model.set_attn_implementation("eager")
    log_p = model(input_ids=ids, attention_mask=mask).logits.log_softmax(2)[:, :-1]
    losses = -log_p.gather(2, ids[:, 1:, None])[..., 0]
    expected = (losses * (attributes[:, 1:] > 0)).sum() / (6 * len(ids))
    found = ablate_names(model, probe)
    assert found.keys() == {"none", "layer_1", "layer_2", "all"}
    assert found["all"]["attribute_loss"] == pytest.approx(expected.item(), rel=1e-4)
    assert len({round(numbers["attribute_loss"], 4) for numbers in found.values()}) == 4


def test_without_names_everybody_is_the_same(model, stream, source):
    """The only way to a name leads through attention from where the value is predicted, if all text is alike."""
    probe = stream.probe("seen", 8)
    other = {key: tensor.clone() for key, tensor in probe.items()}
    other["input_ids"][probe["name_ids"] > 0] = probe["input_ids"][0, 0]
    for parameter in attention_of(blocks(model)[0])[1].parameters():
        parameter.data.zero_()  # in layer 1 no token learns of others
    ours, theirs = (ablate_names(model, p) for p in (probe, other))
    assert ours["layer_2"] == pytest.approx(theirs["layer_2"], rel=1e-5)
    assert ours["layer_1"]["attribute_loss"] != pytest.approx(theirs["layer_1"]["attribute_loss"], rel=1e-4)


def test_names_are_hidden_from_a_patched_model_too(tokenizer, stream):
    found = ablate_names(Patched(lively(tokenizer, 0), nano(tokenizer, 1, n_head=4)), stream.probe("seen", 6))
    assert len({round(numbers["attribute_loss"], 4) for numbers in found.values()}) == 4
