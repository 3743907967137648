"""Runs side by side: groups, means, tables, figures."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

import analysis.__main__ as command
from analysis.compare import compare_curves, compare_individuals, compare_table, grouped, style
from analysis.statistics import mean_interval
from command_line import UserError
from run_directory.records import Run

BASELINE = 5.0


def a_run(schedule, seed, losses=(9.0, 5.0, 1.0), individuals=None):
    records = [
        {"step": 100 * i, "no_knowledge_baseline": BASELINE, "seen_attribute_loss": loss,
         "seen_attribute_accuracy": 1 - loss / 10}
        for i, loss in enumerate(losses)
    ]  # fmt: skip
    config = {"schedule": schedule, "seed": seed, "n_individuals": 64, "output_dir": f"runs/{schedule}-{seed}"}
    return Run(Path(config["output_dir"]), config, records, individuals)


@pytest.fixture
def runs():
    people = {"individual": list(range(16)), "times_drawn": [1] * 8 + [50] * 8, "attribute_accuracy": [0] * 8 + [1] * 8}
    uniform = [a_run("uniform", seed, (9.0, 5.0, 4.0 + seed / 10), people) for seed in (0, 1)]
    return [*uniform, a_run("warm_up", 0), a_run("warm_up", 1)]


def write(run, folder):
    run_dir = folder / run.path.name
    run_dir.mkdir(parents=True)
    (run_dir / "config.yaml").write_text(yaml.safe_dump(run.config))
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in run.records))
    if run.individuals:
        (run_dir / "individuals.json").write_text(json.dumps(run.individuals))
    return str(run_dir)


@pytest.mark.parametrize("key", [None, "model", "reference"])
def test_runs_are_grouped_by_what_differs_seeds_and_what_they_start_from_apart(runs, key):
    for run in runs:
        seed = run.config["seed"]
        run.config.update({key: f"runs/all/facts-seed{seed}", "population_seed": seed} if key else {})
    assert {name: len(group) for name, group in grouped(runs).items()} == {"schedule uniform": 2, "schedule warm_up": 2}
    assert list(grouped(runs[:2])) == ["all runs"]


def test_a_run_of_a_saved_dataset_is_one_of_the_recipe_it_was_made_by(runs):
    runs[0].config.update(values_dir="data/mine/source/values", templates_dir="data/mine/source/templates")
    assert len(grouped(runs)) == 2


def test_curves_are_means_over_seeds_with_their_range(runs):
    figure = compare_curves(grouped(runs))
    line = next(line for line in figure.axes[0].lines if line.get_label() == "schedule uniform")
    assert line.get_xdata().tolist() == [0, 100, 200]
    assert line.get_ydata() == pytest.approx([9.0, 5.0, 4.05])
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert {4.0, 4.1} <= set(np.round(band[:, 1], 6))
    longer = a_run("uniform", 2, (9.0, 5.0, 4.0, 3.0))  # of steps that only some have nothing is drawn
    assert compare_curves({"uniform": [runs[0], longer]}).axes[0].lines[0].get_xdata().tolist() == [0, 100, 200]


def test_individuals_are_averaged_in_bins_of_equal_size(runs):
    assert len({tuple(style(number).items()) for number in range(21)}) == 21  # many groups can be told apart
    (line,) = compare_individuals({"uniform": runs[:1]}, n_bins=2).axes[0].lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([1, 50], [0, 1])


def test_the_table_has_means_and_intervals(runs):
    rows = compare_table(grouped(runs)).splitlines()
    assert rows[2].startswith("| schedule uniform | 2 |")
    mean, low, high = mean_interval([4.0, 4.1])
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 1, loc=mean, scale=stats.sem([4.0, 4.1])))
    assert [math.isnan(value) for value in mean_interval([3.0])] == [False, True, True]
    assert f"{mean:.3f} ({low:.3f} to {high:.3f})" in rows[2]
    flat = compare_table({"flat": [a_run("uniform", 0, (9.0, 5.0, 5.0)), runs[0]]})
    assert "1 of 2 not reached" in flat


def test_the_command_writes_figures_and_table(runs, tmp_path, capsys):
    paths = [write(run, tmp_path / "runs") for run in runs]
    command.main(["compare", *paths, "--output_dir", str(tmp_path / "figures")])
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "learning_curves.png", "individuals.png", "table.md",
    }  # fmt: skip
    assert (tmp_path / "figures" / "table.md").read_text().strip() in capsys.readouterr().out
    with pytest.raises(UserError, match="at least two runs"):
        command.main(["compare", paths[0]])


def test_one_run_is_not_two_seeds_however_it_is_spelled(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = (write(run, tmp_path) for run in runs[:2])
    (tmp_path / "link").symlink_to(one)
    for again in (one, f"{one}/", Path(one).name, "link"):
        with pytest.raises(UserError, match=f"^{again} is given twice; name each run once$"):
            command.main(["compare", one, other, again])
    assert not (tmp_path / "figures").exists()


def test_a_place_for_the_figures_of_one_run_is_refused(runs, tmp_path):
    with pytest.raises(UserError, match="^--output_dir is for compare"):
        command.main([write(runs[0], tmp_path), "--output_dir", str(tmp_path / "x")])
    assert not (tmp_path / runs[0].path.name / "figures").exists()
