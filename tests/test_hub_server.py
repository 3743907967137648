"""The loopback Hub, seen by the real clients. What a fault looks like to them is written down here as tests."""

import inspect
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hub_server import HubServer, client_environment
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    hf_hub_download,
    set_client_factory,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session, httpx
from huggingface_hub.utils._http import default_client_factory

WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


@pytest.fixture
def api(hub, monkeypatch):
    """A client in this process, which conftest.py has put offline."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    return HfApi(endpoint=hub.url, token="hf_write")


@pytest.fixture
def folder(tmp_path):
    """A model's folder: two small files, and one for LFS."""
    (tmp_path / "model" / "figures").mkdir(parents=True)
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "figures" / "loss.csv").write_text("step,loss\n0,1\n")
    (tmp_path / "model" / "model.safetensors").write_bytes(WEIGHTS)
    return tmp_path / "model"


@pytest.fixture
def filled(api, folder):
    api.create_repo("me/x")
    api.upload_folder(repo_id="me/x", folder_path=folder)
    return "me/x"


def add(path, content=b"content"):
    return CommitOperationAdd(path, content)


def upload(api, path="notes.txt", content=b"content", **options):
    return api.create_commit("me/x", [add(path, content)], commit_message="Upload", **options)


def run_client(function, *arguments, hub, home, token="hf_write", **environment):
    """Call a function in a process of its own, which only sees the Hub, and return what it returned."""
    source = textwrap.dedent(inspect.getsource(function))
    script = f"import json\n{source}\nprint(json.dumps({function.__name__}(*{arguments!r})))"
    settings = client_environment(hub, home, token) | environment
    done = subprocess.run([sys.executable, "-c", script], env=settings, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


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


# Other libraries, in processes of their own


def push_and_load_model(repo_id):
    import torch
    from huggingface_hub import create_branch
    from transformers import AutoModelForCausalLM, GPT2Config

    config = GPT2Config(vocab_size=64, n_positions=16, n_embd=8, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0)
    for revision in ("main", "step-000500"):
        model = AutoModelForCausalLM.from_config(config)
        model.push_to_hub(repo_id, revision=None if revision == "main" else revision)
        if revision == "main":
            create_branch(repo_id, branch="step-000500")
    loaded = [AutoModelForCausalLM.from_pretrained(repo_id, revision=revision) for revision in ("step-000500", "main")]
    equal = [
        all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)) for other in loaded
    ]
    return equal


def test_a_model_comes_back_bit_for_bit(hub, tmp_path):
    assert run_client(push_and_load_model, "me/gpt2", hub=hub, home=tmp_path) == [True, False]
    files = [hub.repo("me/gpt2").files(revision) for revision in ("main", "step-000500")]
    assert files[0]["config.json"] == files[1]["config.json"]
    assert files[0]["model.safetensors"] != files[1]["model.safetensors"]
    assert not hub.sent("CONNECT|http://")  # nothing for another host


def push_datasets(repo_id):
    from datasets import Dataset, DatasetDict
    from huggingface_hub import create_tag

    for name, first in (("64k", 0), ("128k", 100)):
        splits = {split: Dataset.from_dict({"n": list(range(first, first + 4))}) for split in ("seen", "unseen")}
        DatasetDict(splits).push_to_hub(repo_id, config_name=name, set_default=name == "64k")
        if name == "64k":
            create_tag(repo_id, tag="v1", repo_type="dataset")
    return True


def load_datasets(repo_id):
    from datasets import get_dataset_config_names, load_dataset

    return {
        "configs": sorted(get_dataset_config_names(repo_id)),
        "configs of v1": get_dataset_config_names(repo_id, revision="v1"),
        "64k": load_dataset(repo_id, "64k", split="seen", revision="v1")["n"][:],
        "default": load_dataset(repo_id, split="seen")["n"][:],
        "128k": load_dataset(repo_id, "128k", split="unseen")["n"][:],
        "streamed": [row["n"] for row in load_dataset(repo_id, "128k", split="seen", streaming=True)],
    }


def reload_dataset(repo_id):
    from datasets import load_dataset

    return load_dataset(repo_id, "128k", split="unseen")["n"][:]


def test_datasets_come_back(hub, tmp_path):
    assert run_client(push_datasets, "me/data", hub=hub, home=tmp_path / "a")
    files = hub.repo("me/data", "dataset").files()
    assert [path for path in files if path.startswith("128k/")] == [
        "128k/seen-00000-of-00001.parquet",
        "128k/unseen-00000-of-00001.parquet",
    ]
    assert b"config_name: 128k" in files["README.md"]
    assert run_client(load_datasets, "me/data", hub=hub, home=tmp_path / "b") == {
        "configs": ["128k", "64k"],
        "configs of v1": ["64k"],
        "64k": [0, 1, 2, 3],
        "default": [0, 1, 2, 3],
        "128k": [100, 101, 102, 103],
        "streamed": [100, 101, 102, 103],
    }
    seen = len(hub.requests)
    offline = {"hub": hub, "home": tmp_path / "b", "HF_HUB_OFFLINE": "1"}
    assert run_client(reload_dataset, "me/data", **offline) == [100, 101, 102, 103]
    assert len(hub.requests) == seen
    assert not hub.sent("CONNECT")


def push_cards(repo_id):
    from huggingface_hub import DatasetCard, ModelCard, ModelCardData, create_repo, metadata_update
    from huggingface_hub.repocard_data import DatasetCardData, EvalResult

    create_repo(repo_id)
    create_repo(repo_id, repo_type="dataset")
    result = EvalResult("text-generation", "biographies", "Biographies", "attribute_accuracy", 0.5)
    data = ModelCardData(license="apache-2.0", tags=["facts"], model_name="tiny", eval_results=[result])
    ModelCard.from_template(data, template_str="---\n{{ card_data }}\n---\n# Tiny\n").push_to_hub(repo_id)
    metadata_update(repo_id, {"tags": ["facts", "gpt2"]}, overwrite=True)
    card = DatasetCard(f"---\n{DatasetCardData(license='cc-by-4.0').to_yaml()}\n---\n# Data\n")
    card.push_to_hub(repo_id)
    loaded = ModelCard.load(repo_id).data
    return loaded.tags, loaded.eval_results[0].metric_value, DatasetCard.load(repo_id).data.license


def test_cards_come_back(hub, tmp_path):
    assert run_client(push_cards, "me/x", hub=hub, home=tmp_path) == [["facts", "gpt2"], 0.5, "cc-by-4.0"]
    assert len(hub.sent("POST /api/validate-yaml")) >= 3


def ask_elsewhere():
    from urllib.request import urlopen

    try:
        urlopen("http://example.com/page")
    except OSError as error:
        return str(error)


def test_a_client_process_sees_nothing_but_the_hub(hub, tmp_path):
    assert run_client(ask_elsewhere, hub=hub, home=tmp_path) == "HTTP Error 404: Not Found"
    assert hub.requests == [("GET", "http://example.com/page")]
