"""Claims are computed, and the README shows those of today."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
from matplotlib import pyplot as plt
from scipy import stats

import sweeps.__main__ as command
from command_line import UserError
from sweeps.claims import claims_table, find_experiments, is_up_to_date, update_page
from sweeps.results import Result, by_seed, claim, differences, interval_table, load_results, publish, verdict

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.parent for path in (ROOT / "experiments").glob("*/results"))


def rounded(path):
    """Claims without the last digits, in which processors differ."""
    return json.loads(path.read_text(), parse_float=lambda number: float(f"{float(number):.6g}"))


@pytest.mark.parametrize("folder", EXPERIMENTS, ids=lambda path: path.name)
def test_claims_follow_from_the_results(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.drawing.save", lambda figure, path: plt.close(figure))  # drawing takes longest
    for name in ("README.md", "plot.py", "results/runs.jsonl", "results/claims.json"):
        assert (folder / name).is_file(), name
    assert (folder / "sweep.yaml").is_file() or (folder / "memory.py").is_file()  # what makes the results
    shutil.copytree(folder, tmp_path / "copy")
    for name in ("claims.json", "table.md"):
        (tmp_path / "copy" / "results" / name).unlink()
    command.main(["plot", str(tmp_path / "copy")])
    assert (tmp_path / "copy/results/table.md").read_text() == (folder / "results/table.md").read_text()
    copied, kept = (rounded(path / "results/claims.json") for path in (tmp_path / "copy", folder))
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
    given = claim("id", "text", [1.0, 2.0], "", False, 94.92, interval=(5, 4, 6), scale="paper")
    assert [given[key] for key in ("value", "interval", "seeds", "holds", "scale")] == [5, [4, 6], 2, False, "paper"]


def test_a_table_has_intervals_and_says_what_was_not_reached():
    groups = {"a": [Result("", "", seed, {}, None) for seed in (1, 3)], "b": [Result("", "", 0, {}, None)]}
    columns = {"seed": (lambda r: r.seed, "{:.1f}%"), "inverse": (lambda r: 1 / r.seed if r.seed else None, "{:.0f}")}
    corner, _, a, b = interval_table("what", groups, columns).split("\n")
    assert corner == "| what | seed | inverse |"
    assert a.startswith("| a | 2.0% (-10.7% to 14.7%) | 1 (")
    assert b == "| b | 0.0% | 1 of 1 not reached |"


def test_each_seed_counts_once_and_what_is_missing_is_one_line(tmp_path):
    results = [Result(name, name[0], seed, {}, None) for name, seed in (("a-seed0", 0), ("a-seed1", 1), ("b-seed1", 1))]
    assert by_seed(results[:2], lambda result: 10 + result.seed) == {0: 10, 1: 11}
    with pytest.raises(UserError, match="two results with seed 1, the second one is b-seed1"):
        by_seed(results, lambda result: 0)
    with pytest.raises(UserError, match="claim fig4: no seed has all the runs that it compares; finish the sweep"):
        claim("fig4", "text", differences({0: 1.0}, {1: 1.0}), "points", None)
    with pytest.raises(UserError, match="has no results yet: python -m sweeps run"):
        load_results(tmp_path)
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(UserError, match="needs the lines <!-- claims -->"):
        update_page(tmp_path / "README.md", [])


def test_the_documented_plot_draws_and_claims(tmp_path):
    page = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "plot.py").write_text(example)
    (tmp_path / "results").mkdir()
    losses = [("adamw", seed, 3.0 + seed) for seed in (0, 1, 2)] + [("muon", seed, 2.0) for seed in (0, 1, 2)]
    lines = [
        {"name": f"{variant}-seed{seed}", "variant": variant, "seed": seed, "settings": {}, "config": {},
         "individuals": None, "records": {"step": [1], "no_knowledge_baseline": [3.3], "seen_attribute_loss": [loss],
                                         "seen_attribute_accuracy": [0.1]}}
        for variant, seed, loss in losses
    ]  # fmt: skip
    (tmp_path / "results" / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command.main(["plot", str(tmp_path)])
    (one,) = json.loads((tmp_path / "results" / "claims.json").read_text())
    assert (one["value"], one["seeds"], one["holds"]) == (2.0, 3, None)
    assert (tmp_path / "results" / "curves.png").exists()


def test_the_readme_is_up_to_date():
    assert is_up_to_date(ROOT / "README.md", find_experiments()), "run: python -m sweeps claims --into README.md"


def test_a_verdict_needs_an_interval_beside_zero():
    intervals = [(0.1, 2.0), (-2.0, -0.1), (-1.0, 1.0), (0.0, 1.0), (math.nan, math.nan)]
    assert [verdict(*ends) for ends in intervals] == [True, False, None, None, None]
    assert [verdict(*ends, expected="negative") for ends in intervals] == [False, True, None, None, None]


def test_the_table_is_put_between_the_markers_where_it_is_asked_for(tmp_path, capsys):
    readme, mine = tmp_path / "README.md", tmp_path / "experiments" / "mine"
    publish(mine, {}, "", [claim("x", "more", [1.0, 2.0, 3.0], "points", None, paper="5 points")])
    readme.write_text("before\n<!-- claims -->\nold\n<!-- /claims -->\nafter\n")
    assert not is_up_to_date(readme, [mine])
    capsys.readouterr()
    command.main(["claims", str(mine)])  # shows, and writes nothing
    shown = capsys.readouterr().out
    assert not is_up_to_date(readme, [mine])
    command.main(["claims", str(mine), "--into", str(readme)])
    once = readme.read_text()
    assert "| [mine](experiments/mine/README.md) | more | cpu | 2 [-0.484, 4.48] points | 5 points | 3 |" in once
    assert once.startswith("before\n<!-- claims -->\n|")
    assert once.endswith("\n<!-- /claims -->\nafter\n")
    update_page(readme, [mine])
    assert readme.read_text() == once
    assert shown == claims_table([mine])
    assert shown in once
    assert is_up_to_date(readme, [mine])
    with pytest.raises(UserError, match=r"there is no .*nothing/results/claims.json; python -m sweeps plot writes it"):
        claims_table([tmp_path / "nothing"])


def test_the_table_has_a_row_for_each_claim(tmp_path):
    rows = [
        claim("x", "a|b", [123456.0], "steps", False, paper=128000.0),
        claim("y", "c", [0.01234] * 3, "", None, scale="paper"),
    ]
    publish(tmp_path / "second", {}, "", rows)
    publish(tmp_path / "first", {}, "", [claim("z", "d", [1.0, 2.0], "nats", True)])
    cells = [line.split(" | ") for line in claims_table([tmp_path / "first", tmp_path / "second"]).splitlines()[2:]]
    assert [row[1] for row in cells] == ["d", "a&#124;b", "c"]
    assert cells[1][2:] == ["cpu", "123,000 steps", "128,000", "1", "**no** |"]
    assert cells[2][2:] == ["paper", "0.0123 [0.0123, 0.0123]", "–", "3", "inconclusive |"]
