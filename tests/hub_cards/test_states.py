"""States on the Hub: published by option, and gone on from on a machine that has nothing of the run."""

import json
import shutil
import time

import evaluation.__main__ as quiz
import run_finetune
import run_pretrain
import training.automatic
from explorer.source import Explored
from run_directory.states import has_state
from tests.helpers.finetuning import arguments
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import NANO, TIMES, records, same, weights
from training.recorder import Recorder

PUSH = ("--push_to_hub", "--hub_model_id", "me/live")


def train(client, run, *options, code=0):
    words = ("--output_dir", run, "--draw_figures", "false", *options)
    return client.call(run_pretrain.main, NANO, *words, code=code)


def break_off(monkeypatch, hub, step, branch, published):
    """Let a run die without a word after a step, when its state of another one has been published."""
    done = Recorder.step_done

    def dying(self, *arguments):
        done(self, *arguments)
        if self.progress.step == step:
            monkeypatch.setattr(Recorder, "step_done", done)
            until = time.monotonic() + 30
            while step_of(hub, branch) != published:
                assert time.monotonic() < until, "not published in time"
                time.sleep(0.01)
            raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "step_done", dying)


def step_of(hub, branch):
    repo = hub.repo("me/live")
    files = repo.files(branch) if branch in repo.branches else {}
    return json.loads(files["progress.json"])["step"] if "progress.json" in files else None


def test_a_killed_run_goes_on_from_its_last_state_on_an_empty_machine(hub, finished, tmp_path, monkeypatch):
    here, there = Client(hub, tmp_path / "here"), Client(hub, tmp_path / "there")
    break_off(monkeypatch, hub, 13, "last-checkpoint", 10)
    train(here, tmp_path / "run", *PUSH, "--hub_strategy", "checkpoint", code=130)
    shutil.rmtree(tmp_path / "run")
    assert "optimizers.safetensors" not in hub.repo("me/live").files("step-000010")
    go_on = ("--resume_from_checkpoint", "me/live@last-checkpoint")
    said = train(there, tmp_path / "other" / "run", *PUSH, *go_on, "--hub_strategy", "checkpoint")
    assert f"resuming from {tmp_path / 'other' / 'run' / 'checkpoint-10'}" in said.stdout
    assert same(weights(tmp_path / "other" / "run"), weights(finished))
    assert records(tmp_path / "other" / "run", *TIMES) == records(finished, *TIMES)
    assert step_of(hub, "last-checkpoint") == 20
    assert f"output_dir: {tmp_path / 'other' / 'run'}\n" in (tmp_path / "other" / "run" / "config.yaml").read_text()
    assert "every revision is as its manifest says" in there.hub_cards("verify", "me/live").stdout
    refused = train(there, tmp_path / "other" / "run", *go_on, code=2).stderr
    assert "holds a run already; go on with it (--resume_from_checkpoint latest)" in refused


def test_every_state_can_be_published_and_is_by_the_command_too(hub, finished, tmp_path):
    client, run = Client(hub, tmp_path / "home"), tmp_path / "run"
    train(client, run, *PUSH, "--hub_strategy", "all_checkpoints", "--save_steps", 5, "--save_total_limit", 1,
          "--save_at", 10)  # fmt: skip
    assert [has_state(run / f"checkpoint-{step}") for step in (10, 20)] == [False, True]
    repo, steps = hub.repo("me/live"), {f"step-{step:06d}" for step in (5, 10, 15, 20)}
    assert repo.branches.keys() == steps | {"main"}
    assert {step_of(hub, branch) for branch in steps} == {5, 10, 15, 20}
    assert json.loads(repo.files()["manifest.json"])["revisions"].keys() == steps
    assert "everything was there already" in client.hub_cards("publish", run, "--repo", "me/live").stdout
    assert "every revision is as its manifest says" in client.hub_cards("verify", "me/live").stdout
    go_on = ("--resume_from_checkpoint", "me/live@step5", "--save_steps", 5)
    train(client, tmp_path / "again", *go_on)
    assert same(weights(tmp_path / "again"), weights(finished))
    found = client.call(lambda words: print(find(words)), "me/live", "step10").stdout.split()
    assert not {"optimizers.safetensors", "progress.json", "dataset"} & {*found}
    assert "model.safetensors" in found
    client.hub_cards("publish", run, "--repo", "me/live", "--hub_strategy", "every_save")
    assert step_of(hub, "step-000020") is None


def find(words):
    from run_directory.models import find_model

    found = find_model(*words)
    found.load()
    return " ".join(path.name for path in found.path.iterdir())


def test_a_state_that_nobody_asked_to_save_is_published_where_the_strategy_says_so(
    hub, finished, tmp_path, monkeypatch
):
    monkeypatch.setattr(training.automatic.AutomaticSaves, "is_due", lambda self: True)
    break_off(monkeypatch, hub, 7, "last-checkpoint", 7)
    client = Client(hub, tmp_path / "home")
    push = (*PUSH, "--hub_strategy", "checkpoint")
    train(client, tmp_path / "run", *push, code=130)
    assert hub.repo("me/live").branches.keys() == {"main", "last-checkpoint"}
    train(client, tmp_path / "again", "--resume_from_checkpoint", "me/live@last-checkpoint", *push)
    assert same(weights(tmp_path / "again"), weights(finished))
    assert hub.repo("me/live").branches.keys() == {"main", "last-checkpoint", "step-000010", "step-000020"}


def test_publishing_sets_no_state_back_to_an_older_one(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(training.automatic.AutomaticSaves, "is_due", lambda self: True)
    break_off(monkeypatch, hub, 13, "last-checkpoint", 13)
    client, push = Client(hub, tmp_path / "home"), (*PUSH, "--hub_strategy", "checkpoint")
    train(client, tmp_path / "run", *push, code=130)
    words = ("publish", tmp_path / "run", "--repo", "me/live")
    client.hub_cards(*words)
    assert step_of(hub, "last-checkpoint") == 13
    shutil.rmtree(tmp_path / "run" / "checkpoint-13")
    client.hub_cards(*words)
    assert step_of(hub, "last-checkpoint") == 13


def test_a_run_of_uneven_steps_is_as_its_manifests_say(hub, tmp_path):
    client, saved = Client(hub, tmp_path / "home"), ("--saves_per_decade", 10, "--max_steps", 100)
    train(client, tmp_path / "run", *saved)
    client.hub_cards("publish", tmp_path / "run", "--repo", "me/live")
    assert "every revision is as its manifest says" in client.hub_cards("verify", "me/live").stdout


def test_a_fine_tuning_goes_on_with_the_additions_of_lora(hub, trained, tmp_path, monkeypatch):
    settings = {"model": trained, "trainable": "lora", "save_steps": 6, "weight_replay_finetune": 0.5}
    client, push = Client(hub, tmp_path / "home"), {"push_to_hub": True, "hub_model_id": "me/live"}
    words = arguments(tmp_path / "whole", **settings, **push, hub_strategy="all_checkpoints")
    client.call(run_finetune.main, *words)
    assert "adapter.safetensors" in hub.repo("me/live").files("step-000006")
    go_on = arguments(tmp_path / "cut", **settings, resume_from_checkpoint="me/live@step-000006")
    client.call(run_finetune.main, *go_on)
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))


def test_a_fine_tuning_goes_on_with_what_the_old_model_wrote_and_its_card_says_whose_attention_it_had(
    hub, trained, tmp_path
):
    settings = {"model": trained, "share_generated": 0.25, "n_generated": 8, "old_attention": True, "save_steps": 6}
    client, push = Client(hub, tmp_path / "home"), {"push_to_hub": True, "hub_model_id": "me/live"}
    client.call(run_finetune.main, *arguments(tmp_path / "whole", **settings, **push, hub_strategy="all_checkpoints"))
    assert (
        hub.repo("me/live").files("step-000006")["generated.jsonl"]
        == hub.repo("me/live").files("main")["generated.jsonl"]
    )
    go_on = arguments(tmp_path / "cut", **settings, resume_from_checkpoint="me/live@step-000006")
    client.call(run_finetune.main, *go_on)
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    own = json.loads((tmp_path / "whole" / "own_attention.json").read_text())["seen_attribute_accuracy"]
    card = hub.repo("me/live").files("main")["README.md"].decode()
    assert "its attention was that of the model it began with" in card
    assert f"with which it knows {100 * own:.1f}% of the facts about seen" in card


def test_all_is_sent_at_the_end_where_the_strategy_says_so(hub, tmp_path):
    client = Client(hub, tmp_path / "home")
    train(client, tmp_path / "run", *PUSH, "--hub_strategy", "end")
    names = [commit.title for commit in hub.received_commits]
    assert names == ["Publish step-000010", "Publish step-000020", "Publish main"]


def test_what_cannot_be_gone_on_from_is_one_line(hub, finished, tmp_path):
    client = Client(hub, tmp_path / "home")
    client.hub_cards("publish", finished, "--repo", "me/live", "--hub_strategy", "all_checkpoints")
    repo = hub.repo("me/live")
    blobs = repo.branches["step-000010"].blobs
    repo.add("damaged", blobs | {"optimizers.safetensors": blobs["model.safetensors"]}, "me", "by hand")
    for which, message in {
        "me/live@step-000500": "me/live has no revision step-000500 on the Hub",
        "me/live@main": "me/live@main holds no state to go on from; it is published with --hub_strategy checkpoint",
        "me/live@damaged": "me/live@damaged is damaged: optimizers.safetensors is not as its manifest says",
        "me/nothing@main": "there is no repository me/nothing",
        "live@main": "'live' is not a repository id like user/name",
    }.items():
        said = train(client, tmp_path / "run", "--resume_from_checkpoint", which, code=2).stderr
        assert said.startswith(f"error: {message}"), said
        assert said.count("\n") == 1
        assert not (tmp_path / "run").exists()
    said = train(client, tmp_path / "run", "--resume_from_checkpoint", "me/live@step10", "--seed", 3, code=2).stderr
    assert "seed is 3 now, but the run has 0" in said


def test_the_explorer_and_evaluation_go_through_all_steps_on_the_hub(hub, tmp_path):
    client = Client(hub, tmp_path / "home")
    train(client, tmp_path / "run", *PUSH, "--hub_strategy", "all_checkpoints", "--saves_per_decade", 2)
    assert hub.repo("me/live").tags.keys() > {"step0", "step1", "step3", "step10", "step20"}

    def look(_):
        run = Explored("me/live")
        print(run.steps, run.notices, [run.model(step).num_parameters() > 0 for step in run.steps])

    assert client.call(look).stdout == f"[0, 1, 3, 10, 20] [] {[True] * 5}\n"
    assert "accuracy" in client.call(quiz.main, "me/live", "--people", 1).stdout
