import math

import pytest
import torch

from command_line import UserError
from modeling.presets import build_model
from settings.model import ModelSettings
from settings.training import TrainingSettings
from training.muon import Float32Muon
from training.optimizers import build_optimizers, check_names, learning_rate_factor


@pytest.fixture
def model(tokenizer):
    return build_model(ModelSettings(preset="nano"), tokenizer, max_length=256, seed=0)


def named(model, optimizer):
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: group for group in optimizer.param_groups for p in group["params"]}


def test_adamw_has_every_parameter_and_the_papers_numbers(model):
    (optimizer,) = build_optimizers(model, TrainingSettings())
    groups = named(model, optimizer)
    assert set(groups) == {name for name, _ in model.named_parameters()}
    for name, group in groups.items():
        assert group["betas"] == (0.9, 0.95)
        assert group["lr"] == 4e-4
        decays = not name.endswith("bias") and "ln_" not in name
        assert group["weight_decay"] == (0.1 if decays else 0.0), name


def test_muon_has_the_matrices_of_the_blocks_and_nothing_else(model):
    adamw, muon = build_optimizers(model, TrainingSettings(optim="muon", muon_learning_rate=0.03))
    assert isinstance(muon, torch.optim.Muon)
    kinds = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    matrices = {f"transformer.h.{block}.{kind}.weight" for block in (0, 1) for kind in kinds}
    assert set(named(model, muon)) == matrices
    assert set(named(model, adamw)) == {name for name, _ in model.named_parameters()} - matrices
    assert {group["lr"] for group in muon.param_groups} == {0.03}


def test_learning_rates_start_at_the_peak_and_end_as_their_name_says():
    assert [learning_rate_factor("constant", step, 10) for step in (0, 5, 9)] == [1, 1, 1]
    assert [learning_rate_factor("linear", step, 10) for step in (0, 5, 9)] == pytest.approx([1, 0.5, 0.1])
    cosine = [learning_rate_factor("cosine", step, 10) for step in (0, 5, 9)]
    assert cosine == pytest.approx([1, 0.5, (1 + math.cos(0.9 * math.pi)) / 2])
    assert [learning_rate_factor("constant", step, 10, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]  # warm-up
    assert [learning_rate_factor("linear", step, 8, 4) for step in range(8)] == [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25]
    assert learning_rate_factor("cosine", 6, 8, 4) == pytest.approx(0.5)


@pytest.mark.parametrize(("name", "message"), [("optim", "optimizer 'linaer'"), ("lr_scheduler_type", "'linear'$")])
def test_a_name_that_nobody_knows_is_one_line(name, message):
    with pytest.raises(UserError, match=message):
        check_names(TrainingSettings(**{name: "linaer"}))


@pytest.mark.parametrize("shape", [(24, 24), (12, 36), (36, 12)])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_in_float32_is_torchs_to_within_bfloat16(shape, nesterov):
    how = {"lr": 0.02, "weight_decay": 0.3, "momentum": 0.9, "nesterov": nesterov, "adjust_lr_fn": "original"}
    torch.manual_seed(0)
    start, gradients = torch.randn(shape), torch.randn(5, *shape)
    weights = [torch.nn.Parameter(start.clone()) for _ in range(2)]
    optimizers = [kind([p], **how) for kind, p in zip((torch.optim.Muon, Float32Muon), weights, strict=True)]
    for gradient in gradients:
        for optimizer, weight in zip(optimizers, weights, strict=True):
            weight.grad = gradient.clone()
            optimizer.step()
    theirs, ours = weights
    moved = (theirs - start).norm()
    assert (theirs - ours).norm() < 0.01 * moved
    states = [optimizer.state_dict() for optimizer in optimizers]
    torch.testing.assert_close(states[0]["state"], states[1]["state"])
    assert states[0]["param_groups"] == states[1]["param_groups"]


@pytest.mark.parametrize(("slowdown", "kind"), [(40, Float32Muon), (0.6, torch.optim.Muon)])
def test_muon_is_in_float32_where_the_cpu_lacks_bfloat16(model, monkeypatch, slowdown, kind):
    monkeypatch.setattr("modeling.cpu.bf16_slowdown", lambda: slowdown)
    _, muon = build_optimizers(model, TrainingSettings(optim="muon"))
    assert type(muon) is kind


@pytest.mark.parametrize(("given", "decay"), [(None, 0.1), (0.02, 0.02), (0.0, 0.0)])
def test_muon_has_a_decay_of_its_own_or_that_of_all_matrices(model, given, decay):
    adamw, muon = build_optimizers(model, TrainingSettings(optim="muon", muon_weight_decay=given))
    assert {group["weight_decay"] for group in muon.param_groups} == {decay}
    assert {group["weight_decay"] for group in adamw.param_groups} == {0.1, 0.0}
