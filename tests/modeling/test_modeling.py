import pytest
import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM, GPT2LMHeadModel
from transformers.activations import ACT2FN

from command_line import UserError
from modeling import cpu
from modeling.attention import SHORT_ATTENTION
from modeling.loss import TokenLoss, wanted_logits
from modeling.patching import blocks
from modeling.presets import PRESETS, build_config, build_model
from settings.model import ModelSettings
from tests.helpers.families import ATTENTIVE, NANO, lively, nano

every_family = pytest.mark.parametrize("preset", NANO)


@every_family
def test_weights_depend_on_the_seed_alone(tokenizer, preset):
    torch.manual_seed(5)
    first, again, other = (nano(tokenizer, seed, preset) for seed in (0, 0, 1))
    state = torch.get_rng_state()
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)
    nano(tokenizer)
    assert torch.equal(state, torch.get_rng_state())


def test_the_activation_is_that_of_gpt2_and_nothing_is_dropped_in_any_preset(tokenizer):
    x, ours = torch.linspace(-8, 8, 1001), ACT2FN[nano(tokenizer).config.activation_function]
    torch.testing.assert_close(ours(x), ACT2FN["gelu_new"](x), rtol=1e-6, atol=1e-6)
    for preset in PRESETS:
        config = build_config(ModelSettings(preset=preset), tokenizer)
        assert config.vocab_size % 64 == 0
        assert config.vocab_size >= len(tokenizer)
        dropped = ("resid_pdrop", "embd_pdrop", "attn_pdrop", "attention_dropout")
        assert not any(getattr(config, name, 0) for name in dropped)
    with pytest.raises(UserError, match="unknown preset 'llama-tinny'; the nearest known one is 'llama-tiny'"):
        build_config(ModelSettings(preset="llama-tinny"), tokenizer)


@pytest.mark.parametrize(("preset", "layers", "width"), [("44m", 8, 512), ("163m", 12, 896), ("400m", 12, 1536)])
def test_presets_have_the_papers_sizes(preset, layers, width, tokenizer):
    config = build_config(ModelSettings(preset=preset), tokenizer)
    with torch.device("meta"):
        model = GPT2LMHeadModel(config)
    blocks = sum(p.numel() for p in model.transformer.h.parameters())
    assert blocks == layers * (12 * width**2 + 13 * width)  # matrices (MLP 4 x width), biases and gains
    assert config.n_inner is None  # transformers takes 4 x width: 2048 for 44m


@every_family
def test_a_model_is_stock_and_comes_back_from_disk(tokenizer, tmp_path, preset):
    model = nano(tokenizer, preset=preset)
    assert type(model) is MODEL_FOR_CAUSAL_LM_MAPPING[type(model.config)]
    assert model.config.num_hidden_layers == len(blocks(model)) == 2
    assert sum("Attention" in type(module).__name__ for module in model.modules()) == 2 * (preset in ATTENTIVE)
    TokenLoss(model).model.save_pretrained(tmp_path)
    assert SHORT_ATTENTION not in (tmp_path / "config.json").read_text()
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(model.lm_head.weight, loaded.lm_head.weight)


@pytest.mark.parametrize(
    ("sizes", "length", "message"),
    [
        ({"n_embd": 30, "n_head": 4}, 10, "n_embd 30 cannot be divided among n_head 4 heads"),
        ({"n_layer": 0}, 10, "n_layer is 0; it must be at least 1"),
        ({"preset": "llama-nano", "n_embd": 30}, 10, "n_embd / n_head is 15; it must be even"),
        ({"preset": "llama-nano"}, 257, "the longest biography has 257 tokens, the model reads 256"),
        ({"preset": "qwen3-nano", "n_embd": 36, "n_head": 3}, 10, "n_head is 3; it must be even"),
        ({}, 257, "the longest biography has 257 tokens, the model reads 256"),
    ],
)
def test_sizes_that_do_not_fit_are_one_clear_line(tokenizer, sizes, length, message):
    with pytest.raises(UserError, match=message):
        nano(tokenizer, max_length=length, **sizes)
    with pytest.raises(UserError, match="the biography of Ada has 257 tokens"):
        build_model(ModelSettings(preset="nano"), tokenizer, 257, 0, "the biography of Ada")
    nano(tokenizer, preset="hawk-nano", max_length=10**6)  # a recurrent model reads any length


@pytest.mark.parametrize("size", ["nano", "tiny", "44m", "400m"])
@pytest.mark.parametrize("family", ["llama-", "qwen3-", "hawk-"])
def test_families_are_about_as_large_in_each_size(tokenizer, family, size):
    counts = []
    for name in (size, family + size):
        with torch.device("meta"):
            made = AutoModelForCausalLM.from_config(build_config(ModelSettings(preset=name), tokenizer))
        counts.append(sum(p.numel() for p in blocks(made).parameters()))
    assert counts[1] == pytest.approx(counts[0], rel=0.1 if family == "hawk-" else 0.03)


@pytest.fixture(params=[True, False], ids=["fast", "plain"])
def both(request, monkeypatch):
    """With what makes a CPU faster, and without."""
    monkeypatch.setattr(cpu, "_on", request.param)
    monkeypatch.setattr(cpu, "LOGITS", 64)


@pytest.mark.parametrize(
    ("preset", "template_weight", "rows"),
    [("nano", 0.0, 16), ("nano", 0.1, 3), ("nano", 1.0, 1), ("nano", 3.0, 2), *((preset, 1.0, 3) for preset in NANO)],
)
def test_loss_and_gradients_are_those_of_the_stock_model(
    tokenizer, stream, monkeypatch, both, preset, template_weight, rows
):
    monkeypatch.setattr(cpu, "ROWS", rows)
    batch, model = stream.batch(0, 7), nano(tokenizer, preset=preset)
    inputs = batch["input_ids"], batch["labels"], batch["attribute_ids"]
    total, of_values = TokenLoss(model, template_weight)(*inputs)
    gradients = torch.autograd.grad(total, list(model.parameters()))
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits[:, :-1]
    labels, is_value = batch["labels"][:, 1:], batch["attribute_ids"][:, 1:] > 0
    losses = torch.nn.functional.cross_entropy(logits.mT, labels, reduction="none")  # 0 where nothing is to be learned
    expected = losses[is_value].sum() + template_weight * losses[~is_value].sum()
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert of_values.item() == pytest.approx(losses[is_value].sum().item(), rel=1e-5)
    assert not of_values.requires_grad
    for gradient, slow in zip(gradients, torch.autograd.grad(expected, list(model.parameters())), strict=True):
        torch.testing.assert_close(gradient, slow, rtol=1e-3, atol=1e-4)


def test_the_loss_of_a_batch_without_values(tokenizer, stream, both):
    batch, model = stream.batch(0, 3), nano(tokenizer)
    inputs = batch["input_ids"], batch["labels"]
    total, of_values = TokenLoss(model)(*inputs, torch.zeros_like(batch["labels"]))
    assert of_values.item() == 0
    assert total.item() == pytest.approx(TokenLoss(model)(*inputs, batch["attribute_ids"])[0].item(), rel=1e-5)


@every_family
def test_wanted_logits_come_in_the_order_of_the_batch(tokenizer, stream, both, preset):
    batch, model = stream.batch(0, 33), nano(tokenizer, preset=preset)
    wanted = batch["attribute_ids"] > 0
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    expected = logits[:, :-1][wanted[:, 1:]]
    torch.testing.assert_close(wanted_logits(model, batch["input_ids"], wanted), expected, rtol=1e-3, atol=1e-4)
    wanted[1] = False  # a row without wanted tokens
    assert len(wanted_logits(model, batch["input_ids"], wanted)) == wanted.sum()


def logits_and_gradients(model, attention, **inputs):
    model.zero_grad()
    model.set_attn_implementation(attention)
    logits = model(**inputs).logits
    logits.square().mean().backward()
    return [logits, *(p.grad.clone() for p in model.parameters())]


@pytest.mark.parametrize("preset", ATTENTIVE)
@pytest.mark.parametrize("masked", [False, True])
def test_short_attention_is_attention(tokenizer, stream, both, masked, preset):
    batch, model = stream.batch(0, 5), lively(tokenizer, 0, preset)
    keys = ("input_ids", "attention_mask") if masked else ("input_ids",)
    inputs = {key: batch[key] for key in keys}
    expected = logits_and_gradients(model, "eager" if masked else "sdpa", **inputs)
    torch.testing.assert_close(logits_and_gradients(model, SHORT_ATTENTION, **inputs), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", ATTENTIVE)
def test_a_model_in_training_writes_as_any_other(tokenizer, stream, preset):
    batch, model = stream.batch(0, 3), nano(tokenizer, preset=preset)
    prompt = {"input_ids": batch["input_ids"][:, :9], "max_new_tokens": 8, "do_sample": False}
    prompt["attention_mask"] = torch.ones(3, 9, dtype=torch.long)
    prompt["attention_mask"][0, :4] = 0
    expected = model.generate(**prompt)
    TokenLoss(model)
    assert torch.equal(model.generate(**prompt), expected)
