"""Groups that are learned in turn, on a record whose answer is known, and on a real run."""

import numpy as np
import pytest

from analysis.sequential import sequential_summary, steps_to_half, visits_of
from command_line import UserError
from data_builder.schedules import Plan, build_schedule
from run_directory.records import Run
from settings.schedule import ScheduleSettings
from tests.helpers.pretraining import pretrain


def record(step, drawn, *accuracies):
    groups = {f"group{n}_attribute_accuracy": a for n, a in enumerate(accuracies, 1)}
    groups |= {f"group{n}_attribute_loss": 1 - a for n, a in enumerate(accuracies, 1)}
    return {"step": step, "seen_attribute_loss": 1.0, "train_attribute_loss": 1.0, "drawn_group": drawn} | groups


@pytest.fixture
def run(tmp_path):
    """Three groups, the first visited twice: 0-10 group 1, 10-20 group 2, 20-30 group 3, 30-40 group 1."""
    return Run(tmp_path, {}, [
        record(0, 1, 0.1, 0.1, 0.1), record(5, 1, 0.4, 0.1, 0.1), record(10, 2, 0.8, 0.2, 0.1),
        record(20, 3, 0.3, 0.9, 0.4), {"step": 25, "loss": 1.0, "drawn_group": 3}, record(30, 1, 0.2, 0.5, 1.0),
        record(40, 1, 0.9, 0.3, 0.6),
    ])  # fmt: skip


def test_the_matrix_is_what_was_known_where_a_visit_ended(run):
    visits = visits_of(run)
    assert visits.drawn.tolist() == [0, 1, 2, 0]
    assert visits.begins.tolist() == [0, 10, 20, 30]
    assert visits.ends.tolist() == [10, 20, 30, 40]
    assert visits.accuracy.tolist() == [[0.8, 0.2, 0.1], [0.3, 0.9, 0.4], [0.2, 0.5, 1.0], [0.9, 0.3, 0.6]]
    np.testing.assert_allclose(visits.loss, 1 - visits.accuracy)
    assert visits.learned() == pytest.approx((0.8 + 0.9 + 1.0 + 0.9) / 4)
    assert visits.backward_transfer() == pytest.approx(((0.3 - 0.9) + (0.6 - 1.0)) / 2)
    assert visits.forward_transfer() == pytest.approx(((0.2 - 0.1) + (0.4 - 0.1)) / 2)
    assert "backward transfer -50.0 points, forward transfer +20.0" in sequential_summary(visits)


def test_plasticity_is_the_way_to_half_in_the_first_visit(run):
    visits = visits_of(run)
    # Group 1 goes from 0.4 at step 5 to 0.8 at 10; group 2 from 0.2 to 0.9 in ten steps, group 3 from 0.4 to 1.
    assert steps_to_half(run, visits) == pytest.approx([5 + 5 * 0.25, 10 * 0.3 / 0.7, 10 * 0.1 / 0.6])
    low = [r | {"group2_attribute_accuracy": 0.2} if "group2_attribute_loss" in r else r for r in run.records]
    assert steps_to_half(Run(run.path, {}, low), visits)[1] is None


def test_other_runs_have_no_visits(run):
    for begin in ("drawn_group", "group"):
        without = [{key: value for key, value in r.items() if not key.startswith(begin)} for r in run.records]
        assert visits_of(Run(run.path, {}, without)) is None


@pytest.mark.parametrize(("n_groups", "n_repeats", "max_steps"), [(4, 1, 20), (3, 2, 20), (5, 3, 17), (1, 1, 9)])
def test_turns_are_where_the_group_changes(n_groups, n_repeats, max_steps):
    settings = ScheduleSettings(schedule="sequential", n_groups=n_groups, n_repeats=n_repeats)
    schedule = build_schedule(Plan(range(10, 50), settings, max_steps))
    drawn = [schedule.groups(step)[0][0] for step in range(max_steps)]
    assert schedule.turns() == [step for step in range(1, max_steps) if drawn[step] != drawn[step - 1]]
    assert [*schedule.parts().values()] == sorted({*drawn}, key=lambda people: people.start)
    numbers = [schedule.metrics(step)["drawn_group"] for step in range(max_steps)]
    assert [schedule.parts()[f"group{number}"] for number in numbers] == drawn


def test_a_real_run_measures_each_group_at_the_end_of_its_turn(tmp_path):
    options = ("--schedule", "sequential", "--n_groups", 3, "--eval_groups", True, "--eval_steps", 100)
    run = pretrain(tmp_path / "run", *options, draw_figures=True)
    visits = visits_of(run)
    assert visits.drawn.tolist() == [0, 1, 2]
    assert visits.ends.tolist() == [7, 14, 20]
    assert (tmp_path / "run" / "figures" / "groups.png").exists()
    without = pretrain(tmp_path / "without", *options[:4], "--eval_steps", 100)
    last = {key: value for key, value in run.records[-1].items() if key.startswith(("seen", "unseen", "layer"))}
    assert {key: without.records[-1][key] for key in last} == last  # measuring changes nothing


def test_a_schedule_without_groups_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="schedule uniform has no groups that could be measured apart; leave out"):
        pretrain(tmp_path / "run", "--eval_groups", True)
    assert not (tmp_path / "run").exists()


def test_a_part_without_anybody_is_not_measured(tmp_path):
    everybody = ("--schedule", "celebrities", "--n_celebrities", 64, "--eval_groups", True, "--max_steps", 4)
    assert "others_attribute_loss" not in pretrain(tmp_path / "run", *everybody).records[-1]


def test_figures_of_groups_are_the_runs_own_and_may_be_written_anew(tmp_path):
    options = ("--schedule", "sequential", "--n_groups", 2, "--eval_groups", True, "--max_steps", 4)
    for further in ((), ("--overwrite_output_dir", True)):
        pretrain(tmp_path / "run", *options, *further, draw_figures=True)
    (tmp_path / "run" / "figures" / "mine.png").touch()
    with pytest.raises(UserError, match="mine.png"):
        pretrain(tmp_path / "run", *options, "--overwrite_output_dir", True)
