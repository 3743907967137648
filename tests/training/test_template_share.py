"""Learning from some of the template tokens: which, and that they are the loss of a weight on average."""

import pytest
import torch

from command_line import UserError
from data_builder.schedules import Plan
from data_builder.streams import build_stream
from modeling import cpu
from modeling.loss import TokenLoss
from settings.training import TrainingSettings
from tests.helpers.families import nano
from tests.helpers.pretraining import pretrain, records, same, two_processes, weights
from training.loop import drawn_labels


def settings(share, seed=3):
    return TrainingSettings(template_share=share, seed=seed)


def test_values_are_always_learned_and_of_the_rest_about_the_share(stream):
    batch = stream.batch(0, 200)
    drawn = drawn_labels(batch, settings(0.25), 0)
    is_value, labeled = batch["attribute_ids"] > 0, batch["labels"] != -100
    assert torch.equal(drawn[is_value], batch["labels"][is_value])
    kept = (drawn != -100)[labeled & ~is_value]
    assert kept.float().mean() == pytest.approx(0.25, abs=0.02)
    assert torch.equal(drawn[drawn != -100], batch["labels"][drawn != -100])
    assert torch.equal(drawn_labels(batch, settings(0.25), 0), drawn)
    assert not torch.equal(drawn_labels(batch, settings(0.25), 1), drawn)
    assert not torch.equal(drawn_labels(batch, settings(0.25, seed=4), 0), drawn)
    assert torch.equal(drawn_labels(batch, settings(1.0), 0), batch["labels"])
    assert torch.equal(drawn_labels(batch, settings(0.0), 0) != -100, is_value)


def test_rows_about_nobody_are_learned_whole(source, tokenizer):
    plan = Plan(source.population.groups["seen"], batch_size=8)
    stream = build_stream(source, tokenizer, plan, 0, random_words=0.5)
    batch = stream.batch(0, 8)
    about_nobody = batch["individual_ids"] < 0
    drawn = drawn_labels(batch, settings(0.0), 0)
    assert about_nobody.sum() == 4
    assert torch.equal(drawn[about_nobody], batch["labels"][about_nobody])


@pytest.mark.parametrize("tricks", [True, False])
def test_on_average_gradients_are_those_of_a_weight(tokenizer, stream, tricks, monkeypatch):
    monkeypatch.setattr(cpu, "_on", tricks)
    model, batch = nano(tokenizer), stream.batch(0, 6)

    def gradient(labels, weight=1.0):
        model.zero_grad()
        total, _ = TokenLoss(model, weight)(batch["input_ids"], labels, batch["attribute_ids"])
        total.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters()])

    expected, full = gradient(batch["labels"], 0.2), gradient(batch["labels"])
    drawn = [gradient(drawn_labels(batch, settings(0.2), step)) for step in range(400)]
    distance = (torch.stack(drawn).mean(0) - expected).norm()
    spread = torch.stack([one - expected for one in drawn]).norm(dim=1).square().mean().sqrt()
    assert distance < 2 * spread / len(drawn) ** 0.5
    assert distance < 0.1 * (full - expected).norm()


def test_few_logits_give_the_loss_of_all(tokenizer, stream, monkeypatch):
    """The fast code computes the logits of the wanted tokens alone."""
    model, batch = nano(tokenizer), stream.batch(0, 40)
    labels = drawn_labels(batch, settings(0.1), 0)
    found = []
    for tricks in (True, False):
        monkeypatch.setattr(cpu, "_on", tricks)
        model.zero_grad()
        total, value_loss = TokenLoss(model, 0.5)(batch["input_ids"], labels, batch["attribute_ids"])
        total.backward()
        found.append((total.detach(), value_loss, *(p.grad.clone() for p in model.parameters())))
    for fast, plain in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)


def test_a_run_resumes_bit_for_bit_and_two_processes_draw_what_one_does(tmp_path):
    options = ("--template_share", 0.2, "--save_steps", 10)
    pretrain(tmp_path / "whole", *options)
    pretrain(tmp_path / "cut", *options, "--stop_at", 10)
    pretrain(tmp_path / "cut", *options, "--resume_from_checkpoint", "latest")
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    pretrain(tmp_path / "plain")
    assert not same(weights(tmp_path / "plain"), weights(tmp_path / "whole"))
    two_processes(tmp_path / "two", "--template_share", "0.2", "--per_device_train_batch_size", "4")
    (one, two) = (records(tmp_path / name) for name in ("whole", "two"))
    assert [r["loss"] for r in two] == pytest.approx([r["loss"] for r in one], abs=1e-3)


@pytest.mark.parametrize("share", [-0.1, 1.1, "nan"])
def test_a_share_that_is_none_is_one_line(tmp_path, share):
    with pytest.raises(UserError, match="template_share is .*; it must be at least 0 and at most 1"):
        pretrain(tmp_path / "run", "--template_share", share)
