"""What a run says before its first step."""

from types import SimpleNamespace

import pytest
import torch

from command_line import UserError
from modeling import cost as cost_module
from modeling import cpu
from modeling.cost import cost
from modeling.presets import build_model
from settings.model import ModelSettings
from settings.training import TrainingSettings
from tests.helpers.pretraining import pretrain
from training import start
from training.forecast import duration


def said(capsys, n_processes=1, **settings):
    accelerator = SimpleNamespace(num_processes=n_processes, device=torch.device("cpu"))
    start._say_how(accelerator, TrainingSettings(**settings), " (all cores)")
    return capsys.readouterr().out.splitlines()


def test_the_start_line_tells_what_a_step_is(capsys):
    settings = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}
    (line,) = said(capsys, n_processes=4, **settings)
    assert line.startswith("batch 64 (processes 4, each 8 by 2), mixed_precision no, threads ")
    assert "cpu" in line


@pytest.mark.parametrize(("slower", "warned"), [(47.3, True), (0.4, False)])
def test_slow_bfloat16_is_said_where_it_is_asked_for(capsys, monkeypatch, slower, warned):
    monkeypatch.setattr(start, "bf16_slowdown", lambda: slower)
    assert len(said(capsys)) == 1
    warnings = said(capsys, mixed_precision="bf16")[1:]
    words = "warning: this CPU multiplies bf16 47 times slower than fp32: use --mixed_precision no"
    assert warnings == [words] * warned


def test_the_slowdown_is_that_of_a_product(monkeypatch):
    assert 0.001 < cpu.bf16_slowdown() < 1000
    monkeypatch.setattr(cpu, "_seconds", {torch.bfloat16: 6.0, torch.float32: 2.0}.get)
    assert cpu.bf16_slowdown() == 3


def test_a_tracker_that_is_not_installed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", list)
    settings = TrainingSettings(output_dir=str(tmp_path / "run"), report_to=["wandb"])
    with pytest.raises(UserError, match="^report_to wandb: not installed; install it, or leave it out$"):
        start.start_accelerate(tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def tiny_model(tokenizer):
    return build_model(ModelSettings(preset="nano"), tokenizer, 64, 0)


def takes(model, stream, capsys, **settings):
    accelerator = SimpleNamespace(num_processes=1, device=torch.device("cpu"), print=print)
    start.say_what_it_takes(accelerator, model, stream, TrainingSettings(**settings))
    return capsys.readouterr().out.splitlines()


def test_time_and_memory_are_said_before_the_first_step(tiny_model, stream, capsys, monkeypatch):
    monkeypatch.setattr(start, "speed", lambda *_: 1e9)
    (line,) = takes(tiny_model, stream, capsys, max_steps=1000, per_device_train_batch_size=8)
    flop = cost(tiny_model, 8, 8, stream.batch(0, 8)["attention_mask"].sum(1).float().mean().item(), True).flop
    assert line.startswith(
        f"roughly {duration(1000 * flop / 0.6e9)}: 1,000 steps of {flop / 1e9:,.1f} GFLOP, 0.1M param"
    )
    assert f"(of {cost_module.memory() / 2**30:.0f})" in line
    monkeypatch.setattr(start, "speed", lambda *_: 1e3)
    assert takes(tiny_model, stream, capsys, max_steps=1000)[1].startswith("warning: no GPU here, and without a recipe")


def test_what_surely_needs_more_memory_than_there_is_is_refused(tiny_model, stream, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cost_module, "memory", lambda *_: 2**20)
    monkeypatch.setattr(start, "memory", lambda *_: 2**20)
    with pytest.raises(UserError, match="with gradients and optimizer, needs 0 GiB of memory, and there are 0"):
        takes(tiny_model, stream, capsys)
    monkeypatch.setattr(start, "memory", lambda *_: 2**30)
    with pytest.raises(
        UserError, match="a pass of 1,000,000 biographies .make per_device_train_batch_size smaller. need"
    ):
        takes(tiny_model, stream, capsys, per_device_train_batch_size=10**6)
    monkeypatch.undo()
    for settings in (("--n_embd", 10**6), ("--per_device_train_batch_size", 10**8)):
        with pytest.raises(UserError, match="GiB of memory, and there are"):
            pretrain(tmp_path / "run", *settings)
        assert not (tmp_path / "run").exists()


def test_the_speed_is_that_of_a_product():
    assert 1e7 < cost_module.speed(torch.device("cpu"), torch.float32, 64, rows=8) < 1e14
