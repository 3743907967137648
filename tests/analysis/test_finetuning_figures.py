"""Figures of fine-tuning and hallucination show what was recorded."""

import numpy as np
import pytest

from analysis.drawing import GROUP_STYLES
from analysis.finetuning import finetuning_curves, frontier, trade_off
from analysis.hallucination import hallucination_figure
from analysis.statistics import SHARE, mean_interval
from run_directory.records import Run
from tests.helpers.figures import check_readable, legend_texts, lines

STEPS = (0, 1, 3, 10, 30, 100)


def tuned(path, shift=0.0, taught="new"):
    records = []
    for number, step in enumerate(STEPS):
        record = {"step": step, "no_knowledge_baseline": 5.0}
        for group, offset in (("seen", 1.0), (taught, 2.0), ("unseen", 3.0)):
            record |= {
                f"{group}_attribute_loss": offset + number + shift, f"{group}_attribute_accuracy": number / 10,
                f"{group}_top_probability": 0.5, f"{group}_entropy": 1.0, f"{group}_calibration_error": 0.1,
            }  # fmt: skip
        records.append(record | {"unseen_auroc_top_probability": 0.9, "unseen_auroc_entropy": 0.8})
    curve = {"coverage": [0.5, 1.0], "risk": [0.1 + shift / 10, 0.5], "area": 0.3}
    config = {"individuals_finetune": taught}
    return Run(path, config, records, hallucination={"risk_coverage": curve})


def test_curves_are_means_over_seeds_of_old_and_new(tmp_path):
    figure = finetuning_curves({"a": [tuned(tmp_path), tuned(tmp_path, 1.0)], "b": [tuned(tmp_path)]})
    old_loss, new_loss, old_accuracy, new_accuracy = figure.axes
    assert lines(old_loss)["a"] == (list(STEPS), [1.5, 2.5, 3.5, 4.5, 5.5, 6.5])
    assert lines(new_loss)["b"] == (list(STEPS), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    assert lines(new_accuracy)["a"][1] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert [axes.get_title(loc="left").split("  ")[1] for axes in figure.axes[:2]] == [
        "old people: loss", "new people: loss",
    ]  # fmt: skip
    assert legend_texts(figure) == [
        "a",
        "b",
        "no-knowledge baseline",
        "thick lines: mean of n = 1 to 2 seeds; thin lines: each seed",
    ]
    check_readable(figure)
    assert [tick.get_text() for tick in old_accuracy.get_xticklabels()] == ["0", "1", "10", "100"]


def test_the_trade_off_goes_to_the_end_and_the_frontier_has_a_point_for_each_method_and_a_curve_for_replay(tmp_path):
    (axes,) = trade_off({"a": [tuned(tmp_path, taught="rare")]}).axes
    assert lines(axes)["a"] == ([2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert [2.0, 1.0] in [line.get_xydata()[0].tolist() for line in axes.lines if line.get_marker() == "x"]
    assert axes.get_xlabel() == "attribute loss of rare people (nats)"
    points = {"lora": [(0.9, 0.3), (0.8, 0.4), (1.0, 0.2)], "other": [(0.5, 0.5), (0.5, 0.6), (0.5, 0.7)]}
    figure = frontier(points, {"replay": {"none": [(0.9, 0.1)], "1/2": [(0.7, 0.6), (0.5, 0.4)]}})
    (axes,) = figure.axes
    check_readable(figure)
    assert lines(axes)["replay"] == (pytest.approx([0.9, 0.6]), pytest.approx([0.1, 0.5]))
    lora = next(box for box in axes.containers if box.get_label() == "lora")
    assert [line.get_xydata().tolist() for line in lora.lines[:1]] == [[[pytest.approx(0.9), pytest.approx(0.3)]]]
    across = lora.lines[2][0].get_segments()[0]
    assert across[:, 0] == pytest.approx(mean_interval([0.9, 0.8, 1.0], SHARE)[1:])
    assert {text.get_text() for text in axes.texts} == {"none", "1/2"}


def test_risk_is_the_mean_over_runs(tmp_path):
    figure = hallucination_figure([tuned(tmp_path), tuned(tmp_path, 1.0)])
    assert figure.axes[5].lines[0].get_xydata().tolist() == [[0.5, pytest.approx(0.15)], [1.0, 0.5]]
    assert lines(figure.axes[0])["seen people"][1] == pytest.approx(np.arange(6) + 1.5)
    assert len(figure.axes) == 6
    check_readable(figure)


@pytest.mark.parametrize("taught", ["new", "rare"])
def test_confidence_is_shown_of_those_who_are_taught_too(tmp_path, taught):
    figure = hallucination_figure([tuned(tmp_path, taught=taught)])
    for axes in figure.axes[:4]:
        assert [name.split()[0] for name in lines(axes)][:3] == ["seen", "unseen", taught]
    assert lines(figure.axes[0])[GROUP_STYLES[taught]["label"]][1] == [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def test_the_long_names_of_a_frontier_leave_it_its_width():
    figure = frontier({f"{'a long name of a method ' * 4}{n}": [(0.1 * n, 0.5)] for n in range(9)})
    check_readable(figure)
    assert figure.axes[0].get_position().width > 0.85
    assert figure.axes[0].get_position().height * figure.get_figheight() > 3.5
