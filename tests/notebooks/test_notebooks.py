"""The notebooks, cell by cell, on a run of the nano recipe. Cells are plain Python, so no Jupyter is needed."""

import ast
import json

import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from tests.helpers.pretraining import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(notebook, kind):
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def execute(code, names):
    """A cell; gives what it shows, the value of its last expression."""
    tree = ast.parse(code)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, code, "exec"), names)
    return last and eval(compile(last, code, "eval"), names)


def test_three_phases_draws_and_answers(finished, tmp_path, monkeypatch, capsys):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(finished)
    monkeypatch.chdir(tmp_path)
    names = {}
    shown = [execute(code, names) for code in cells(ROOT / "notebooks" / "three_phases.ipynb", "code")]
    plt.close("all")
    assert [type(value) for value in shown if value is not None] == [Figure] * 4
    printed = capsys.readouterr().out
    assert "runs/demo: 0.0% of the facts known after 20 steps" in printed
    assert "in the training data" in printed
    assert f"{names['name']} was born in" in printed


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(notebook):
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    assert {str(cell.get("outputs", [])) for cell in content["cells"]} == {"[]"}
    assert {cell.get("execution_count") for cell in content["cells"]} == {None}
