"""Gradient checkpointing: the same loss and gradients from less memory, in all families, with LoRA and patching too."""

import copy

import pytest
import torch

import modeling.cpu
from command_line import UserError
from modeling.adaptation import adapt
from modeling.cost import cost
from modeling.loss import TokenLoss
from modeling.patching import Patched
from modeling.recompute import recompute_activations
from settings.model import AdaptationSettings
from tests.helpers.families import ATTENTIVE, NANO, lively
from tests.helpers.families import nano as fresh
from tests.helpers.pretraining import TIMES, pretrain, records, same, weights

KEYS = ("input_ids", "labels", "attribute_ids")


def backward(model, objective, batch):
    """Loss, gradients, and bytes that the forward pass kept."""
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        total, _ = objective(*(batch[key] for key in KEYS))
    total.backward()
    return total.item(), [p.grad for p in model.parameters() if p.grad is not None], sum(kept.values())


def assert_same(plain, again):
    assert again[0] == plain[0]
    assert len(again[1]) == len(plain[1]) > 0
    assert all(torch.equal(a, b) for a, b in zip(again[1], plain[1], strict=True))


@pytest.mark.parametrize("training", [True, False])  # as made, and as loaded
@pytest.mark.parametrize("tricks", [True, False])
@pytest.mark.parametrize("preset", NANO)
def test_loss_and_gradients_are_the_same_from_less_memory(tokenizer, stream, preset, tricks, training, monkeypatch):
    monkeypatch.setattr(modeling.cpu, "_on", tricks)
    model = fresh(tokenizer, preset=preset, n_layer=6).train(training)
    again, batches = copy.deepcopy(model), [stream.batch(step, 4) for step in range(2)]
    recompute_activations(again)
    for batch in batches:  # a recurrent model keeps states from one to the next
        plain, less = (backward(m, TokenLoss(m), batch) for m in (model, again))
        assert_same(plain, less)
    assert less[2] < 0.6 * plain[2]


@pytest.mark.parametrize("preset", ATTENTIVE)
def test_with_lora_and_with_the_attention_of_another_model(tokenizer, stream, preset):
    batch = stream.batch(0, 4)
    models = [lively(tokenizer, 0, preset) for _ in range(2)]
    for model in models:
        adapt(model, AdaptationSettings(trainable="lora"), seed=0)
    recompute_activations(models[1])
    assert_same(*(backward(model, TokenLoss(model), batch) for model in models))
    models = [lively(tokenizer, 0, preset) for _ in range(2)]
    recompute_activations(models[1])
    patched = [Patched(model, lively(tokenizer, 1, preset)) for model in models]
    assert_same(*(backward(p.model, TokenLoss(p), batch) for p in patched))


def test_dropout_of_a_loaded_model_stays_off(tokenizer, stream):
    model = fresh(tokenizer).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    plain = backward(model, TokenLoss(model), stream.batch(0, 4))
    model.zero_grad()
    recompute_activations(model)
    assert_same(plain, backward(model, TokenLoss(model), stream.batch(0, 4)))


def test_a_model_that_cannot_is_refused_in_one_line(tokenizer):
    model = fresh(tokenizer)
    model.supports_gradient_checkpointing = False
    with pytest.raises(UserError, match="^GPT2LMHeadModel cannot do gradient_checkpointing; leave it out$"):
        recompute_activations(model)


def test_a_run_with_it_is_the_same_run_and_may_go_on_without(finished, tmp_path):
    run = pretrain(tmp_path / "run", "--gradient_checkpointing", True, "--stop_at", 10)
    pretrain(tmp_path / "run", "--resume_from_checkpoint", "latest")
    assert same(weights(run.path), weights(finished))
    assert records(run.path, *TIMES) == records(finished, *TIMES)


def test_the_estimate_has_one_block_at_a_time_and_a_forward_pass_more(tokenizer):
    plain, less = (cost(fresh(tokenizer, n_layer=24), 8, 8, 80, True, recompute) for recompute in (False, True))
    assert less.flop == pytest.approx(plain.flop * 4 / 3)
    assert 24 / 3 < plain.activations / less.activations < 24
