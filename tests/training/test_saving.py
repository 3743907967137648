"""Which checkpoints a run writes and keeps, and that none of it changes what is computed."""

import errno
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM

import run_pretrain
import training.automatic
import training.recorder
from command_line import UserError
from run_directory.layout import is_reported
from run_directory.manifests import checkpoints, is_sound
from run_directory.models import find_step, saved_steps
from run_directory.states import has_state, is_automatic
from settings.training import TrainingSettings
from tests.helpers.pretraining import NANO, TIMES, records, same, weights
from training.automatic import AutomaticSaves
from training.checkpoints import find_checkpoint
from training.recorder import Recorder


@pytest.fixture
def train(tmp_path):
    """The nano recipe without its save_steps, in a directory of this test's."""
    recipe = {key: value for key, value in yaml.safe_load(Path(NANO).read_text()).items() if key != "save_steps"}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))

    def run(name, **settings):
        options = [str(word) for key, value in settings.items() for word in (f"--{key}", value)]
        recipe = ["--config", str(tmp_path / "recipe.yaml")]
        run_pretrain.main([*recipe, "--output_dir", str(tmp_path / name), "--draw_figures", "false", *options])
        return tmp_path / name

    return run


def break_off(monkeypatch, step):
    """Let a run die without a word after a step, and go on as usual when it is started again."""
    done = Recorder.step_done

    def dying(self, *arguments):
        done(self, *arguments)
        if self.progress.step == step:
            monkeypatch.setattr(Recorder, "step_done", done)
            raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "step_done", dying)


def test_checkpoints_are_dense_at_the_start_and_the_first_is_of_the_untrained_model(train, finished):
    run = train("run", saves_per_decade=3, save_at="15")
    assert list(checkpoints(run)) == [0, 1, 2, 5, 10, 15]
    assert saved_steps(str(run), find_step(str(run), 20))[0] == [0, 1, 2, 5, 10, 15, 20]
    assert same(weights(run / "checkpoint-10"), weights(finished / "checkpoint-10"))
    assert same(weights(run), weights(finished))
    assert torch.equal(AutoModelForCausalLM.from_pretrained(run / "checkpoint-0").lm_head.weight,
                       weights(run / "checkpoint-0")["transformer.wte.weight"])  # fmt: skip
    train("run", saves_per_decade=3, resume_from_checkpoint="checkpoint-0")
    assert same(weights(run), weights(finished))
    assert records(run, *TIMES)[-1] == records(finished, *TIMES)[-1]


def test_log_spaced_saves_are_those_of_log_spaced_evaluations():
    settings = TrainingSettings(max_steps=1500, eval_steps=5000, evals_per_decade=4, saves_per_decade=4, save_at=[700])
    assert settings.chosen_saves() == {*settings.evaluations()} - {1500} | {700}
    assert TrainingSettings(max_steps=1500).chosen_saves() == set()


def test_the_newest_states_are_kept_and_the_models_that_were_asked_for(train, finished):
    run = train("run", save_steps=2, save_total_limit=2, save_at="4")
    found = checkpoints(run)
    assert {step: has_state(path) for step, path in found.items()} == {4: False, 18: True, 20: True}
    assert all(map(is_sound, found.values()))
    assert not {path.name for path in run.iterdir() if path.name.endswith(".tmp")}
    assert "optimizers.safetensors" not in {path.name for path in found[4].iterdir()}
    model, _ = find_step(str(run), 4).load()
    assert torch.equal(model.lm_head.weight, weights(found[4])["transformer.wte.weight"])
    with pytest.raises(UserError, match=r"checkpoint-4 has the model alone, as save_total_limit leaves it"):
        train("run", save_steps=2, save_total_limit=2, save_at="4", resume_from_checkpoint="checkpoint-4")
    (found[20] / "optimizers.safetensors").write_bytes(b"")
    assert find_checkpoint(run, "latest", lambda line: None) == found[18]
    train("run", save_steps=2, save_total_limit=2, save_at="4", resume_from_checkpoint="latest")
    assert same(weights(run), weights(finished))
    damaged = bytearray((found[4] / "model.safetensors").read_bytes())
    damaged[-1] ^= 1
    (found[4] / "model.safetensors").write_bytes(damaged)
    assert not is_sound(found[4])


def test_whoever_goes_back_loses_nothing_of_later_steps(train, monkeypatch):
    run = train("run", save_steps=4)
    break_off(monkeypatch, 10)
    with pytest.raises(KeyboardInterrupt):
        train("run", save_steps=2, save_total_limit=1, resume_from_checkpoint="checkpoint-4")
    assert list(checkpoints(run)) == [10, 12, 16, 20]


@pytest.mark.parametrize("step", [7, 10])
def test_a_run_that_nobody_asked_to_save_is_gone_on_with_all_the_same(train, finished, monkeypatch, tmp_path, step):
    monkeypatch.setattr(training.automatic, "LONGEST", 0.0)
    monkeypatch.setattr(training.automatic, "SHARE", float("inf"))
    break_off(monkeypatch, step)
    with pytest.raises(KeyboardInterrupt):
        train("run")
    run = tmp_path / "run"
    (path,) = checkpoints(run).values()
    assert path.name == f"checkpoint-{step}"
    assert is_automatic(path)
    assert [record["step"] for record in records(run)] == [0] + [10] * (step == 10)
    train("run", resume_from_checkpoint="latest")
    assert same(weights(run), weights(finished))
    assert records(run, *TIMES) == records(finished, *TIMES)
    assert is_reported(run)
    assert not checkpoints(run)


def test_a_full_disk_ends_no_run_that_nobody_asked_to_save(train, finished, monkeypatch, capsys):
    monkeypatch.setattr(training.automatic.AutomaticSaves, "is_due", lambda self: True)
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(training.recorder, "save_checkpoint", raising(full))
    run = train("run")
    assert same(weights(run), weights(finished))
    assert "could not save a state to go on from: No space left on device; the run goes on" in capsys.readouterr().err
    with pytest.raises(OSError, match="No space left"):
        train("asked", save_steps=5)


def raising(error):
    def fail(*_):
        raise error

    return fail


def test_none_is_due_where_save_steps_says_when(monkeypatch):
    monkeypatch.setattr(training.automatic, "LONGEST", 0.0)
    assert AutomaticSaves(TrainingSettings(), 0).is_due()
    assert not AutomaticSaves(TrainingSettings(save_steps=5), 0).is_due()


@pytest.mark.parametrize(("cost", "update"), [(0.1, 0.05), (3.0, 8.0), (20.0, 0.5), (60.0, 100.0)])
def test_what_may_be_lost_is_bounded_by_minutes_and_what_it_costs_by_a_hundredth(monkeypatch, cost, update):
    clock, spent, longest, last = [0.0], 0.0, 0.0, 0.0
    monkeypatch.setattr(training.automatic.time, "perf_counter", lambda: clock[0])
    saves = AutomaticSaves(TrainingSettings(), int(cost / 12e-8))
    while clock[0] < 50 * 3600:
        clock[0] += update
        longest = max(longest, clock[0] - last)
        if saves.is_due():
            clock[0], spent = clock[0] + cost, spent + cost
            saves.saved(cost)
            last = clock[0]
        assert spent <= 0.0101 * clock[0]
    assert spent > 0
    assert longest <= max(300, 100 * cost) + update
