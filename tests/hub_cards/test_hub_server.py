"""The loopback Hub, seen by the real clients. What a fault looks like to them is written down here as tests."""

from pathlib import Path

import pytest
from huggingface_hub import (
    CommitOperationDelete,
    HfApi,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session

from tests.helpers.hub_toys import WEIGHTS, add, upload

# Repositories


def test_a_repo_is_created_once(hub, api):
    assert api.whoami()["name"] == "me"
    assert api.create_repo("me/x").repo_id == "me/x"
    assert api.create_repo("x", exist_ok=True).repo_id == "me/x"
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo("me/x")
    assert error.value.response.status_code == 409
    api.create_repo("me/x", repo_type="dataset", private=True)
    assert not hub.repo("me/x").private
    assert hub.repo("me/x", "dataset").private
    api.update_repo_settings("me/x", repo_type="dataset", visibility="public")
    assert not api.dataset_info("me/x").private
    api.delete_repo("me/x")
    assert not api.repo_exists("me/x")
    assert api.repo_exists("me/x", repo_type="dataset")


def test_a_folder_goes_up_in_one_commit_and_only_once(hub, api, filled, folder):
    (sent,) = hub.received_commits
    assert (sent["file"], sent["lfsFile"]) == (["config.json", "figures/loss.csv"], ["model.safetensors"])
    assert len(hub.received_lfs) == 1
    assert hub.repo("me/x").files()["model.safetensors"] == WEIGHTS
    again = api.upload_folder(repo_id="me/x", folder_path=folder)
    assert (len(hub.received_commits), len(hub.received_lfs), again.oid) == (1, 1, sent["id"])
    upload(api, "copy/model.safetensors", WEIGHTS)
    assert len(hub.received_lfs) == 1  # the content is there
    assert hub.repo("me/x").files()["copy/model.safetensors"] == WEIGHTS


def test_branches_tags_and_history(hub, api, filled):
    first = api.model_info("me/x").sha
    api.create_branch("me/x", branch="step-000500", revision=first)
    new = upload(api, revision="step-000500")
    api.create_tag("me/x", tag="v1", revision="step-000500")
    refs = api.list_repo_refs("me/x")
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": first, "step-000500": new.oid}
    assert [(tag.name, tag.target_commit) for tag in refs.tags] == [("v1", new.oid)]
    assert [c.commit_id for c in api.list_repo_commits("me/x", revision="v1")][:2] == [new.oid, first]
    assert [c.title for c in api.list_repo_commits("me/x")] == ["Upload folder using huggingface_hub", "initial commit"]
    assert set(hub.repo("me/x").files(new.oid[:7])) - set(hub.repo("me/x").files()) == {"notes.txt"}
    for repeat in (api.create_branch, api.create_tag):
        name = {"branch": "step-000500"} if repeat == api.create_branch else {"tag": "v1"}
        repeat("me/x", **name, exist_ok=True)
        with pytest.raises(HfHubHTTPError, match="409"):
            repeat("me/x", **name)
    api.delete_tag("me/x", tag="v1")
    api.delete_branch("me/x", branch="step-000500")
    refs = api.list_repo_refs("me/x")
    assert ([branch.name for branch in refs.branches], refs.tags) == (["main"], [])


def test_branch_names_may_hold_slashes(hub, api, filled):
    api.create_branch("me/x", branch="runs/a")
    upload(api, "in a/folder.txt", revision="runs/a")
    assert [entry.path for entry in api.list_repo_tree("me/x", "in a", revision="runs/a")] == ["in a/folder.txt"]
    assert api.file_exists("me/x", "in a/folder.txt", revision="runs/a")


def test_trees_and_paths(api, filled):
    shallow = {entry.path for entry in api.list_repo_tree("me/x")}
    deep = {entry.path: entry for entry in api.list_repo_tree("me/x", recursive=True)}
    assert shallow == {".gitattributes", "config.json", "figures", "model.safetensors"}
    assert set(deep) - shallow == {"figures/loss.csv"}
    assert (deep["model.safetensors"].lfs.size, deep["config.json"].lfs) == (len(WEIGHTS), None)
    assert [entry.path for entry in api.get_paths_info("me/x", ["figures", "no", "config.json"])] == [
        "figures",
        "config.json",
    ]
    sizes = {file.rfilename: file.size for file in api.model_info("me/x", files_metadata=True).siblings}
    assert sizes["model.safetensors"] == len(WEIGHTS)


def test_files_and_folders_are_deleted_in_a_commit(hub, api, filled):
    before = api.model_info("me/x").sha
    gone = [CommitOperationDelete("figures/"), CommitOperationDelete("config.json")]
    api.create_commit("me/x", [*gone, add("new.txt")], commit_message="Replace")
    assert set(hub.repo("me/x").files()) == {".gitattributes", "model.safetensors", "new.txt"}
    assert "config.json" in hub.repo("me/x").files(before)
    with pytest.raises(EntryNotFoundError):
        api.delete_file("config.json", "me/x")
    assert len(hub.received_commits) == 2


def test_a_commit_on_an_outdated_parent_is_refused(hub, api, filled):
    parent = api.model_info("me/x").sha
    upload(api, parent_commit=parent)
    with pytest.raises(HfHubHTTPError) as error:
        upload(api, "other.txt", parent_commit=parent)
    assert error.value.response.status_code == 412
    assert "other.txt" not in hub.repo("me/x").files()


# Downloads


def test_downloads_at_a_revision(api, filled, tmp_path):
    options = {"endpoint": api.endpoint, "cache_dir": tmp_path / "cache"}
    first = api.model_info("me/x").sha
    upload(api, "config.json", b'{"new": 1}')
    api.create_tag("me/x", tag="v0", revision=first)
    for revision, content in (("main", '{"new": 1}'), ("v0", "{}"), (first, "{}")):
        path = hf_hub_download("me/x", "config.json", revision=revision, **options)
        assert Path(path).read_text() == content
    snapshot = snapshot_download("me/x", revision="v0", **options)
    assert snapshot.endswith(first)
    assert Path(snapshot, "model.safetensors").read_bytes() == WEIGHTS
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("me/x", "no.txt", **options)
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download("me/x", "config.json", revision="no", **options)
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("me/y", "config.json", **options)


@pytest.mark.parametrize(("asked", "first", "last"), [("0-9", 0, 9), ("10000-", 10000, 10239), ("-5", 10235, 10239)])
def test_ranges(api, filled, asked, first, last):
    address = f"{api.endpoint}/me/x/resolve/main/model.safetensors"
    answer = get_session().get(address, headers={"Range": f"bytes={asked}"})
    assert (answer.status_code, answer.content) == (206, WEIGHTS[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/10240"
    assert get_session().get(address, headers={"Range": "bytes=10240-"}).status_code == 416


# Who may do what


@pytest.mark.parametrize("token", [False, "hf_other"])
def test_a_private_repo_is_not_there_for_others(api, filled, token, tmp_path):
    api.update_repo_settings("me/x", visibility="private")
    stranger = HfApi(endpoint=api.endpoint, token=token)
    for ask in (stranger.model_info, stranger.list_repo_refs, stranger.list_repo_files):
        with pytest.raises(RepositoryNotFoundError):
            ask("me/x")
    with pytest.raises(RepositoryNotFoundError):
        stranger.hf_hub_download("me/x", "config.json", cache_dir=tmp_path)
    reader = HfApi(endpoint=api.endpoint, token="hf_read")
    assert reader.hf_hub_download("me/x", "config.json", cache_dir=tmp_path)


@pytest.mark.parametrize(("token", "status"), [("hf_read", 403), ("hf_other", 403), (False, 401), ("hf_expired", 401)])
def test_who_may_not_write_is_told_so(hub, api, filled, token, status):
    stranger = HfApi(endpoint=hub.url, token=token)
    for attempt in (
        lambda: stranger.create_repo("me/new"),
        lambda: upload(stranger),
        lambda: stranger.create_branch("me/x", branch="b"),
        lambda: stranger.delete_repo("me/x"),
    ):
        with pytest.raises(HfHubHTTPError) as error:
            attempt()
        assert error.value.response.status_code == status
    assert list(hub.repos) == [("model", "me/x")]
    assert list(hub.repo("me/x").branches) == ["main"]


def test_a_bad_token_is_refused_even_for_public_files(hub, filled):
    for token in ("hf_expired", "hf_unknown"):
        with pytest.raises(HfHubHTTPError, match="401"):
            HfApi(endpoint=hub.url, token=token).model_info("me/x")
        with pytest.raises(HfHubHTTPError, match="Invalid user token"):
            HfApi(endpoint=hub.url, token=token).whoami()


def test_organisations(hub, api):
    hub.tokens["hf_write"]["orgs"] = ["lab"]
    api.create_repo("lab/x", private=True)
    assert api.model_info("lab/x").author == "lab"
