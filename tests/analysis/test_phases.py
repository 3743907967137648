import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.figures import PHASE_NAMES, draw_run, learning_curve
from analysis.phases import Phases, find_phases, slowdown
from command_line import UserError
from run_directory.records import Run, load_run
from tests.helpers.figures import check_readable, legend_texts


def curve(start, end, baseline=5.0, last=1000):
    """Falls to the baseline, stays, falls again; straight lines, so that crossings are known exactly."""
    return [0, start, end, last], [15.0, baseline, baseline, 0.0]


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(20, 400), st.integers(420, 900), st.floats(1.0, 10.0), st.sampled_from([5, 10, 20]))
def test_boundaries_are_found_within_an_evaluation_interval(start, end, baseline, interval):
    steps = np.arange(0, 1001, interval)
    knots = ([0, start, end, 1000], [3 * baseline, baseline, baseline, 0.0])
    phases = find_phases(steps, np.interp(steps, *knots), baseline)
    assert phases.plateau_start == pytest.approx(start - start * 0.05 / 2, abs=interval)
    assert phases.plateau_end == pytest.approx(end + (1000 - end) * 0.05, abs=interval)


def test_the_slowdown_is_exact_for_straight_lines():
    # On the plateau 0.5 nats in 400 steps; then 100 steps of a nat, then 200 of 3: there 0.5 nats take 33 steps.
    steps, losses = np.array([0, 100, 500, 600, 800]), np.array([15.0, 5.25, 4.75, 3.75, 0.75])
    assert slowdown(steps, losses, 5.0) == pytest.approx(400 / (0.5 / 3 * 200))
    for end in (5.0, 4.6, 4.3):  # on the plateau, just after it, not yet half a nat below
        assert slowdown(np.array([0, 100, 500, 600]), np.array([15.0, 5.25, 5.0, end]), 5.0) is None


@given(st.floats(1.0, 10.0), st.sampled_from([5, 10, 20]))
def test_a_loss_that_falls_evenly_has_no_slowdown(baseline, interval):
    steps = np.arange(0, 1001, interval)
    assert slowdown(steps, 3 * baseline * (1 - steps / 1000), baseline) == pytest.approx(1)


A, B = 200 * (15 - 5.25) / 10, 600 + 400 * 0.05  # where straight lines cross the plateau's edges


@pytest.mark.parametrize(
    ("steps", "losses", "expected"),
    [
        (*curve(200, 600), (A, B, B - A)),
        ([0, 100, 200, 300, 400, 500], [15.0, 5.0, 4.7, 5.0, 5.0, 1.0], (97.5, 406.25, 308.75)),  # a dip is not the end
        ([0, 100], [3.0, 1.0], (0, 0, 0)),  # it begins with knowledge
        ([0, 100, 200], [15.0, 5.0, 5.0], (97.5, None, None)),
        ([0, 100, 200], [15.0, 12.0, 8.0], (None, None, None)),
    ],
)
def test_boundaries_are_exact_or_none(steps, losses, expected):
    phases = find_phases(np.array(steps), np.array(losses), baseline=5.0)
    assert (phases.plateau_start, phases.plateau_end, phases.plateau_length) == pytest.approx(expected)


@pytest.fixture
def run(tmp_path):
    steps = range(0, 1001, 50)
    constant = {"loss": None, "no_knowledge_baseline": 5.0, "unseen_attribute_accuracy": 0.01}
    records = [
        {"step": step, "seen_attribute_loss": loss, "seen_attribute_accuracy": max(0.0, (step - 600) / 400),
         "unseen_attribute_loss": max(5.0, loss)} | constant
        for step, loss in zip(steps, np.interp(steps, *curve(200, 600)), strict=True)
    ]  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    return tmp_path


def test_figure_and_numbers_are_written_also_before_any_phase_is_over(run, capsys):
    draw_run(run)
    numbers = json.loads((run / "figures" / "phases.json").read_text())
    assert 150 < numbers["plateau_start"] < 200 < 600 < numbers["plateau_end"] < 650
    assert (run / "figures" / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"
    assert "plateau begins: step 1" in capsys.readouterr().out
    lines = (run / "metrics.jsonl").read_text().splitlines()
    for kept in (1, 8):
        (run / "metrics.jsonl").write_text("\n".join(lines[:kept]) + "\n")
        draw_run(run)


@pytest.mark.parametrize(("begins", "ends"), [(20, 60), (200, 600), (995, None), (None, None)])
def test_each_phase_is_named_above_its_band_and_no_name_covers_another(begins, ends):
    records = [{"step": s, "no_knowledge_baseline": 5.0, "seen_attribute_loss": 5.0, "seen_attribute_accuracy": 0.5}
               for s in (0, 1000)]  # fmt: skip
    figure = learning_curve(Run(None, {"seed": 3}, records), Phases(begins, ends))
    check_readable(figure)
    names = [text for text in figure.axes[0].texts if text.get_text() in PHASE_NAMES]
    assert [text.get_text() for text in names] == list(PHASE_NAMES[: 1 + (begins is not None) + (ends is not None)])
    edges = [0, *filter(None, (begins, ends)), 1000]
    for text, left, right in zip(names, edges[:-1], edges[1:], strict=True):
        assert left < text.get_position()[0] < right
    upright = [text.get_window_extent() for text in names if not text.get_rotation()]
    assert all(one.x1 < other.x0 for one, other in pairwise(upright))
    assert legend_texts(figure)[-1] == "one run, seed 3"


def test_a_metric_is_read_between_two_records_and_a_line_that_is_still_being_written_left_out(run):
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1010, "lo')
    found = load_run(run)
    steps, losses = found.curve("seen_attribute_loss")
    assert found.at("seen_attribute_loss", (steps[1] + steps[2]) / 2) == pytest.approx((losses[1] + losses[2]) / 2)
    assert [record["step"] for record in found.records] == list(range(0, 1001, 50))
    assert [len(column) for column in found.curve("loss")] == [0, 0]  # null all along


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl"])
def test_no_run_or_one_without_evaluation_is_one_clear_line(run, name):
    (run / "metrics.jsonl").write_text('{"step": 10, "loss": 3.0}\n')
    with pytest.raises(UserError, match="no evaluation"):
        load_run(run)
    (run / name).unlink()
    with pytest.raises(UserError, match="is no run: it needs config.yaml and metrics.jsonl"):
        load_run(run)
