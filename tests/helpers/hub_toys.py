"""A user of the loopback Hub, in this process or in one of their own."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

import command_line
import hub_cards.__main__ as hub_cards
from tests.helpers.hub_server import HubServer, client_environment

ROOT = Path(__file__).parents[2]


class Client:
    """Runs commands as a user of a Hub would, with a fresh home; `call` in this process, `run` in another."""

    def __init__(self, hub, home, token="hf_write", **environment):
        self.hub, self.home = hub, home
        self.environment = client_environment(hub, home, token) | environment

    def run(self, *command, code=0):
        words = [str(word) for word in (sys.executable, *command)]
        done = subprocess.run(words, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
        return checked(done, code)

    def python(self, source):
        return json.loads(self.run("-c", source).stdout)

    def call(self, main, *words, code=0):
        url, files = self.environment["HF_ENDPOINT"], "/{repo_id}/resolve/{revision}/{filename}"
        client = {"ENDPOINT": url, "HUGGINGFACE_CO_URL_TEMPLATE": url + files, "HF_HUB_CACHE": str(self.home / "hub")}
        client |= {"HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True, "HF_HUB_DISABLE_TELEMETRY": True}
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
            for name, value in client.items():
                patch.setattr(constants, name, value)
            patch.setitem(os.environ, "HF_TOKEN", self.environment["HF_TOKEN"])
            patch.setattr(sys, "argv", ["main", *map(str, words)])
            with redirect_stderr(io.StringIO()) as err:
                try:
                    end = command_line.run(main) or 0
                except SystemExit as stopped:
                    end = stopped.code
        return checked(SimpleNamespace(returncode=end, stdout=out.getvalue(), stderr=err.getvalue()), code)

    def hub_cards(self, *arguments, code=0):
        return self.call(hub_cards.main, *arguments, code=code)


def checked(done, code):
    assert done.returncode == code, done.stdout + done.stderr
    assert "hf_" not in done.stdout + done.stderr, "a token was printed"
    return done


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server
