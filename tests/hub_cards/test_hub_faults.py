"""What goes wrong on the way to the Hub, step by step of the real client, and what the user is told of it."""

import pytest

from run_directory.models import find_model
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import same, weights

# All requests of a publication; the client itself repeats some of them, but neither commits, branches nor tags.
STEPS = {
    "whoami": "GET /api/whoami",
    "create": "POST /api/repos/create",
    "permission": "GET .*/auth-check/",
    "branches": "GET .*/refs",
    "look": "GET .*/tree/",
    "history": "GET .*/commits/",
    "branch": "POST .*/branch/",
    "preupload": "POST .*/preupload/",
    "large files": "POST .*/objects/batch",
    "a large file": "PUT /lfs/",
    "card": "POST /api/validate-yaml",
    "commit": "POST .*/commit/",
    "tag": "POST .*/tag/",
}


@pytest.fixture
def waits(monkeypatch):
    """How long was waited between attempts."""
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    return waited


KINDS = [("500", "drop"), ("503", "lost"), ("429", "cut")]


@pytest.mark.parametrize(("step", "kinds"), [(s, KINDS[n % 3]) for n, s in enumerate(STEPS)])
def test_a_step_that_fails_twice_is_repeated(hub, finished, waits, tmp_path, step, kinds):
    for kind in kinds:
        hub.fail(STEPS[step], kind=kind)
    client = Client(hub, tmp_path)
    client.hub_cards("publish", finished, "--repo", "me/facts")
    assert not hub.faults
    assert "every revision is as its manifest says" in client.hub_cards("verify", "me/facts").stdout
    assert hub.repo("me/facts").branches.keys() == {"main", "step-000010", "step-000020"}


TOLD = {
    "500": "the Hub answers 500 for me/facts",
    "401": "the Hub refuses the token (invalid or expired): run `hf auth login` again",
    "403": "no permission to write to me/facts: use a token with write access, or another repository",
    "drop": "cannot reach the Hub (",
}


@pytest.mark.parametrize(
    ("step", "kind"),
    [*((step, "500") for step in STEPS), *(("commit", kind) for kind in TOLD), ("a large file", "drop")],
)
def test_a_step_that_keeps_failing_is_one_line(hub, finished, waits, tmp_path, step, kind):
    hub.fail(STEPS[step], times=1000, kind=kind)
    told = Client(hub, tmp_path).hub_cards("publish", finished, "--repo", "me/facts", code=2).stderr
    assert told.startswith(f"error: {TOLD[kind]}")
    assert told.count("\n") == 1


@pytest.mark.parametrize("kind", ["429", "drop", "cut"])
def test_a_download_that_is_cut_goes_on(hub, finished, waits, tmp_path, kind):
    Client(hub, tmp_path / "a").hub_cards("publish", finished, "--repo", "me/facts")
    hub.fail("GET .*/resolve/.*safetensors", kind=kind)
    reader = Client(hub, tmp_path / "b", token=None)
    path = reader.call(lambda words: print(find_model(*words).path), "me/facts").stdout.strip()
    assert same(weights(path), weights(finished))
    assert not hub.faults
