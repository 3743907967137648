"""The learning curve as text, at the end of a command."""

import io
import sys

import pytest

from analysis.phases import phases_of
from analysis.terminal import picture
from tests.helpers.runs import a_run

LOSSES = (9.0, 5.1, 5.0, 4.9, 4.8, 2.0, 0.0)


def drawn(monkeypatch, encoding, width=60, losses=LOSSES, **config):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    run = a_run("uniform", 0, losses, **config)
    return picture(run, None if run.finetune_group else phases_of(run), width).splitlines()


def test_loss_falls_accuracy_rises_and_phases_begin_where_they_do(monkeypatch):
    title, *loss, seen, phase, step = drawn(monkeypatch, "utf-8")
    assert title.endswith("(baseline 5.00), and accuracy")
    assert loss[0].startswith("      9.0 █")
    heights = [sum("▁▂▃▄▅▆▇█".find(row.ljust(55)[column]) + 1 for row in loss) for column in range(10, 55)]
    assert heights == sorted(heights, reverse=True)
    assert (heights[0], heights[-1]) == (40, 0)
    assert seen.endswith("█ 100%")
    assert phase.index("|1 statistics") == 10
    run = a_run("uniform", 0, LOSSES)
    begins = phases_of(run).plateau_start
    column = phase.index("|2") - 10
    steps = [600 ** (place / 44) for place in range(45)]
    assert steps[column - 1] < begins <= steps[column]
    assert step.split() == ["step", "|1", "|10", "|100"]
    assert step.index("|10") - 10 == next(place for place, at in enumerate(steps) if at >= 10)


def test_a_terminal_without_blocks_gets_ascii(monkeypatch):
    lines = drawn(monkeypatch, "ascii")
    assert "\n".join(lines).isascii()
    assert "#" in lines[1]
    assert any(letter in "█▁" for letter in "".join(drawn(monkeypatch, "utf-8")))


@pytest.mark.parametrize("width", [1, 30, 60, 500])
def test_it_is_as_wide_as_the_terminal_within_reason(monkeypatch, width):
    _, *lines = drawn(monkeypatch, "utf-8", width)
    assert max(map(len, lines)) == 15 + max(20, min(width - 15, 90))


def test_a_finetuning_has_no_phases_and_a_run_of_one_evaluation_is_drawn(monkeypatch):
    tuned = drawn(monkeypatch, "utf-8", individuals_finetune="seen")
    assert not any("phase" in line for line in tuned)
    assert drawn(monkeypatch, "utf-8", losses=(9.0,))[-1].split() == ["step", "|1"]


def test_names_that_have_no_room_are_cut_to_their_number(monkeypatch):
    phase, step = drawn(monkeypatch, "utf-8", 30, losses=(9.0, 5.0, 1.0))[-2:]
    assert phase.split() == ["phase", "|1", "statistics", "|3"]
    assert step.split() == ["step", "|1", "|10", "|"]
