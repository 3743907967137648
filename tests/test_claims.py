"""Claims are computed, and the README shows those of today."""

import json
import shutil
from pathlib import Path

import pytest
from scipy import stats

import experiments.__main__ as command
from command_line import UserError
from experiments.claims import claims_table, is_up_to_date, update_readme
from experiments.results import claim, differences, verdict, write_claims

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted(path.parents[1] for path in (ROOT / "experiments").glob("*/results/claims.json"))


def test_the_readme_is_up_to_date():
    assert is_up_to_date(), "run: python -m experiments claims"


@pytest.mark.parametrize("folder", EXPERIMENTS, ids=lambda path: path.name)
def test_claims_follow_from_the_results(folder, tmp_path):
    assert {"README.md", "sweep.yaml", "plot.py"} <= {path.name for path in folder.iterdir()}
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "results" / "claims.json").unlink()
    command.main(["plot", str(tmp_path / "copy")])
    copied, kept = (json.loads((path / "results/claims.json").read_text()) for path in (tmp_path / "copy", folder))
    assert copied == kept
    for one in kept:
        assert one.keys() == {"id", "claim", "scale", "value", "interval", "unit", "seeds", "holds", "paper"}
        assert one["seeds"] >= 3


def test_a_claim_is_the_mean_and_students_interval():
    gained = differences({0: 3.0, 1: 5.0, 2: 9.0, 3: 1.0}, {0: 1.0, 1: 1.0, 2: 1.0})
    assert gained == {0: 2.0, 1: 4.0, 2: 8.0}
    one = claim("id", "text", gained, "points", True)
    assert one["value"] == pytest.approx(14 / 3)
    assert one["interval"] == pytest.approx(stats.t.interval(0.95, 2, 14 / 3, stats.sem([2, 4, 8])))
    assert (one["seeds"], one["holds"], one["paper"], one["scale"]) == (3, True, None, "cpu")
    assert claim("id", "text", [1.0], "points", None)["interval"] is None


def test_a_verdict_needs_an_interval_beside_zero():
    assert [verdict(0.1, 2.0), verdict(-2.0, -0.1), verdict(-1.0, 1.0)] == [True, False, None]


def test_the_table_is_put_between_the_markers(tmp_path):
    readme, mine = tmp_path / "README.md", tmp_path / "experiments" / "mine"
    write_claims(mine, [claim("x", "more", [1.0, 2.0, 3.0], "points", None, paper="5 points")])
    readme.write_text("before\n<!-- claims -->\nold\n<!-- /claims -->\nafter\n")
    update_readme(readme, tmp_path / "experiments")
    once = readme.read_text()
    assert "| [mine](experiments/mine/README.md) | more | cpu | 2 [-0.484, 4.48] points | 5 points | 3 |" in once
    assert once.startswith("before\n<!-- claims -->\n|")
    assert once.endswith("\n<!-- /claims -->\nafter\n")
    update_readme(readme, tmp_path / "experiments")
    assert readme.read_text() == once
    assert claims_table(tmp_path / "experiments") in once


def test_a_readme_without_markers_is_one_line(tmp_path):
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(UserError, match="needs the lines <!-- claims -->"):
        update_readme(tmp_path / "README.md", tmp_path)
