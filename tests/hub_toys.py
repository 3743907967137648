"""A Hub with one repository in it, and a client in this process."""

import pytest
from hub_server import HubServer
from huggingface_hub import CommitOperationAdd, HfApi, constants

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
