import json

import pytest
import torch
from safetensors.torch import load_file

from command_line import UserError
from modeling.presets import build_model
from run_directory.manifests import is_sound
from run_directory.records import truncate_records
from settings.model import ModelSettings
from settings.training import TrainingSettings
from training.checkpoints import Progress, find_checkpoint, load_checkpoint, save_checkpoint
from training.optimizers import build_optimizers
from training.tracking import JsonlTracker

PROGRESS = Progress(2, 100, 8, 1.5, 0.25)
DECIDED = {"opened_at": None, "recent": [4.9, 0.1 + 0.2]}


@pytest.fixture
def trained(tokenizer, stream):
    """A model and its optimisers after two steps."""

    def make(optim="muon", steps=2, seed=0):
        model = build_model(ModelSettings(preset="nano"), tokenizer, max_length=256, seed=seed)
        optimizers = build_optimizers(model, TrainingSettings(optim=optim))
        for step in range(steps):
            update(model, optimizers, stream.batch(step, 4))
        return model, optimizers

    return make


def update(model, optimizers, batch):
    model(input_ids=batch["input_ids"], labels=batch["labels"]).loss.backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("optim", ["adamw", "muon"])
def test_training_goes_on_from_a_checkpoint_bit_for_bit(trained, tokenizer, stream, tmp_path, optim):
    model, optimizers = trained(optim)
    saved = save_checkpoint(tmp_path, model, tokenizer, optimizers, PROGRESS, [[2.5, 1.25]], DECIDED)
    other, other_optimizers = trained(optim, steps=1, seed=7)
    assert load_checkpoint(saved, other, other_optimizers) == (PROGRESS, [[2.5, 1.25]], DECIDED)
    deeper = build_model(ModelSettings(preset="nano", n_layer=3), tokenizer, 256, 0)
    with pytest.raises(UserError, match="belongs to another model"):
        load_checkpoint(saved, deeper, build_optimizers(deeper, TrainingSettings(optim=optim)))
    for m, o in ((model, optimizers), (other, other_optimizers)):
        update(m, o, stream.batch(2, 4))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_a_checkpoint_holds_no_pickle_and_loads_as_a_stock_model(trained, tokenizer, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, optimizers = trained()
    saved = save_checkpoint(tmp_path, model, tokenizer, optimizers, Progress(2), [], {})
    assert {path.suffix for path in saved.iterdir()} <= {".safetensors", ".json"}
    assert load_file(saved / "optimizers.safetensors")
    assert torch.equal(AutoModelForCausalLM.from_pretrained(saved).lm_head.weight, model.lm_head.weight)
    assert AutoTokenizer.from_pretrained(saved)("a").input_ids == tokenizer("a").input_ids


def three_checkpoints(trained, tokenizer, run):
    model, optimizers = trained()
    return [save_checkpoint(run, model, tokenizer, optimizers, Progress(step), [], {}) for step in (5, 10, 100)]


def flip_a_bit(checkpoint):
    data = bytearray((checkpoint / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (checkpoint / "model.safetensors").write_bytes(data)


def test_latest_is_the_one_of_the_last_step_and_half_written_ones_are_not_seen(trained, tokenizer, tmp_path):
    (tmp_path / ".checkpoint-200.tmp").mkdir()
    (tmp_path / ".checkpoint-200.tmp" / "model.safetensors").write_bytes(b"half")
    checkpoints = three_checkpoints(trained, tokenizer, tmp_path)
    assert find_checkpoint(tmp_path, "latest") == checkpoints[-1]
    assert find_checkpoint(tmp_path, str(checkpoints[1])) == checkpoints[1]


DAMAGES = {
    "content": flip_a_bit,
    "missing": lambda checkpoint: (checkpoint / "optimizers.safetensors").unlink(),
    "manifest": lambda checkpoint: (checkpoint / "manifest.json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_and_named(trained, tokenizer, tmp_path, damage):
    checkpoints, said = three_checkpoints(trained, tokenizer, tmp_path), []
    DAMAGES[damage](checkpoints[-1])
    assert not is_sound(checkpoints[-1])
    assert find_checkpoint(tmp_path, "latest", said.append) == checkpoints[1]
    assert [line.count("checkpoint-100 is damaged") for line in said] == [1]


def test_nothing_sound_to_resume_from_is_one_clear_line(trained, tokenizer, tmp_path):
    with pytest.raises(UserError, match="nothing to resume from"):
        find_checkpoint(tmp_path, "latest")
    for checkpoint in three_checkpoints(trained, tokenizer, tmp_path):
        flip_a_bit(checkpoint)
    with pytest.raises(UserError, match="no sound checkpoint"):
        find_checkpoint(tmp_path, "latest", lambda line: None)
    with pytest.raises(UserError, match="is no checkpoint"):
        find_checkpoint(tmp_path, "elsewhere")


def test_metrics_are_one_json_object_a_line_and_those_after_a_checkpoint_are_dropped(tmp_path):
    tracker, path = JsonlTracker(tmp_path), tmp_path / "metrics.jsonl"
    tracker.log({"step": 1, "loss": None, "x": float("nan")})
    tracker.log({"step": 2, "loss": 0.5})
    expected = [{"step": 1, "loss": None, "x": None}, {"step": 2, "loss": 0.5}]
    assert [json.loads(line) for line in path.read_text().splitlines()] == expected
    path.write_text(path.read_text() + '{"step": 3}\n{"st')
    truncate_records(tmp_path, step=2)
    assert [json.loads(line) for line in path.read_text().splitlines()] == expected
