"""Training a part of a model, LoRA, models between two others, and a model held to another one."""

import copy

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM

from command_line import UserError
from modeling.adaptation import adapt, adapter_tensors, interpolate, merged
from modeling.loss import DistillingLoss, TokenLoss
from settings.model import AdaptationSettings
from settings.training import TrainingSettings
from tests.helpers.families import ATTENTIVE, NANO
from tests.helpers.families import nano as fresh
from training.checkpoints import Progress, load_checkpoint, save_checkpoint
from training.optimizers import build_optimizers

KEYS = ("input_ids", "labels", "attribute_ids")


@pytest.fixture(params=ATTENTIVE)
def preset(request):
    return request.param


@pytest.fixture
def model(tokenizer, preset):
    return fresh(tokenizer, preset=preset)


def train(model, stream, optim="adamw", n_steps=3):
    settings = TrainingSettings(optim=optim, learning_rate=1e-2, muon_learning_rate=1e-2)
    optimizers, objective = build_optimizers(model, settings), TokenLoss(model)
    for step in range(n_steps):
        batch = stream.batch(step, 4)
        objective(*(batch[key] for key in KEYS))[0].backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return optimizers


@pytest.mark.parametrize("preset", NANO)
@pytest.mark.parametrize("optim", ["adamw", "muon"])
@pytest.mark.parametrize("trainable", ["all", "feed_forward", "all_but_feed_forward"])
def test_only_what_shall_be_trained_changes(model, stream, trainable, optim):
    before = copy.deepcopy(model.state_dict())
    adapt(model, AdaptationSettings(trainable=trainable), seed=0)
    train(model, stream, optim)
    for name, weights in model.state_dict().items():
        of_feed_forward = ".mlp" in name
        changes = {"all": True, "feed_forward": of_feed_forward, "all_but_feed_forward": not of_feed_forward}
        assert torch.equal(weights, before[name]) != changes[trainable], name


# Rows and columns of the matrices of a block, added up.
ADAPTED = {
    "nano": 128 + 64 + 160 + 160, "llama-nano": 4 * 64 + 3 * 120, "qwen3-nano": 2 * (64 + 48) + 3 * 128,
    "neox-nano": 128 + 64 + 160 + 160,
}  # fmt: skip


def test_lora_begins_as_the_model_and_trains_its_own_matrices_alone(model, stream, preset):
    plain, batch = copy.deepcopy(model), stream.batch(9, 4)
    adapt(model, AdaptationSettings(trainable="lora", lora_r=4), seed=0)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 2 * 4 * ADAPTED[preset]
    with torch.no_grad():
        assert torch.equal(model(batch["input_ids"]).logits, plain(batch["input_ids"]).logits)
    train(model, stream)
    with torch.no_grad():
        logits = model(batch["input_ids"]).logits
        assert not torch.allclose(logits, plain(batch["input_ids"]).logits, atol=1e-3)
        whole = merged(model)
        assert whole.state_dict().keys() == plain.state_dict().keys()
        assert torch.allclose(whole(batch["input_ids"]).logits, logits, atol=1e-5)
    base = {name.replace(".base_layer", ""): p for name, p in model.named_parameters() if ".lora_" not in name}
    assert all(torch.equal(base[name], p) for name, p in plain.named_parameters())


def test_lora_depends_on_its_seed_alone(tokenizer):
    models = [fresh(tokenizer) for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        torch.rand(seed + 1)
        adapt(model, AdaptationSettings(trainable="lora"), seed)
    first, second, other = map(adapter_tensors, models)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_checkpoint_of_lora_is_a_stock_model_and_goes_on_exactly(model, stream, tokenizer, tmp_path, preset):
    settings = AdaptationSettings(trainable="lora")
    adapt(model, settings, seed=0)
    optimizers = train(model, stream)
    saved = save_checkpoint(tmp_path, model, tokenizer, optimizers, Progress(step=3), [], {})
    stock, batch = AutoModelForCausalLM.from_pretrained(saved), stream.batch(5, 4)
    assert torch.allclose(stock(batch["input_ids"]).logits, model(batch["input_ids"]).logits, atol=1e-5)
    again = fresh(tokenizer, preset=preset)
    adapt(again, settings, seed=0)
    load_checkpoint(saved, again, build_optimizers(again, TrainingSettings()))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    deeper = fresh(tokenizer, preset=preset, n_layer=3)
    adapt(deeper, settings, seed=0)
    with pytest.raises(UserError, match="belongs to another model"):
        load_checkpoint(saved, deeper, [])


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_between_two_models_each_weight_is(tokenizer, share, preset):
    old, new, before = (fresh(tokenizer, seed, preset) for seed in (0, 1, 0))
    between = interpolate(new, old, share)
    for a, b, c in zip(old.parameters(), new.parameters(), between.parameters(), strict=True):
        assert torch.allclose(c, (1 - share) * a + share * b, atol=1e-7)
    assert all(torch.equal(p, q) for p, q in zip(old.parameters(), before.parameters(), strict=True))


def test_a_model_is_held_to_another_where_there_are_no_labels(stream, tokenizer):
    model, teacher, batch = fresh(tokenizer), fresh(tokenizer, seed=1), stream.batch(0, 6)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.mul_(3)
    batch["labels"][[1, 4]] = -100
    batch["attribute_ids"][[1, 4]] = 0
    total, of_values = DistillingLoss(model, teacher, 0.5)(*(batch[key] for key in KEYS))
    total.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    assert all(p.grad is None for p in teacher.parameters())
    model.zero_grad()
    plain, plain_values = TokenLoss(model)(*(batch[key][[0, 2, 3, 5]] for key in KEYS))
    penalty = slow_divergence(model, teacher, batch, (1, 4))
    (plain + 0.5 * penalty).backward()
    assert total.item() == pytest.approx((plain + 0.5 * penalty).item(), rel=1e-5)
    assert penalty > 1
    assert torch.equal(of_values, plain_values)
    assert_gradients(model, gradients)


def slow_divergence(model, teacher, batch, rows):
    total = torch.zeros(())
    for row in rows:
        ids = batch["input_ids"][row][batch["attention_mask"][row] == 1]
        student, other = (m(ids[None]).logits[0, :-1].float() for m in (model, teacher))
        p = functional.softmax(other.detach(), 1)
        total = total + (p * (p.log() - student.log_softmax(1))).sum()
    return total


def assert_gradients(model, expected):
    for gradient, parameter in zip(expected, model.parameters(), strict=True):
        assert torch.allclose(gradient, parameter.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_small_batches_add_up_whatever_kinds_of_rows_they_have(stream, tokenizer, size):
    model, teacher, batch = fresh(tokenizer), fresh(tokenizer, seed=1), stream.batch(0, 6)
    batch["labels"][[1, 2]] = -100
    batch["attribute_ids"][[1, 2]] = 0
    objective = DistillingLoss(model, teacher, 0.5)
    whole = objective(*(batch[key] for key in KEYS))
    whole[0].backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    parts = [objective(*(batch[key][rows : rows + size] for key in KEYS)) for rows in range(0, 6, size)]
    for total, _ in parts:
        total.backward()
    assert [sum(part[k].item() for part in parts) for k in (0, 1)] == pytest.approx([w.item() for w in whole], rel=1e-5)
    assert_gradients(model, gradients)
