"""Publishing and verifying believe the Hub: no cache in its place, no manifest for its files, no damage at home."""

import shutil

import pytest
from huggingface_hub import snapshot_download

from run_directory.hub import LONGEST_WAIT
from tests.helpers.hub_store import Blob
from tests.helpers.hub_toys import Client

WORDS = ("--repo", "me/facts", "--dataset_repo", "me/people")
ALL_SOUND = "every revision is as its manifest says"


@pytest.fixture
def client(hub, finished, tmp_path, monkeypatch):
    """A user whose caches know all that was published, and who doesn't wait."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    client = Client(hub, tmp_path / "home")
    assert "4 sent" in client.hub_cards("publish", finished, *WORDS).stdout
    client.call(lambda _: [snapshot_download(repo.id, repo_type=repo.type) for repo in hub.repos.values()])
    return client


def test_an_emptied_repository_is_filled_again_and_not_taken_from_the_cache(hub, finished, client):
    for repo in hub.repos.values():
        for branch in list(repo.branches):
            repo.add(branch, {}, "me", "emptied")
    hub.fail("HEAD .*/resolve/", times=1000, kind="503")
    assert "4 sent" in client.hub_cards("publish", finished, *WORDS).stdout
    hub.faults = []
    assert ALL_SOUND in client.hub_cards("verify", "me/facts").stdout
    assert "64/source/settings.yaml" in hub.repo("me/people", "dataset").files()


@pytest.mark.parametrize("kind", ["503", "500", "drop"])
def test_a_changed_file_is_not_certified_from_the_cache_while_the_hub_errs(hub, client, kind):
    repo = hub.repo("me/facts")
    repo.add("main", repo.branches["main"].blobs | {"config.json": Blob(b"{}")}, "me", "by hand")
    hub.fail("(HEAD|GET) .*/resolve/", times=1000, kind=kind)
    done = client.hub_cards("verify", "me/facts", code=2)
    assert ALL_SOUND not in done.stdout
    assert done.stderr.count("\n") == 1
    hub.faults = []
    assert "main: config.json differs from the manifest\n" in client.hub_cards("verify", "me/facts", code=2).stdout


def test_publish_puts_right_what_differs_and_sends_nothing_else(hub, finished, client):
    repo, people = hub.repo("me/facts"), hub.repo("me/people", "dataset")
    before = {branch: repo.files(branch) for branch in repo.branches} | {"people": people.files()}
    blobs = dict(repo.branches["step-000010"].blobs)
    del blobs["tokenizer.json"]
    changed = {"config.json": Blob(b"{}"), "model.safetensors": Blob(b"\0", lfs=True), "extra.txt": Blob(b"")}
    repo.add("step-000010", blobs | changed, "me", "by hand")
    parquet = next(path for path in people.files() if path.endswith(".parquet"))
    lists = {"64/source/values/city.txt": Blob(b"")}
    people.add(
        "main", {p: b for p, b in people.branches["main"].blobs.items() if p != parquet} | lists, "me", "by hand"
    )
    n = len(hub.received_commits)
    said = client.hub_cards("publish", finished, *WORDS).stdout
    assert said.splitlines() == [
        "published me/people: population 64", "published me/facts @ step-000010", "me/facts: 2 sent"
    ]  # fmt: skip
    assert len(hub.received_commits) == n + 2
    assert {branch: repo.files(branch) for branch in repo.branches} | {"people": people.files()} == before


def test_nothing_changed_is_one_request_a_revision(hub, finished, client):
    hub.requests.clear()
    assert "everything was there already" in client.hub_cards("publish", finished, *WORDS).stdout
    asked = [path for _, path in hub.requests if "/me/facts" in path]
    assert len(asked) == 1 + 1 + 3 + 1  # permission, branches, one for each revision, the tag


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_final_model_is_not_published(hub, finished, tmp_path, name):
    run = shutil.copytree(finished, tmp_path / "run")
    data = bytearray((run / name).read_bytes())
    data[-2] ^= 1
    (run / name).write_bytes(data)
    said = Client(hub, tmp_path / "home").hub_cards("publish", run, "--repo", "me/facts", code=2).stderr
    assert said.startswith(f"error: {run} is damaged: {name} is not as manifest.json says; going on with the run")
    assert said.count("\n") == 1
    assert not hub.received_commits
    if name == "model.safetensors":
        (run / "manifest.json").unlink()  # a run older than that can't tell
        Client(hub, tmp_path / "home").hub_cards("publish", run, "--repo", "me/facts")


# Some of these the client repeats itself, some this project.
ASKED = ["GET /api/whoami", "POST .*/create", "GET .*/refs", "GET .*/tree/", "POST .*/preupload/", "POST .*/commit/"]


@pytest.mark.parametrize(("match", "status"), [(match, ("429", "503")[n % 2]) for n, match in enumerate(ASKED)])
def test_it_waits_as_long_as_the_hub_asks_within_reason(hub, finished, tmp_path, monkeypatch, match, status):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    client = Client(hub, tmp_path / "home")
    hub.fail(match, kind=status, retry_after=3000)
    said = client.hub_cards("publish", finished, "--repo", "me/facts", code=2).stderr
    assert said == (
        "error: the Hub asks to wait 50 minutes (rate limit); run the same command then: what was sent is kept\n"
    )
    assert not waited
    hub.fail(match, kind=status, retry_after=LONGEST_WAIT)
    client.hub_cards("publish", finished, "--repo", "me/facts")
    assert waited[0] in (LONGEST_WAIT, LONGEST_WAIT + 1)
