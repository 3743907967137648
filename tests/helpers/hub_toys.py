"""A Hub with one repository in it, and a client in this process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants

from tests.helpers.hub_server import HubServer, client_environment

WEIGHTS = bytes(range(256)) * 40
ROOT = Path(__file__).parents[2]


class Client:
    """Runs commands as a user of a Hub would, with a fresh home."""

    def __init__(self, hub, home, token="hf_write", **environment):
        self.environment = client_environment(hub, home, token) | environment

    def run(self, *command, code=0):
        words = [str(word) for word in (sys.executable, *command)]
        done = subprocess.run(words, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        assert "hf_" not in done.stdout + done.stderr, "a token was printed"
        return done

    def hub_cards(self, *arguments, code=0):
        return self.run("-m", "hub_cards", *arguments, code=code)

    def python(self, source):
        return json.loads(self.run("-c", source).stdout)


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
