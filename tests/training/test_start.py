"""What a run says before its first step."""

from types import SimpleNamespace

import pytest
import torch

from command_line import UserError
from modeling import cpu
from settings.training import TrainingSettings
from training import start


def said(capsys, n_processes=1, **settings):
    accelerator = SimpleNamespace(num_processes=n_processes, device=torch.device("cpu"))
    start._say_how(accelerator, TrainingSettings(**settings))
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


def test_what_only_the_launcher_was_told_is_said(capsys, monkeypatch):
    monkeypatch.setattr(start, "bf16_slowdown", lambda: 1)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    assert len(said(capsys, mixed_precision="bf16", gradient_accumulation_steps=4)) == 1
    precision, accumulation = said(capsys)[1:]
    assert "mixed_precision bf16 of accelerate's launcher is not used; give --mixed_precision" in precision
    assert "gradient_accumulation_steps 4" in accumulation
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")  # what it says if nobody told it
    monkeypatch.delenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS")
    assert len(said(capsys, mixed_precision="bf16")) == 1


def test_a_tracker_that_is_not_installed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", list)
    settings = TrainingSettings(output_dir=str(tmp_path / "run"), report_to=["wandb"])
    with pytest.raises(UserError, match="^report_to wandb: not installed; install it, or leave it out$"):
        start.begin_run(tmp_path / "run", settings, [])
    assert not (tmp_path / "run").exists()
