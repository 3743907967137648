"""Which runs are one experiment, and what groups are called."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from analysis.grouping import differences, grouped
from command_line import UserError
from data_builder.source import Source
from run_directory.records import Run
from settings.data import DataSettings
from tests.helpers.runs import a_run
from tests.helpers.toys import replace_line


@pytest.mark.parametrize("key", [None, "model", "reference"])
def test_runs_are_grouped_by_what_differs_seeds_and_what_they_start_from_apart(key):
    runs = [a_run(schedule, seed) for schedule in ("uniform", "warm_up") for seed in (0, 1)]
    for run in runs:
        seed = run.config["seed"]
        run.config.update({key: f"runs/all/facts-seed{seed}", "population_seed": seed} if key else {})
    groups = grouped(runs)
    assert {name: len(group) for name, group in groups.items()} == {"uniform": 2, "warm_up": 2}
    assert differences(groups) == {"uniform": "schedule uniform", "warm_up": "schedule warm_up"}
    assert list(grouped(runs[:2])) == ["uniform"]


def test_a_setting_that_the_schedule_does_not_read_makes_no_other_experiment():
    runs = [
        a_run("uniform", 0, alpha=0.6, epochs_warmup=2.0),
        a_run("uniform", 1, alpha=1.0, epochs_warmup=8.0),
        a_run("power_law", 0, alpha=0.6, epochs_warmup=2.0),
        a_run("power_law", 1, alpha=1.0, epochs_warmup=8.0),
        a_run("my_own", 0, alpha=1.0, epochs_warmup=8.0),  # may read any
    ]
    groups = grouped(runs)
    assert [len(group) for group in groups.values()] == [2, 1, 1, 1]
    assert list(differences(groups).values()) == [
        "schedule uniform", "schedule power_law, alpha 0.6", "schedule power_law, alpha 1.0",
        "schedule my_own, alpha 1.0, epochs_warmup 8.0",
    ]  # fmt: skip


def named(*groups):
    """The names of groups of runs in these directories, each with a learning rate of its own."""
    runs = [
        Run(Path(path), {"learning_rate": rate, "seed": seed}, [])
        for rate, paths in enumerate(groups)
        for seed, path in enumerate(paths)
    ]
    return list(grouped(runs))


def test_a_group_has_the_name_of_its_directories_with_as_many_parents_as_it_takes():
    assert named(["runs/a"], ["runs/b"]) == ["a", "b"]
    assert named(["x/a/run"], ["x/b/run"]) == ["a/run", "b/run"]
    assert named(["runs/big-seed0", "runs/big-seed1"], ["runs/small_s3", "runs/small_s4"]) == ["big", "small"]
    assert named(["runs/lr-0.1"], ["runs/lr-0.2"]) == ["lr-0.1", "lr-0.2"]  # no seeds
    assert named(["runs/one", "runs/other"], ["runs/third"]) == ["one, other", "third"]
    assert named(["runs/x-1", "runs/x-2"], ["runs/x"]) == ["x-1, x-2", "x"]


def test_labels_are_given_in_the_order_of_the_groups_one_for_each():
    runs = [a_run("uniform", 0), a_run("warm_up", 0), a_run("uniform", 1)]
    groups = grouped(runs, ["the paper's", "ours"])
    assert {name: len(group) for name, group in groups.items()} == {"the paper's": 2, "ours": 1}
    for labels in (["a"], ["a", "a"], ["a", "b", "c"]):
        with pytest.raises(UserError, match=r"--labels: .* for 2 .*: runs/uniform-0 runs/uniform-1 \| runs/warm_up"):
            grouped(runs, labels)


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
    assert len(grouped(runs[:3])) == 1
    groups = grouped(runs)
    assert [[run.config["seed"] for run in group] for group in groups.values()] == [[0, 1, 2], [3], [4]]
    first, second, third = differences(groups).values()
    assert first.startswith("new_individuals None (none), ")
    assert f"values_dir {own / 'values'} (" in second
    assert f"new_individuals {people} (" in third


def _a_person(source):
    """A table of one, who is not in the population but has its values."""
    attributes = list(source.world.attributes)
    name = " ".join(source.word_lists.names(part)[-1] for part in source.world.name)
    return ["name", *attributes], [name, *(source.word_lists.values(attribute)[0] for attribute in attributes)]
