"""Runs side by side: means, tables, figures."""

import math
from pathlib import Path

import pytest
from scipy import stats

import analysis.__main__ as command
from analysis.compare import compare_curves, compare_individuals, compare_table
from analysis.curves import check_metrics
from analysis.drawing import style
from analysis.grouping import grouped
from analysis.statistics import mean_interval
from command_line import UserError
from tests.helpers.figures import check_readable, legend_texts, lines
from tests.helpers.runs import BASELINE, a_run, write

ALL = ("png", "svg")
PEOPLE = {"individual": list(range(16)), "times_drawn": [1] * 8 + [50] * 8, "attribute_accuracy": [0] * 8 + [1] * 8}


@pytest.fixture
def runs():
    uniform = [a_run("uniform", seed, (9.0, 5.0, 4.0 + seed / 10), PEOPLE) for seed in (0, 1)]
    return [*uniform, a_run("warm_up", 0), a_run("warm_up", 1)]


def test_curves_are_means_over_seeds_with_each_of_them(runs):
    figure = compare_curves(grouped(runs))
    loss, accuracy = figure.axes
    steps, mean = lines(loss)["uniform"]
    assert (steps, mean) == ([0, 100, 200], pytest.approx([9.0, 5.0, 4.05]))
    seeds = [line.get_ydata().tolist() for line in loss.lines if line.get_label().startswith("_")]
    assert [9.0, 5.0, 4.0] in seeds
    assert [9.0, 5.0, 4.1] in seeds
    assert len(seeds) == 4
    assert not loss.collections  # one thing is drawn, and said:
    assert legend_texts(figure)[-1] == "thick lines: mean of n = 2 seeds; thin lines: each seed"
    assert lines(loss)["no-knowledge baseline"][1] == [BASELINE, BASELINE]
    assert "attribute accuracy" in accuracy.get_title(loc="left")
    check_readable(figure)


def test_of_steps_that_only_some_have_nothing_is_drawn(runs):
    longer = a_run("uniform", 2, (9.0, 5.0, 4.0, 3.0))
    assert lines(compare_curves({"uniform": [runs[0], longer]}).axes[0])["uniform"][0] == [0, 100, 200]


@pytest.mark.parametrize(
    ("x", "places", "label"),
    [
        ("steps", [0, 100, 200], "training step"),
        ("tokens", [0, 5000, 10000], "tokens learned from"),
        ("exposures", [0, 5, 10], "exposures: biographies read / individuals"),
        ("seconds", [0, 2, 4], "seconds of training, without evaluations"),
    ],
)
def test_metrics_are_drawn_over_what_was_asked_for(runs, x, places, label):
    metrics = ["seen_attribute_accuracy", "seen_attribute_loss", "tokens"]
    figure = compare_curves(grouped(runs), metrics, x)
    assert len(figure.axes) == 3
    assert lines(figure.axes[0])["warm_up"] == (places, pytest.approx([0.1, 0.5, 0.9]))
    assert {axes.get_xlabel() for axes in figure.axes} == {label}
    assert [axes.get_title(loc="left").split("$")[-1].strip() for axes in figure.axes] == [
        "attribute accuracy", "attribute loss (nats)", "tokens",
    ]  # fmt: skip


def test_a_place_is_the_mean_of_those_of_the_seeds(runs):
    slower = a_run("warm_up", 1)
    slower.records[:] = [record | {"seconds": 5.0 * record["seconds"]} for record in slower.records]
    axes = compare_curves({"warm_up": [runs[2], slower]}, x="seconds").axes[0]
    assert lines(axes)["warm_up"][0] == [0, 8, 16]
    assert [line.get_xdata().tolist() for line in axes.lines[1:3]] == [[0, 2, 4], [0, 14, 28]]


@pytest.mark.parametrize("losses", [(13.0,), (13.0, 12.5), (13.0, 12.8, 12.7)])
def test_of_a_run_that_has_hardly_begun_everything_is_seen(losses):
    figure = compare_curves({"short": [a_run("uniform", 0, losses)], "long": [a_run("uniform", 1)]})
    for axes, values in zip(figure.axes, (losses, [1 - loss / 10 for loss in losses]), strict=True):
        low, high = axes.get_ylim()
        _, y = lines(axes)["short"]
        assert y == pytest.approx(values)
        if axes is figure.axes[0]:
            assert low < min(values) <= max(values) < high
    (line,) = (line for line in figure.axes[0].lines if line.get_label() == "short")
    assert (line.get_marker() == "o") == (len(losses) < 3)


def test_groups_of_other_worlds_have_baselines_of_their_own(runs):
    other = a_run("uniform", 5)
    other.records[:] = [record | {"no_knowledge_baseline": 3.0} for record in other.records]
    figure = compare_curves({"small": [other], "large": runs[:2], "again": runs[2:]})
    assert {"no-knowledge baseline of small", "no-knowledge baseline of large, again"} < set(legend_texts(figure))


LONG = "a label that goes on and on: " + "learning_rate 0.0016, weight_decay 0.1, " * 6


@pytest.mark.parametrize("labels", [["a", "b"], [LONG * 3, "W" * 120]])
def test_no_legend_is_cut_off(runs, labels):
    figure = compare_curves(grouped(runs, labels))
    texts = legend_texts(figure)
    assert ["".join(text.split()) for text in texts[:2]] == ["".join(label.split()) for label in labels]
    check_readable(figure)
    heights = {round(axes.get_position().height * figure.get_figheight(), 1) for axes in figure.axes}
    assert min(heights) > 2  # inches; however long they are
    check_readable(compare_individuals(grouped(runs, labels)))


def test_individuals_are_averaged_in_bins_of_equal_size():
    assert len({tuple(style(number).items()) for number in range(21)}) == 21  # many groups can be told apart
    (axes,) = compare_individuals({"uniform": [a_run("uniform", 0, individuals=PEOPLE)]}, n_bins=2).axes
    (mark,) = (box.lines[0] for box in axes.containers)
    assert mark.get_xydata().tolist() == [[1, 0], [50, 1]]
    fewer = PEOPLE | {"attribute_accuracy": [0] * 8 + [0.8] * 8}
    two = [a_run("uniform", seed, individuals=people) for seed, people in enumerate((PEOPLE, fewer))]
    figure = compare_individuals({"uniform": two}, n_bins=2)
    ((_, last),) = (box.lines[2][0].get_segments() for box in figure.axes[0].containers)
    assert 0 <= last[0, 1] < last[1, 1] <= 1  # the interval ends where accuracy does
    assert legend_texts(figure)[-1].endswith("mean and 95% interval of n = 2 seeds")


def test_the_table_has_means_and_intervals(runs):
    rows = compare_table(grouped(runs)).splitlines()
    assert rows[2].startswith("| uniform | 2 |")
    mean, low, high = mean_interval([4.0, 4.1])
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 1, loc=mean, scale=stats.sem([4.0, 4.1])))
    assert [math.isnan(value) for value in mean_interval([3.0])] == [False, True, True]
    assert f"{mean:.3f} ({low:.3f} to {high:.3f})" in rows[2]
    flat = compare_table({"flat": [a_run("uniform", 0, (9.0, 5.0, 5.0)), runs[0]]})
    assert "1 of 2 not reached" in flat


def test_the_command_writes_figures_and_tables(runs, tmp_path, capsys):
    paths = [write(run, tmp_path / "runs") for run in runs]
    command.main(["compare", *paths, "--output_dir", str(tmp_path / "figures"), "--also", "svg"])
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "table.md", "table.tex", *(f"{name}.{form}" for name in ("learning_curves", "individuals") for form in ALL),
    }  # fmt: skip
    table = (tmp_path / "figures" / "table.md").read_text().strip()
    assert table in capsys.readouterr().out
    assert table.splitlines()[3].endswith("| schedule warm_up |")
    with pytest.raises(UserError, match="at least two runs"):
        command.main(["compare", paths[0]])


def test_the_command_takes_labels_metrics_and_an_x_axis_or_says_what_is_wrong(runs, tmp_path, capsys):
    paths = [write(run, tmp_path / "runs") for run in runs]
    argv = ["compare", *paths, "--output_dir", str(tmp_path / "out")]
    command.main([*argv, "--labels", "50% of_it", "all", "--x", "seconds", "--metric", "tokens", "seen_attribute_loss"])
    header, _, first, _ = (tmp_path / "out" / "table.md").read_text().splitlines()
    assert header == "| runs | seeds | plateau ends (step) | tokens | attribute loss (nats) | what differs |"
    assert first.startswith("| 50% of_it | 2 |")
    assert r"50\% of\_it & 2 & " in (tmp_path / "out" / "table.tex").read_text()
    for more, message in (
        (["--metric", "seen_attribute_los"], "unknown metric 'seen_attribute_los'; the nearest known one"),
        (["--metric", "nothing"], "unknown metric 'nothing'; docs/METRICS.md lists all"),
        (["--labels", "a"], "--labels: 1 given, 1 of them different, for 2 groups"),
    ):
        with pytest.raises(UserError, match=f"^{message}"):
            command.main([*argv, *more])


def test_what_only_some_runs_have_recorded_is_one_clear_line(runs):
    runs[1].records[:] = [{k: v for k, v in record.items() if k != "tokens"} for record in runs[1].records]
    with pytest.raises(UserError, match=r"^runs/uniform-1 has not recorded tokens; leave it out"):
        check_metrics(runs, ["tokens"])
    with pytest.raises(UserError, match=r"^runs/uniform-1 has no tokens in its records; choose another --x$"):
        compare_curves(grouped(runs), x="tokens")


def test_one_run_is_not_two_seeds_however_it_is_spelled(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = (write(run, tmp_path) for run in runs[:2])
    (tmp_path / "link").symlink_to(one)
    for again in (one, f"{one}/", Path(one).name, "link"):
        with pytest.raises(UserError, match=f"^{again} is given twice; name each run once$"):
            command.main(["compare", one, other, again])
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("option", [["--output_dir", "x"], ["--labels", "a"], ["--metric", "tokens"], ["--x", "steps"]])
def test_what_is_for_a_comparison_is_refused_for_the_figures_of_one_run(runs, tmp_path, option):
    with pytest.raises(UserError, match=f"^{option[0]} is for compare"):
        command.main([write(runs[0], tmp_path), *option])
    assert not (tmp_path / runs[0].path.name / "figures").exists()
