"""The plan of the house (CONTRIBUTING.md): who may import whom, and who may spell the files of a run."""

import ast
import re
from pathlib import Path

import pytest

from run_directory import layout

ROOT = Path(__file__).parents[1]
# From the ground up. A room imports from floors below its own, never from beside or above it.
FLOORS = [
    {"habits"},
    {"command_line"},
    {"settings"},
    {"run_directory"},
    {"data_builder", "modeling", "analysis"},
    {"training", "evaluation"},
    {"hub_cards", "sweeps", "explorer"},
    {"pipeline"},
    {"run_pretrain"},
    {"run_finetune", "run_patching"},
    {"experiments", "benchmarks"},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def files():
    found = [path.relative_to(ROOT) for path in ROOT.glob("*.py")]
    return sorted(found + [p.relative_to(ROOT) for room in LEVEL for p in (ROOT / room).rglob("*.py")])


def room_of(path):
    return path.parts[0].removesuffix(".py")


def imports_of(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        yield from (name.split(".")[0] for name in names)


def arrows():
    pairs = {(room_of(path), name) for path in files() for name in imports_of(path)}
    return sorted((a, b) for a, b in pairs if b in LEVEL and a != b)


def test_every_room_has_a_floor():
    assert {room_of(path) for path in files()} == LEVEL.keys()


@pytest.mark.parametrize(("room", "imported"), arrows())
def test_no_arrow_runs_back_up_or_to_a_neighbour(room, imported):
    assert LEVEL[imported] < LEVEL[room]


def test_contributing_shows_the_plan():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.search(r" *```\n(.*?)```", page[page.index("from the ground up") :], re.DOTALL)[1]
    lines = [line.split("#")[0].split() for line in shown.splitlines() if line.strip()]
    assert [set(line) for line in lines] == [set(map(str, rooms)) for rooms in FLOORS]


NAMES = [layout.CONFIG, layout.METRICS, layout.WEIGHTS, layout.CHECKPOINT, layout.MANIFEST, layout.OPTIMIZERS]
NAMES += [layout.ADAPTER, layout.PROGRESS, layout.PHASES, layout.LEARNING_CURVE, *(f"{n}.json" for n in layout.REPORTS)]


@pytest.mark.parametrize(
    "path", [path for path in files() if path.parts[:2] != ("run_directory", "layout.py")], ids=str
)
def test_only_one_module_spells_the_files_of_a_run(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    documented = {
        ast.get_docstring(n, clean=False)
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Module)
    }
    for text in texts - documented:
        assert not [name for name in NAMES if text == name or text.endswith(f"/{name}")], text
