"""What the README, experiments/CLAIMS.md and the forest plot say is what the results say."""

import math

import pytest
import yaml
from matplotlib import pyplot as plt

import sweeps.__main__ as command
from command_line import UserError
from sweeps import findings
from sweeps.claims import Claim, judge, write_findings
from sweeps.claims_page import claims_page, claims_table, measured, seeds, verdict_text
from sweeps.findings import EXPERIMENTS, PAGE, Row, find_experiments, findings_tables, forest, load_rows, updated
from sweeps.sweep import ROOT
from tests.helpers.figures import check_readable

AGAIN = "run: python -m sweeps claims"


def found(values, expect="above 0", worlds=None, **others):
    texts = {"id": "x", "figure": "Fig. 2 left", "statement": "It is so.", "quantity": "a - b", "unit": "points"}
    claim = Claim(**(texts | others), expect=expect, smallest=None if expect.startswith("between") else 5.0)
    return judge([claim], {claim.id: values}, worlds or {seed: seed for seed in values})[0]


def store(folder, stated):
    """What an experiment states, and what its results decide."""
    keys = ("id", "figure", "statement", "quantity", "unit", "expect", "smallest")
    (folder / "claims.yaml").write_text(yaml.safe_dump([{key: getattr(f.claim, key) for key in keys} for f in stated]))
    write_findings(folder, stated)


def test_the_page_of_claims_is_up_to_date():
    assert (EXPERIMENTS / PAGE).read_text(encoding="utf-8") == claims_page(find_experiments()), AGAIN


def test_the_readme_is_up_to_date():
    readme = ROOT / "README.md"
    assert readme.read_text(encoding="utf-8") == updated(readme, load_rows()), AGAIN


def test_every_figure_of_the_paper_has_a_row():
    figures = {row.figure for row in load_rows()}
    assert {f"Fig. {n} {side}" for n in (2, 3, 5) for side in ("left", "middle", "right")} <= figures
    assert all(row.world != "–" for row in load_rows() if row.claim)


def test_words_for_a_finding():
    one = found({0: 10.0, 1: 12.0, 2: 11.0})
    assert (measured(one), seeds(one), verdict_text(one)) == ("11 [8.52, 13.5] points", "3", "as in the paper")
    assert verdict_text(found({0: 10.0, 1: 12.0, 2: 11.0}, figure="beyond")) == "as stated"
    assert measured(found({0: 60.0, 1: 62.0}, unit="%")) == "61% [48.3, 73.7]"
    assert seeds(found({0: 10.0, 1: 12.0, 2: None}, worlds={0: 5, 1: 5, 2: 5})) == "2 of 3, one world"
    assert seeds(found({0: None})) == "0 of 1"
    assert measured(found({0: None})) == "–"


def test_a_claim_that_does_not_stand_after_holm_is_marked():
    claims = [Claim(f"{n}", "Fig. 1", "s", "q", "above 0", smallest=0.1) for n in range(20)]
    values = {"0": {0: 1.0, 1: 2.0, 2: 1.5}} | {f"{n}": {0: 1.0, 1: -2.0, 2: 1.5} for n in range(1, 20)}
    first, *_ = judge(claims, values, {})
    assert first.p < 0.05 < first.p_holm
    assert verdict_text(first) == "as in the paper *"
    for kind in ("post hoc", "exploratory"):
        assert verdict_text(found({0: 10.0, 1: 12.0, 2: 11.0}, kind=kind)) == "as in the paper †"
        assert verdict_text(found({}, kind=kind)) == "not run"


def test_failures_come_first_and_cells_hold_no_bars(tmp_path):
    (tmp_path / "mine" / "results").mkdir(parents=True)
    stated = [found({0: 9.0, 1: 9.5}), found({0: -9.0, 1: -9.5}, id="y", statement="a|b")]
    store(tmp_path / "mine", stated)
    page = claims_page([tmp_path / "mine"])
    assert page.index("**otherwise**") < page.index("| as in the paper | Fig. 2 left: It is so.")
    assert "a&#124;b" in page
    assert "Fewer than 5 seeds" in page
    assert claims_table([]).count("\n") == 1


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    (tmp_path / "mine" / "results").mkdir(parents=True)
    store(tmp_path / "mine", [found({0: 10.0, 1: 12.0, 2: 11.0})])
    (tmp_path / "stated" / "results").mkdir(parents=True)
    store(tmp_path / "stated", [found({})])
    monkeypatch.setattr(findings, "EXPERIMENTS", tmp_path)
    return tmp_path


def test_a_row_tells_what_was_measured_or_that_nobody_has(experiment):
    rows = [
        Row("It is so", "Fig. 2 left", "mine/x", "{value} more", "tiny", "+9"),
        Row("All are", "Fig. C", "mine/*", "{value} settings"),
        Row("Who knows", "Fig. A"),
        Row("Mine", claim="mine/x"),
        Row("Nor this", "Fig. B", "stated/x"),
        Row("Nor that", "Fig. B", "stated/x"),
        Row("Not mine", claim="stated/x"),
    ]
    first, second, missing = findings_tables(rows).split("\n\n")
    one, many = first.splitlines()[2:]
    here, link = "11 [8.52, 13.5] points", "(experiments/mine/README.md)"
    assert one == f"| Fig. 2 left | It is so | +9 | {here} more | tiny | 3 | [as in the paper]{link} |"
    assert many == f"| Fig. C | All are | – | {here} settings | – | 3 | [as in the paper]{link} |"
    links = "Fig. A; [Fig. B](experiments/stated/README.md); [Not mine](experiments/stated/README.md)"
    assert missing == f"**Not run yet** (linked where it is stated): {links}.\n"
    assert second.splitlines()[2] == f"| Mine | {here} | – | 3 | [as in the paper]{link} |"
    with pytest.raises(UserError, match="there is no claim mine/z"):
        findings_tables([Row("It is so", "Fig. 2 left", "mine/z")])


def test_the_forest_has_every_seed_in_units_of_the_smallest_effect(experiment):
    figure = forest([Row("It is so", "Fig. 2 left", "mine/x")])
    check_readable(figure)
    (axes,) = figure.axes
    dots, interval, *_ = axes.lines
    assert dots.get_xdata() == pytest.approx([2, 2.4, 2.2])
    assert interval.get_xdata() == pytest.approx([8.516 / 5, 13.484 / 5], abs=1e-3)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["It is so  (Fig. 2 left)"]
    plt.close(figure)


def test_an_equivalence_is_drawn_from_the_middle_of_its_levels():
    assert findings._scaled(found({0: 1.0}, "between 0 and 4"), 4) == 1
    assert findings._scaled(found({0: 1.0}, "below 50"), 40) == 2
    assert math.isclose(findings._scaled(found({0: 1.0}, "between 0 and 4"), 2), 0, abs_tol=1e-9)


def test_the_tables_go_between_the_markers(experiment):
    page = experiment / "README.md"
    page.write_text("before\n<!-- findings -->\nold\n<!-- /findings -->\nafter\n")
    text = updated(page, [Row("It is so", "Fig. 2 left", "mine/x")])
    assert text.startswith("before\n<!-- findings -->\n| figure |")
    assert text.endswith("|\n<!-- /findings -->\nafter\n")
    page.write_text("nothing")
    with pytest.raises(UserError, match="needs the lines <!-- findings -->"):
        updated(page, [])


def test_claims_of_an_experiment_are_shown(experiment, capsys):
    command.main(["claims", str(experiment / "mine")])
    assert "| as in the paper | Fig. 2 left: It is so. *Measured: a - b.* | 11 [8.52, 13.5] points |" in (
        capsys.readouterr().out
    )


def test_what_is_shown_is_what_is_stated_today(experiment):
    (experiment / "mine" / "claims.yaml").write_text(yaml.safe_dump([]))
    with pytest.raises(UserError, match="mine states no claims"):
        command.main(["claims", str(experiment / "mine")])
    with pytest.raises(UserError, match="nowhere states no claims"):
        command.main(["claims", str(experiment / "nowhere")])
    store(experiment / "mine", [found({0: 1.0, 1: 2.0})])
    text = (experiment / "mine" / "claims.yaml").read_text()
    (experiment / "mine" / "claims.yaml").write_text(text.replace("smallest: 5.0", "smallest: 90.0"))
    with pytest.raises(UserError, match="claims.yaml is not what results/claims.json decides: python -m sweeps plot"):
        command.main(["claims", str(experiment / "mine")])
