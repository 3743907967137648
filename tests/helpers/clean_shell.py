"""A shell as a stranger has it after the installation: a clone with its .venv, and nothing of ours in the environment.

Starting Python with torch and transformers takes seconds, of which a page's many commands would need minutes. So
the clone's `.venv/bin/python` hands what it is asked to run to a warm process, which forks for each command.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.helpers.hub_server import client_environment
from tests.helpers.pretraining import ROOT

WARM = Path(__file__).with_name("warm_python.py")
PATH = "/usr/local/bin:/usr/bin:/bin"
NOT_CLONED = (".*", "build", "data", "runs", "tests", "*.egg-info", "__pycache__")
_PYTHON = """#!{python} -IS
import json, os, socket, sys
warm = socket.socket(socket.AF_UNIX)
warm.connect({address!r})
asked = json.dumps({{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}})
socket.send_fds(warm, [asked.encode() + b"\\n"], [0, 1, 2])
sys.exit(int(warm.recv(16) or 1))
"""


class CleanShell:
    """Bash in a clone. Python runs in it once `source .venv/bin/activate` or `.venv/bin/` says where it is."""

    def __init__(self, clone: Path, environment: dict):
        self.clone, self.environment = clone, environment

    def run(self, script: str, timeout: float) -> subprocess.CompletedProcess:
        """Run lines in order, to the first that fails; what they print, with each line after a +, is in `stdout`."""
        words = ["bash", "--noprofile", "--norc", "-xeo", "pipefail", "-c", script]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.run(words, cwd=self.clone, env=self.environment, timeout=timeout, check=False, **streams)


@contextlib.contextmanager
def clean_shell(folder: Path, hub, token: str):
    """A shell in a clone in a folder, whose Hub is that of the tests, where `hf auth login` gave a token."""
    clone, home, socket = folder / "clone", folder / "home", tempfile.mkdtemp(prefix="warm-")
    shutil.copytree(ROOT, clone, ignore=lambda at, names: ignored(Path(at), names))
    home.mkdir()
    install(clone / ".venv", address := f"{socket}/python")
    of_hub = {name: value for name, value in client_environment(hub, home, token).items() if name not in os.environ}
    environment = of_hub | {"HOME": str(home), "PATH": PATH, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, WARM, address, clone / ".venv" / "bin" / "python"]
    warm = subprocess.Popen(command, cwd=clone, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert warm.stdout.readline() == "warm\n"
        yield CleanShell(clone, environment)
    finally:
        warm.kill()
        warm.communicate()
        shutil.rmtree(socket)


def ignored(folder: Path, names: list[str]) -> set[str]:
    """What git does not have of a folder, and the tests."""
    return set(shutil.ignore_patterns(*(NOT_CLONED if folder == ROOT else ("__pycache__",)))(folder, names))


def install(venv: Path, address: str) -> None:
    """Make a .venv as `make` leaves it, whose programs all run in the warm process."""
    real, mine = Path(sys.prefix), venv / "bin"
    mine.mkdir(parents=True)
    (mine / "python").write_text(_PYTHON.format(python=sys.executable, address=address))
    for program in (real / "bin").iterdir():
        if program.is_file() and not program.name.startswith("python") and program.stat().st_size < 10_000:
            text = program.read_text(encoding="utf-8")
            for path in (real, real.resolve()):
                text = text.replace(str(path), str(venv))
            (mine / program.name).write_text(text, encoding="utf-8")
    for program in mine.iterdir():
        program.chmod(0o755)
    (venv / "installed").touch()
