"""Publishing while a run trains: never in its way, whatever the network does."""

import pytest

import run_pretrain
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import NANO, same, weights

STEPS = {"step-000010", "step-000020"}
PUSH = ("--push_to_hub", "--hub_model_id", "me/live", "--hub_dataset_id", "me/people")


def train(client, run, *options, code=0):
    return client.call(run_pretrain.main, NANO, "--output_dir", run, *PUSH, *options, code=code)


# A commit is tried four times.
FAULTS = [
    [],
    [("POST .*/commit/", 1, "500"), ("POST .*/branch/", 1, "503"), ("PUT .*", 2, "drop")],
    [("POST .*/commit/", 1, "drop"), ("POST .*/commit/", 1, "409"), ("POST .*/commit/", 1, "lost")],
]


@pytest.mark.parametrize("faults", FAULTS)
def test_a_run_is_published_while_it_trains_whatever_the_network_does(hub, finished, tmp_path, monkeypatch, faults):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for match, times, kind in faults:
        hub.fail(match, times=times, kind=kind)
    client = Client(hub, tmp_path / "home")
    said = train(client, tmp_path / "run").stdout
    assert "not published yet" not in said
    assert hub.repo("me/live").branches.keys() == STEPS | {"main"}
    assert "every revision is as its manifest says" in client.hub_cards("verify", "me/live").stdout
    assert same(weights(tmp_path / "run"), weights(finished))
    assert not hub.faults


def test_a_hub_that_dies_costs_nothing_and_publish_finishes_later(hub, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.fail("POST .*/commit/", times=1000, kind="500")
    client = Client(hub, tmp_path / "home")
    said = train(client, tmp_path / "run").stdout
    assert "not published yet: the Hub answers 500" in said
    assert same(weights(tmp_path / "run"), weights(finished))
    hub.faults = []
    command = next(line for line in said.splitlines() if "not published yet" in line).split("python -m hub_cards ")[1]
    client.hub_cards(*command.split())
    assert hub.repo("me/live").branches.keys() == STEPS | {"main"}
    assert "every revision is as its manifest says" in client.hub_cards("verify", "me/live").stdout


def test_a_hub_that_hangs_does_not_hold_the_run(hub, tmp_path):
    hub.fail("POST .*/commit/", times=1000, kind="hang", seconds=100)
    client = Client(hub, tmp_path / "home")
    words = [NANO, "--output_dir", str(tmp_path / "run"), *PUSH]
    said = client.run(
        "-c", f"import hub_cards.background as b, run_pretrain\nb.FINISH_WITHIN = 1\nrun_pretrain.main({words})"
    ).stdout
    assert "not published yet: the Hub takes too long" in said
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("token", "options", "message"),
    [
        ("hf_write", ("--hub_model_id", ""), "push_to_hub needs a repository: --hub_model_id me/facts-tiny"),
        ("hf_write", ("--hub_model_id", "me/a/b"), "'me/a/b' is not a repository id like user/name"),
        ("hf_write", ("--hub_model_id", "facts"), "'facts' is not a repository id like user/name"),
        (None, (), "no token for the Hub: run `hf auth login` or set HF_TOKEN"),
        ("hf_expired", (), "the Hub refuses the token (invalid or expired): run `hf auth login` again"),
        ("hf_read", (), "no permission to write to me/live"),
        ("hf_other", (), "no permission to write to me/live"),
    ],
)
def test_what_will_not_work_is_said_before_training_starts(hub, tmp_path, token, options, message):
    said = train(Client(hub, tmp_path / "home", token), tmp_path / "run", *options, code=2).stderr
    assert said.startswith(f"error: {message}")
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert not hub.received_commits
    cut_off = Client(hub, tmp_path / "home", HF_ENDPOINT="http://127.0.0.1:9")
    assert "error: cannot reach the Hub" in train(cut_off, tmp_path / "run", code=2).stderr
