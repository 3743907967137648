"""Claims are stated in claims.yaml, measured from stored results, decided by their definition."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt

import sweeps.__main__ as command
from command_line import UserError
from sweeps.claims import (
    AS_STATED,
    DIRECTION,
    INCONCLUSIVE,
    NOT_RUN,
    OTHERWISE,
    Claim,
    decide,
    judge,
    load_claims,
    read_findings,
    write_findings,
)  # fmt: skip
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish, ratios

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.parent for path in (ROOT / "experiments").glob("*/results"))
WORLDS = {seed: seed for seed in range(9)}


def claim(expect="above 0", smallest=5.0, **others):
    texts = {"id": "x", "figure": "Fig. 2 left", "statement": "It is so.", "quantity": "a - b", "unit": "points"}
    return Claim(**(texts | others), expect=expect, smallest=None if expect.startswith("between") else smallest)


def rounded(path):
    """Claims without the last digits, in which processors differ."""
    return json.loads(path.read_text(), parse_float=lambda number: float(f"{float(number):.6g}"))


@pytest.mark.parametrize("folder", EXPERIMENTS, ids=lambda path: path.name)
def test_claims_follow_from_the_results(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.drawing.save", lambda figure, path, *others: plt.close(figure))  # takes longest
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


@pytest.mark.parametrize("folder", EXPERIMENTS, ids=lambda path: path.name)
def test_no_claim_is_made_twice_or_beyond_what_is_possible(folder):
    findings = read_findings(folder)
    assert [finding.claim for finding in findings] == load_claims(folder)
    measured = [tuple(sorted(f.values.items())) for f in findings if len(f.values) > 1]
    assert len(set(measured)) == len(measured)
    for finding in findings:
        low, high = finding.claim.bounds
        assert finding.value is None or low <= finding.value <= high
        if finding.interval:
            assert low <= finding.interval[0] < finding.interval[1] <= high
        assert finding.verdict == NOT_RUN or finding.values or finding.unreached


@pytest.mark.parametrize(
    ("expect", "interval", "verdict"),
    [
        ("above 0", (6, 9), AS_STATED),
        ("above 0", (5, 9), AS_STATED),
        ("above 0", (1, 9), DIRECTION),
        ("above 0", (1, 3), OTHERWISE),  # sure, and too small to be of interest
        ("above 0", (-1, 9), INCONCLUSIVE),
        ("above 0", (-3, 4), OTHERWISE),  # surely smaller than what is of interest
        ("above 0", (-9, -1), OTHERWISE),
        ("below 50", (20, 44), AS_STATED),
        ("below 50", (20, 49), DIRECTION),
        ("below 50", (20, 60), INCONCLUSIVE),
        ("below 50", (46, 60), OTHERWISE),
        ("between -10 and 10", (-9, 9), AS_STATED),
        ("between -10 and 10", (-9, 11), INCONCLUSIVE),
        ("between -10 and 10", (-20, 20), INCONCLUSIVE),
        ("between -10 and 10", (11, 20), OTHERWISE),
    ],
)
def test_a_verdict_is_that_of_the_definition(expect, interval, verdict):
    assert decide(claim(expect), *interval) == verdict


@given(st.floats(-30, 30), st.floats(0.1, 30), st.floats(0, 10), st.floats(-5, 5))
def test_below_is_above_in_the_mirror_and_levels_only_shift(low, width, smallest, level):
    above = decide(claim("above 0", smallest), low, low + width)
    assert decide(claim("below 0", smallest), -low - width, -low) == above
    level = round(level * 8) / 8  # exact, so that shifting rounds nothing away
    low, width, smallest = (round(8 * number) / 8 for number in (low, width, smallest))
    above = decide(claim("above 0", smallest), low, low + width)
    assert decide(claim(f"above {level}", smallest), low + level, low + width + level) == above


def test_a_finding_has_value_interval_seeds_worlds_and_p():
    (found,) = judge([claim()], {"x": {0: 10.0, 1: 12.0, 2: 11.0}}, {0: 7, 1: 7, 2: 8})
    assert (found.value, found.verdict, found.worlds, found.unreached) == (11, AS_STATED, 2, 0)
    assert found.interval == pytest.approx((8.516, 13.484), abs=1e-3)
    assert found.p == found.p_holm == pytest.approx(0.00274, abs=1e-5)  # scipy.stats.ttest_1samp([10, 12, 11], 0)


def test_a_seed_that_did_not_come_so_far_leaves_a_claim_open():
    (found,) = judge([claim()], {"x": {0: 10.0, 1: 12.0, 2: None}}, WORLDS)
    assert (found.verdict, found.unreached, len(found.values)) == (INCONCLUSIVE, 1, 2)
    (found,) = judge([claim()], {"x": {0: None}}, WORLDS)
    assert (found.verdict, found.value, found.unreached) == (INCONCLUSIVE, None, 1)
    (found,) = judge([claim()], {}, WORLDS)
    assert (found.verdict, found.p) == (NOT_RUN, None)
    for alike in ({0: 10.0}, {0: 10.0, 1: 10.0}):
        (found,) = judge([claim()], {"x": alike}, WORLDS)
        assert (found.value, found.verdict, found.interval) == (10, INCONCLUSIVE, None)


def test_equivalence_is_two_tests_and_all_that_was_tried_but_exploratory_claims_counts_for_holm():
    values = {seed: 0.1 * seed for seed in range(5)}
    claims = [claim("between -1 and 1", id="a"), claim("between -1 and 1", id="b", kind="exploratory"), claim(id="c")]
    a, b, c = judge(claims, {"a": values, "b": values, "c": {s: v + 20 for s, v in values.items()}}, WORLDS)
    assert (a.verdict, c.verdict) == (AS_STATED, AS_STATED)
    assert a.p == b.p < 0.001
    assert (a.p_holm, b.p_holm, c.p_holm) == (pytest.approx(a.p), None, pytest.approx(2 * c.p))
    claims.append(claim(id="d", kind="post hoc"))
    *_, c, d = judge(claims, {"a": values, "c": {s: v + 20 for s, v in values.items()}, "d": {0: None}}, WORLDS)
    assert (c.p_holm, d.p_holm) == (pytest.approx(3 * c.p), None)  # d was tried, in vain


def test_a_measure_beyond_what_is_possible_is_a_mistake():
    with pytest.raises(UserError, match="claim x is measured as 1.2, beyond its bounds"):
        judge([claim("above 0.5", 0.1, bounds=(0, 1))], {"x": {0: 0.9, 1: 1.2}}, WORLDS)


def test_what_is_measured_must_be_stated():
    with pytest.raises(UserError, match="claim y is measured, but not stated; put it into claims.yaml"):
        judge([claim()], {"y": {0: 1.0}}, WORLDS)


def test_findings_are_read_as_they_were_written(tmp_path):
    claims = [claim("above 1", bounds=(0.0, math.inf)), claim(id="y", paper=0.81)]
    findings = judge(claims, {"x": {0: 10.0, 1: 12.0}}, WORLDS)
    (tmp_path / "results").mkdir()
    write_findings(tmp_path, findings)
    assert read_findings(tmp_path) == findings
    with pytest.raises(UserError, match=r"there is no .*claims.json; python -m sweeps plot .*nothing writes it"):
        read_findings(tmp_path / "nothing")


STATED = {"id": "x", "figure": "beyond", "statement": "s", "quantity": "q", "expect": "above 0", "smallest": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"expect": "more"}, {"expect": "between 2 and 1"}, {"smallest": -1}, {"smallest": "some"}, {"kind": "sure"},
        {"bounds": [1, 0]}, {"bounds": 3}, {"holds": True}, {"id": None}, {"statement": None}, {"figure": 3},
        {"expect": 5}, {"expect": None}, {"expect": ["above 0"]}, {"expect": "above -inf"}, {"expect": "above nan"},
        {"expect": "between 0 and 1"}, {"smallest": None}, {"bounds": [0, 1]}, {"bounds": [float("-inf"), 1]},
        {"tuning": 3}, {"paper": ["a"]}, {"each": []}, {"each": "ab"},
    ],
)  # fmt: skip
def test_a_claim_that_is_not_understood_is_one_line(tmp_path, wrong):
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump([STATED, STATED | {"id": "y"} | wrong]))
    with pytest.raises(UserError, match="claims.yaml, claim 2: each needs id, figure, statement, quantity and expect"):
        load_claims(tmp_path)


def test_claims_of_a_kind_are_stated_once(tmp_path):
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump([STATED | {"id": "x-{each}", "each": ["a", 2]}]))
    assert [one.id for one in load_claims(tmp_path)] == ["x-a", "x-2"]
    for text, message in (("5", "is no list of claims"), ("- [", "is no YAML"), (b"\xff", "is no YAML")):
        (tmp_path / "claims.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(UserError, match=message):
            load_claims(tmp_path)
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump([STATED, STATED]))
    with pytest.raises(UserError, match="two claims have the id x"):
        load_claims(tmp_path)


def test_a_table_has_intervals_and_says_what_was_not_reached():
    groups = {"a": [Result("", "", seed, {}, None) for seed in (1, 3)], "b": [Result("", "", 0, {}, None)]}
    columns = {
        "seed": (lambda r: r.seed, "{:.1f}%"),
        "share": (lambda r: 90 + r.seed, "{:.1f}%", (0, 100)),
        "inverse": (lambda r: 1 / r.seed if r.seed else None, "{:.0f}"),
    }
    corner, _, a, b = interval_table("what", groups, columns).split("\n")
    assert corner == "| what | seed | share | inverse |"
    assert a.startswith("| a | 2.0% (-10.7% to 14.7%) | 92.0% (67.2% to 98.5%) | 1 (")
    assert b == "| b | 0.0% | 90.0% | 1 of 1 not reached |"


def test_each_seed_counts_once_and_what_is_missing_is_one_line(tmp_path):
    results = [Result(name, name[0], seed, {}, None) for name, seed in (("a-seed0", 0), ("a-seed1", 1), ("b-seed1", 1))]
    assert by_seed(results[:2], lambda result: 10 + result.seed) == {0: 10, 1: 11}
    assert differences({0: 3.0, 1: None, 2: 1.0}, {0: 1.0, 1: 1.0, 3: 1.0}) == {0: 2.0, 1: None}
    assert ratios({0: 3.0, 1: 1.0}, {0: 2.0, 1: None}) == {0: 1.5, 1: None}
    with pytest.raises(UserError, match="two results with seed 1, the second one is b-seed1"):
        by_seed(results, lambda result: 0)
    with pytest.raises(UserError, match="has no results yet: python -m sweeps run"):
        load_results(tmp_path)


def test_the_documented_plot_draws_and_claims(tmp_path):
    page = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (stated,) = re.findall(r"```yaml\n(- id: .*?)```", page, re.DOTALL)
    (tmp_path / "plot.py").write_text(example)
    (tmp_path / "claims.yaml").write_text(stated)
    (tmp_path / "results").mkdir()
    losses = [("adamw", seed, 3.0 + seed) for seed in (0, 1, 2)] + [("muon", seed, 2.0) for seed in (0, 1, 2)]
    lines = [
        {"name": f"{variant}-seed{seed}", "variant": variant, "seed": seed, "settings": {},
         "config": {"population_seed": 0}, "individuals": None,
         "records": {"step": [1], "no_knowledge_baseline": [3.3], "seen_attribute_loss": [loss],
                     "seen_attribute_accuracy": [0.1]}}
        for variant, seed, loss in losses
    ]  # fmt: skip
    (tmp_path / "results" / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command.main(["plot", str(tmp_path)])
    (one,) = read_findings(tmp_path)
    assert (one.value, one.values, one.worlds, one.verdict) == (2.0, {0: 1.0, 1: 2.0, 2: 3.0}, 1, INCONCLUSIVE)
    assert (tmp_path / "results" / "curves.png").exists()


def test_a_claim_that_was_not_measured_is_not_run(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump([STATED]))
    publish(tmp_path, {}, "", {})
    assert [finding.verdict for finding in read_findings(tmp_path)] == [NOT_RUN]
