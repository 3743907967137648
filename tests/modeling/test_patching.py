"""Attention patching against slow references, and what it must leave alone."""

import copy
import math

import pytest
import torch

from command_line import UserError
from evaluation.probes import probe_predictions
from modeling.attention import SHORT_ATTENTION
from modeling.loss import TokenLoss, wanted_logits
from modeling.patching import Patched, Tape, blocks, record
from tests.helpers.families import ATTENTIVE, attention_of, lively, nano


@pytest.fixture(params=ATTENTIVE)
def preset(request):
    return request.param


@pytest.fixture
def model(tokenizer, preset):
    return lively(tokenizer, 0, preset)


@pytest.fixture
def reference(tokenizer, preset):
    return lively(tokenizer, 1, preset)


@pytest.fixture
def batch(stream):
    return stream.batch(0, 5)


def logits(model, input_ids, tape=None):
    states = model.base_model(input_ids=input_ids, use_cache=False, tape=tape).last_hidden_state
    return model.get_output_embeddings()(states)


def loss_of(model, batch):
    return TokenLoss(model)(batch["input_ids"], batch["labels"], batch["attribute_ids"])


def slow_heads(block, states):
    """Queries, keys and values of each head, (b, heads, length, width), from the weights."""
    if hasattr(block, "attn"):
        weights, hidden = block.attn.c_attn, block.ln_1(states)
        parts = (hidden @ weights.weight + weights.bias).chunk(3, dim=-1)
        return [part.unflatten(-1, (block.attn.num_heads, -1)).transpose(1, 2) for part in parts]
    if hasattr(block, "attention"):  # GPT-NeoX: those of a head beside each other, a quarter of each turned
        attention, hidden = block.attention, block.input_layernorm(states)
        of_heads = attention.query_key_value(hidden).unflatten(-1, (-1, 3 * attention.head_size))
        query, key, value = of_heads.chunk(3, dim=-1)
        n = attention.head_size // 4
        query, key = (torch.cat((turned(part[..., :n]), part[..., n:]), -1) for part in (query, key))
        return [part.transpose(1, 2) for part in (query, key, value)]
    attention, hidden = block.self_attn, block.input_layernorm(states)
    matrices = (attention.q_proj, attention.k_proj, attention.v_proj)
    query, key, value = ((hidden @ m.weight.T).unflatten(-1, (-1, attention.head_dim)) for m in matrices)
    if hasattr(attention, "q_norm"):
        query, key = attention.q_norm(query), attention.k_norm(key)
    parts = [turned(query).transpose(1, 2), turned(key).transpose(1, 2), value.transpose(1, 2)]
    n_heads = query.shape[2]  # neighbors share keys and values, if there are fewer of these
    return [torch.stack([p[:, head * p.shape[1] // n_heads] for head in range(n_heads)], 1) for p in parts]


def turned(states):
    """Rotary positions: each pair of dimensions is a complex number that turns from token to token."""
    length, width = states.shape[1], states.shape[3]
    angles = torch.arange(length)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)
    numbers = torch.complex(*states.chunk(2, -1)) * torch.polar(torch.ones_like(angles), angles)[:, None]
    return torch.cat((numbers.real, numbers.imag), -1)


def slow_attention(query, key):
    """Probabilities of each head, one query after another."""
    rows = []
    for q, k in zip(query, key, strict=True):
        heads = torch.zeros(*q.shape[:2], q.shape[1])
        for head in range(len(q)):
            for i in range(q.shape[1]):
                scores = torch.stack([q[head, i] @ k[head, j] for j in range(i + 1)]) / math.sqrt(q.shape[2])
                heads[head, i, : i + 1] = scores.exp() / scores.exp().sum()
        rows.append(heads)
    return torch.stack(rows)


def embedded(model, ids):
    body = model.base_model
    return body.wte(ids) + body.wpe.weight[: ids.shape[1]] if hasattr(body, "wpe") else body.get_input_embeddings()(ids)


def slow_block(block, states, probabilities):
    """What leaves a block, with its own values and the given attention."""
    mixed = (probabilities @ slow_heads(block, states)[2]).transpose(1, 2).flatten(2)
    if getattr(block, "use_parallel_residual", False):  # both read what enters the block
        return states + attention_of(block)[1](mixed) + block.mlp(block.post_attention_layernorm(states))
    states = states + attention_of(block)[1](mixed)
    return states + block.mlp((block.ln_2 if hasattr(block, "ln_2") else block.post_attention_layernorm)(states))


def slow_patched(model, reference, input_ids, layers=(1, 2)):
    """Layer by layer, with values of one model and, in some layers, probabilities of the other."""
    states, others = embedded(model, input_ids), embedded(reference, input_ids)
    for layer, (block, other) in enumerate(zip(blocks(model), blocks(reference), strict=True), 1):
        probabilities = slow_attention(*slow_heads(other, others)[:2])
        own = slow_attention(*slow_heads(block, states)[:2])
        states = slow_block(block, states, probabilities if layer in layers else own)
        others = slow_block(other, others, probabilities)
    body = model.base_model
    last = next(getattr(body, name) for name in ("ln_f", "norm", "final_layer_norm") if hasattr(body, name))
    return model.get_output_embeddings()(last(states))


def test_recorded_probabilities_are_those_of_the_weights_and_of_stock_attention(model, batch):
    ids = batch["input_ids"][:2, :17]
    _, probabilities = record(model, ids)
    states = embedded(model, ids)
    for layer, block in enumerate(blocks(model)):
        expected = slow_attention(*slow_heads(block, states)[:2])
        torch.testing.assert_close(probabilities[layer], expected)
        states = slow_block(block, states, expected)
    model.set_attn_implementation("eager")
    stock = model(input_ids=ids, output_attentions=True).attentions
    torch.testing.assert_close(probabilities, torch.stack(stock), rtol=0, atol=1e-6)


def test_patched_logits_are_those_of_a_slow_patching(model, reference, batch):
    ids = batch["input_ids"][:2, :17]
    expected = slow_patched(copy.deepcopy(model), copy.deepcopy(reference), ids)
    assert (model(input_ids=ids).logits - expected).abs().max() > 0.1
    others = (Patched(copy.deepcopy(model), reference), model, reference)
    (_, of_patched), (_, own), (_, of_reference) = (record(m, ids) for m in others)
    assert torch.equal(of_patched, of_reference)
    assert not torch.allclose(of_patched, own, atol=0.1)
    torch.testing.assert_close(logits(Patched(model, reference), ids), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layers", [(1,), (2,)], ids=str)
def test_patched_in_some_layers_the_others_have_attention_of_their_own(model, reference, batch, layers):
    ids = batch["input_ids"][:2, :17]
    expected = slow_patched(copy.deepcopy(model), copy.deepcopy(reference), ids, layers)
    torch.testing.assert_close(logits(Patched(model, reference, layers), ids), expected, rtol=1e-4, atol=1e-4)


def test_patching_with_itself_changes_no_logit(model, batch):
    plain = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    model.set_attn_implementation(SHORT_ATTENTION)
    recorded = logits(model, batch["input_ids"], Tape())
    patched = logits(Patched(model, copy.deepcopy(model)), batch["input_ids"])
    assert torch.equal(patched, recorded)
    real = batch["attention_mask"].bool()
    torch.testing.assert_close(patched[real], plain[real], rtol=1e-4, atol=1e-4)


def attention_gradients(block):
    """Of what makes queries and keys, and of what makes values."""
    if hasattr(block, "attn"):
        weight, bias = block.attn.c_attn.weight.grad, block.attn.c_attn.bias.grad
        parts = [*weight.chunk(3, dim=1), *bias.chunk(3)]
        return parts[:2] + parts[3:5], [parts[2], parts[5]]
    if hasattr(block, "attention"):
        width = 3 * block.attention.head_size
        weight, bias = (p.grad.unflatten(0, (-1, width)) for p in block.attention.query_key_value.parameters())
        parts = [[part.flatten(0, 1).T for part in weight.chunk(3, dim=1)], [p.flatten() for p in bias.chunk(3, dim=1)]]
        return [part for kind in parts for part in kind[:2]], [kind[2] for kind in parts]
    named = {name: p.grad for name, p in block.self_attn.named_parameters()}
    return [g for name, g in named.items() if name[0] in "qk"], [named["v_proj.weight"].T]


def test_no_gradient_flows_into_queries_and_keys_of_a_patched_model_nor_into_its_reference(model, reference, batch):
    """It is 0, not none, so that they decay and several processes agree on which gradients there are."""
    plain, patched = copy.deepcopy(model), Patched(model, reference)
    trained = [parameter for parameter in patched.parameters() if parameter.requires_grad]
    assert len(trained) == len(list(model.parameters()))
    for trainee, changing in ((plain, True), (patched, False)):
        loss_of(trainee, batch)[0].backward()
        for block in blocks(plain if changing else model):
            of_queries_and_keys, of_values = attention_gradients(block)
            assert len(of_queries_and_keys) in (2, 4)
            assert all((g != 0).any(dim=0).all() if changing else (g == 0).all() for g in of_queries_and_keys)
            assert all((gradient != 0).any(dim=0).all() for gradient in of_values)
    assert all(parameter.grad is None for parameter in reference.parameters())
    assert patched.model is model  # which is saved as any other


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
        gradient = torch.zeros_like(theirs) if theirs.grad is None else theirs.grad
        torch.testing.assert_close(ours.grad, gradient, rtol=1e-3, atol=1e-4)


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


def test_a_model_without_attention_is_one_line(tokenizer):
    hawk, model = nano(tokenizer, preset="hawk-nano"), nano(tokenizer)
    for pair in ((hawk, model), (model, hawk)):
        with pytest.raises(UserError, match="RecurrentGemmaForCausalLM has no attention to record or to patch; these"):
            Patched(*pair)
