"""Attention patching against slow references, and what it must leave alone."""

import copy
import math

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2LMHeadModel, RecurrentGemmaConfig, RecurrentGemmaForCausalLM

from command_line import UserError
from evaluation.probes import probe_predictions
from modeling.attention import SHORT_ATTENTION
from modeling.loss import TokenLoss, wanted_logits
from modeling.patching import Patched, Tape, record
from modeling.presets import build_model
from settings.model import ModelSettings


def lively(tokenizer, seed):
    """A model whose attention is far from uniform, with biases that are not 0."""
    model = build_model(ModelSettings(preset="nano"), tokenizer, max_length=256, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture
def model(tokenizer):
    return lively(tokenizer, 0)


@pytest.fixture
def reference(tokenizer):
    return lively(tokenizer, 1)


@pytest.fixture
def batch(stream):
    return stream.batch(0, 5)


def logits(model, input_ids, tape=None):
    states = model.base_model(input_ids=input_ids, use_cache=False, tape=tape).last_hidden_state
    return model.get_output_embeddings()(states)


def loss_of(model, batch):
    return TokenLoss(model)(batch["input_ids"], batch["labels"], batch["attribute_ids"])


def slow_attention(attention, hidden):
    """Probabilities of each head, from the weights, one query after another."""
    query, key, _ = (hidden @ attention.c_attn.weight + attention.c_attn.bias).split(hidden.shape[-1], dim=-1)
    n_heads, width = attention.num_heads, attention.head_dim
    rows = []
    for q, k in zip(query, key, strict=True):
        heads = torch.zeros(n_heads, len(q), len(q))
        for head in range(n_heads):
            part = slice(head * width, (head + 1) * width)
            for i in range(len(q)):
                scores = torch.stack([q[i, part] @ k[j, part] for j in range(i + 1)]) / math.sqrt(width)
                heads[head, i, : i + 1] = scores.exp() / scores.exp().sum()
        rows.append(heads)
    return torch.stack(rows)


def slow_patched(model, reference, input_ids):
    """GPT-2 layer by layer, with values of one model and probabilities of the other."""
    both = (model, reference)
    states = {m: m.transformer.wte(input_ids) + m.transformer.wpe.weight[: input_ids.shape[1]] for m in both}
    for block, other in zip(model.transformer.h, reference.transformer.h, strict=True):
        probabilities = slow_attention(other.attn, other.ln_1(states[reference]))
        for m, layer in ((reference, other), (model, block)):
            value = layer.attn.c_attn(layer.ln_1(states[m])).chunk(3, dim=-1)[2]
            value = value.unflatten(-1, (layer.attn.num_heads, -1)).transpose(1, 2)
            mixed = (probabilities @ value).transpose(1, 2).flatten(2)
            states[m] = states[m] + layer.attn.c_proj(mixed)
            states[m] = states[m] + layer.mlp(layer.ln_2(states[m]))
    return model.lm_head(model.transformer.ln_f(states[model]))


def test_recorded_probabilities_are_those_of_the_weights(model, batch):
    ids = batch["input_ids"][:2, :17]
    _, probabilities = record(model, ids)
    states = model.transformer.wte(ids) + model.transformer.wpe.weight[:17]
    for layer, block in enumerate(model.transformer.h):
        torch.testing.assert_close(probabilities[layer], slow_attention(block.attn, block.ln_1(states)))
        states = block(states, attention_mask=None)


def test_patched_logits_are_those_of_a_slow_patching(model, reference, batch):
    ids = batch["input_ids"][:2, :17]
    expected = slow_patched(copy.deepcopy(model), copy.deepcopy(reference), ids)
    torch.testing.assert_close(logits(Patched(model, reference), ids), expected, rtol=1e-4, atol=1e-4)


def test_patching_with_itself_changes_no_logit(model, batch):
    plain = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    model.set_attn_implementation(SHORT_ATTENTION)
    recorded = logits(model, batch["input_ids"], Tape())
    patched = logits(Patched(model, copy.deepcopy(model)), batch["input_ids"])
    assert torch.equal(patched, recorded)
    real = batch["attention_mask"].bool()
    torch.testing.assert_close(patched[real], plain[real], rtol=1e-4, atol=1e-4)


def test_patching_with_another_model_changes_them(model, reference, batch):
    plain, patched = (logits(m, batch["input_ids"]) for m in (copy.deepcopy(model), Patched(model, reference)))
    assert (plain - patched).abs().max() > 0.1


def test_a_tape_records_what_a_patched_model_uses(model, reference, batch):
    (_, of_patched), (_, own), (_, expected) = (
        record(m, batch["input_ids"]) for m in (Patched(copy.deepcopy(model), reference), model, reference)
    )
    assert torch.equal(of_patched, expected)
    assert not torch.allclose(of_patched, own, atol=0.1)


def test_no_gradient_flows_into_queries_and_keys(model, reference, batch):
    loss_of(Patched(model, reference), batch)[0].backward()
    width = model.config.n_embd
    for block in model.transformer.h:
        weight, bias = block.attn.c_attn.weight.grad, block.attn.c_attn.bias.grad
        assert (weight[:, : 2 * width] == 0).all()
        assert (bias[: 2 * width] == 0).all()
        assert (weight[:, 2 * width :] != 0).any(dim=0).all()
        assert (bias[2 * width :] != 0).all()
    assert all(parameter.grad is None for parameter in reference.parameters())


def test_without_patching_it_does(model, batch):
    loss_of(model, batch)[0].backward()
    assert all((block.attn.c_attn.weight.grad != 0).any(dim=0).all() for block in model.transformer.h)


def test_gradients_are_those_with_the_probabilities_as_constants(model, reference, batch):
    """Through the loss in groups of rows, against the slow patching on all rows at once."""
    ids = batch["input_ids"][:, :24]
    part = {"input_ids": ids, "labels": ids, "attribute_ids": batch["attribute_ids"][:, :24]}
    slow = copy.deepcopy(model)
    expected = torch.nn.functional.cross_entropy(
        slow_patched(slow, copy.deepcopy(reference).requires_grad_(False), ids)[:, :-1].flatten(0, 1),
        ids[:, 1:].flatten(), reduction="sum",
    )  # fmt: skip
    expected.backward()
    total, _ = loss_of(Patched(model, reference), part)
    total.backward()
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    for ours, theirs in zip(model.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["recorded", "patched"])
def test_a_token_never_sees_the_future(model, reference, batch, kind):
    ids, cut = batch["input_ids"], 11
    changed = ids.clone()
    changed[:, cut:] = ids.flip(0)[:, cut:]
    seen = Patched(model, reference) if kind == "patched" else model
    (before, probabilities), (after, _) = record(seen, ids), record(seen, changed)
    torch.testing.assert_close(before[:, :cut], after[:, :cut])
    assert not torch.allclose(before[:, cut:], after[:, cut:])
    assert (probabilities.triu(1) == 0).all()
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(probabilities.shape[:-1]))


def test_padding_is_masked_as_in_stock_attention(model, batch):
    keys = ("input_ids", "attention_mask")
    inputs = {key: batch[key].flip(1) for key in keys}  # padded on the left, where causality does not hide it
    expected = model(**inputs).logits
    model.set_attn_implementation(SHORT_ATTENTION)
    taped = model(**inputs, use_cache=False, tape=Tape()).logits
    real = inputs["attention_mask"].bool()
    torch.testing.assert_close(taped[real], expected[real], rtol=1e-4, atol=1e-4)


def test_hidden_tokens_are_not_attended(model, batch):
    ids = batch["input_ids"]
    hidden = torch.zeros(*ids.shape, ids.shape[1], dtype=torch.bool)
    hidden[:, 9, 3:6] = True
    (_, before), (_, after) = record(model, ids), record(model, ids, {1: hidden})
    assert torch.equal(before[0], after[0])
    assert (after[1][:, :, 9, 3:6] == 0).all()
    left = before[1].masked_fill(hidden[:, None], 0)
    torch.testing.assert_close(after[1], left / left.sum(-1, keepdim=True), rtol=1e-4, atol=1e-6)


def test_probes_see_the_patched_model(model, reference, stream):
    probe = stream.probe("seen", 20)
    wanted = probe["attribute_ids"] > 0
    expected = logits(Patched(model, reference), probe["input_ids"])[:, :-1][wanted[:, 1:]]
    torch.testing.assert_close(
        wanted_logits(Patched(model, reference), probe["input_ids"], wanted), expected, rtol=1e-4, atol=1e-4
    )
    patched, plain = (probe_predictions(m, probe)["losses"] for m in (Patched(model, reference), model))
    assert abs(patched - plain).max() > 0.1


def test_only_the_model_is_trained(model, reference, batch):
    patched = Patched(model, reference)
    before = [parameter.clone() for parameter in reference.parameters()]
    optimizer = torch.optim.SGD([p for p in patched.parameters() if p.requires_grad], lr=0.1)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
    loss_of(patched, batch)[0].backward()
    optimizer.step()
    assert all(map(torch.equal, before, reference.parameters()))


def test_a_patched_model_is_stock_on_disk(model, reference, batch, tmp_path):
    Patched(model, reference).model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(loaded) is GPT2LMHeadModel
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(loaded.state_dict()[key], tensor) for key, tensor in model.state_dict().items())
    assert SHORT_ATTENTION not in (tmp_path / "config.json").read_text()


def test_a_model_without_attention_is_one_line(model):
    sizes = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    hawk = RecurrentGemmaForCausalLM(RecurrentGemmaConfig(block_types=["recurrent"], vocab_size=64, **sizes))
    for pair in ((hawk, model), (model, hawk)):
        with pytest.raises(UserError, match="attention of RecurrentGemmaForCausalLM cannot be patched; only that of"):
            Patched(*pair)
