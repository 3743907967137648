"""Runs side by side: groups, means, tables, figures."""

import json
import math
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

import analysis.__main__ as command
from analysis.compare import compare_curves, compare_individuals, compare_table, grouped, style
from analysis.statistics import mean_interval
from command_line import UserError
from data_builder.source import Source
from run_directory.records import Run
from settings.data import DataSettings
from tests.helpers.toys import replace_line

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


def test_texts_count_by_what_they_hold_not_by_where_they_lay(tmp_path):
    small = {"n_individuals": 12, "n_unseen": 2, "n_new": 2, "entries_per_list": 6}
    direct = Source.build(DataSettings(**small))
    direct.save(tmp_path / "saved")
    own = tmp_path / "own"
    shutil.copytree(tmp_path / "saved" / "source", own)
    saved = Source.load(tmp_path / "saved")
    named = Source.build(DataSettings(**small, population_seed=1, values_dir=str(own / "values")))  # the same lists
    replace_line(own / "values" / "city.txt", direct.word_lists.lists["city"][0], "Elsewhere")
    other = Source.build(DataSettings(**small, values_dir=str(own / "values")))  # others, at the same place
    people = tmp_path / "people.csv"
    people.write_text("".join(",".join(row) + "\n" for row in _a_person(direct)))
    more = Source.build(DataSettings(**small, new_individuals=str(people)))
    runs = []
    for seed, source in enumerate((direct, saved, named, other, more)):
        run = Run(tmp_path / f"run{seed}", asdict(source.settings) | {"seed": seed}, [])
        source.save(run.path / "dataset")
        (run.path / "dataset" / "source" / "values" / ".DS_Store").touch()
        runs.append(run)
    assert list(grouped(runs[:3])) == ["all runs"]
    groups = grouped(runs)
    assert [[run.config["seed"] for run in group] for group in groups.values()] == [[0, 1, 2], [3], [4]]
    names = list(groups)
    assert names[1].startswith("new_individuals None (none), ")
    assert f"values_dir {own / 'values'} (" in names[1]
    assert f"new_individuals {people} (" in names[2]


def _a_person(source):
    """A table of one, who is not in the population but has its values."""
    attributes = list(source.world.attributes)
    name = " ".join(source.word_lists.names(part)[-1] for part in source.world.name)
    return ["name", *attributes], [name, *(source.word_lists.values(attribute)[0] for attribute in attributes)]


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
