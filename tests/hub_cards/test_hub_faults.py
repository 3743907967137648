"""What goes wrong, as the real clients see it."""

import json
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_hub_download, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError
from huggingface_hub.utils._http import default_client_factory

from tests.helpers.hub_toys import WEIGHTS, upload

httpx = sys.modules[HTTPError.__module__]  # httpx2 from huggingface_hub 2 on

# Faults. The client repeats preupload, the LFS requests, listings and downloads, but neither commits, branches, tags,
# info, nor anything else that it sends through get_session(). Its errors are httpx.HTTPError, HfHubHTTPError included,
# but for the RuntimeError, LocalEntryNotFoundError and JSONDecodeError below.


@pytest.fixture
def waits(monkeypatch):
    """How long the client would have waited between its attempts."""
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    return waited


@pytest.mark.parametrize("kind", ["500", "502", "429", "drop", "lost", "cut"])
@pytest.mark.parametrize("step", ["POST .*/preupload/", "POST .*/objects/batch", "PUT /lfs/"])
def test_the_client_repeats_the_steps_before_a_commit(hub, api, filled, waits, step, kind):
    hub.fail(step, kind=kind)
    before = len(hub.sent(step))
    upload(api, "more.bin", b"\0" * 100_000)
    assert hub.repo("me/x").files()["more.bin"] == b"\0" * 100_000
    assert (len(hub.sent(step)) - before, waits, hub.faults) == (2, [1], [])


@pytest.mark.parametrize("kind", ["500", "502", "429", "409", "412", "403", "401"])
def test_a_commit_that_fails_is_not_repeated(hub, api, filled, waits, kind):
    hub.fail("POST .*/commit/", kind=kind)
    with pytest.raises(HfHubHTTPError) as error:
        upload(api)
    assert error.value.response.status_code == int(kind)
    assert isinstance(error.value, httpx.HTTPError)
    assert (len(hub.received_commits), waits) == (1, [])
    upload(api)  # the fault is used up
    assert "notes.txt" in hub.repo("me/x").files()


@pytest.mark.parametrize(("kind", "done"), [("drop", 0), ("lost", 1), ("cut", 1)])
def test_a_commit_whose_answer_is_lost_may_be_there(hub, api, filled, waits, kind, done):
    hub.fail("POST .*/commit/", kind=kind)
    with pytest.raises(httpx.RemoteProtocolError):
        upload(api)
    assert len(hub.received_commits) == 1 + done
    upload(api)  # of a commit that is there, the client sends nothing again
    assert len(hub.received_commits) == 2


def test_an_lfs_upload_that_keeps_failing_is_a_runtime_error(hub, api, filled, waits):
    hub.fail("PUT /lfs/", times=6, kind="drop")
    with pytest.raises(RuntimeError, match=r"more\.bin") as error:
        upload(api, "more.bin", b"\0" * 5_000_000)
    assert isinstance(error.value.__cause__, httpx.TransportError)
    assert waits == [1, 2, 4, 8, 8]
    assert hub.received_lfs == [hub.received_lfs[0]]
    assert "more.bin" not in hub.repo("me/x").files()


def test_create_repo_repeats_only_the_conflict_of_the_hub(hub, api, waits):
    hub.fail("POST /api/repos/create", times=3, kind="409")
    api.create_repo("me/x")
    assert (len(hub.sent("repos/create")), waits) == (4, [])


@pytest.mark.parametrize("kind", ["429", "drop", "cut"])
def test_a_download_goes_on_where_it_was_cut(hub, api, filled, waits, tmp_path, kind):
    hub.fail("GET .*/resolve/", kind=kind)
    path = hf_hub_download("me/x", "model.safetensors", endpoint=hub.url, cache_dir=tmp_path)
    assert Path(path).read_bytes() == WEIGHTS
    assert len(hub.sent("GET .*/resolve/")) == 2


def test_a_first_download_that_is_refused_is_a_missing_entry(hub, api, filled, waits, tmp_path):
    hub.fail("HEAD .*/resolve/", kind="403")
    with pytest.raises(LocalEntryNotFoundError) as error:
        hf_hub_download("me/x", "config.json", endpoint=hub.url, cache_dir=tmp_path)
    assert isinstance(error.value.__cause__, HfHubHTTPError)


def test_a_card_is_looked_at_before_anything_is_sent(hub, api, filled):
    with pytest.raises(ValueError, match="bad line in metadata: no key"):
        upload(api, "README.md", b"---\nlicense: mit\nno key\n---\n# Card\n")
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        upload(api, "README.md", b"# Card\n")
    assert hub.repo("me/x").files()["README.md"] == b"# Card\n"


def test_a_card_that_a_gateway_answers_is_a_json_error(hub, api, filled):
    hub.fail("POST /api/validate-yaml", kind="502")
    with pytest.raises(json.JSONDecodeError):
        upload(api, "README.md", b"---\nlicense: mit\n---\n")


def test_uploads_have_no_timeout_unless_the_client_is_given_one(hub, api, filled):
    hub.fail("POST .*/commit/", kind="hang", seconds=0.3)
    upload(api)
    hub.fail("POST .*/commit/", kind="hang", seconds=60)
    set_client_factory(lambda: httpx.Client(timeout=0.5))
    try:
        with pytest.raises(httpx.ReadTimeout):
            upload(api, "late.txt")
    finally:
        set_client_factory(default_client_factory)
    assert "late.txt" not in hub.repo("me/x").files()  # it may be later: the server goes on


def test_a_download_that_hangs_is_tried_again(hub, api, filled, waits, monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
    hub.fail("GET .*/resolve/", kind="hang", seconds=60)
    assert hf_hub_download("me/x", "model.safetensors", endpoint=hub.url, cache_dir=tmp_path)
    assert waits == [1]


def test_a_fault_may_be_chosen_by_a_function(hub, api, filled):
    hub.fail(lambda line: line.startswith("GET") and line.endswith("/refs"), times=2)
    for _ in range(2):
        with pytest.raises(HfHubHTTPError, match="500"):
            api.list_repo_refs("me/x")
    assert api.list_repo_refs("me/x")
