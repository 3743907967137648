"""A run's config.yaml as a recipe: what the run was made of may be gone, since it keeps copies."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

import data_builder.__main__ as build
import run_pretrain
from command_line import UserError
from data_builder.source import Source
from run_directory.config import write_config
from settings.data import DataSettings
from tests.helpers.toys import SMALL


@pytest.fixture
def run(tmp_path, monkeypatch):
    """As much of a run as a recipe needs; made of a dataset and of own lists, `data` and `own`."""
    monkeypatch.chdir(tmp_path)
    Source.build(DataSettings(**SMALL)).save("data")
    shutil.copytree("data/source", "own")
    source = Source.build(DataSettings(**SMALL, values_dir="own/values", templates_dir="own/templates"))
    source.save("runs/mine/dataset")
    return source


def config_of(run, **settings):
    people = asdict(run.settings) | {"n_layer": 1} | settings
    write_config(Path("runs/mine"), people, {"version": "0"})
    return "runs/mine/config.yaml"


def people_of(monkeypatch, *argv):
    """Whom `run_pretrain.py` would train on."""
    found = []

    def build_stream(source, *_):
        found.append(source)
        raise UserError("enough")

    monkeypatch.setattr(run_pretrain, "build_stream", build_stream)
    with pytest.raises(UserError, match="^enough$"):
        run_pretrain.main([*argv, "--output_dir", "runs/again"])
    return found[0]


@pytest.mark.parametrize(
    ("gone", "settings", "said"),
    [
        ("data", {"dataset": "data", "values_dir": None, "templates_dir": None}, "dataset data"),
        ("own", {}, "values_dir own/values, templates_dir own/templates"),
        (None, {"dataset": "gone"}, "dataset gone"),  # own/values is there, and would be ignored beside it
        (
            None,
            {"dataset": "me/people", "new_individuals": "mine.csv"},
            "dataset me/people",
        ),  # on the Hub: the run has them here
        (None, {"dataset": "data", "values_dir": None, "templates_dir": None}, None),
    ],
)
def test_what_is_gone_is_taken_from_the_run(run, monkeypatch, capsys, gone, settings, said):
    recipe = config_of(run, **settings)
    if gone:
        shutil.rmtree(gone)
    assert people_of(monkeypatch, recipe).digest() == run.digest()
    line = f"note: not here, so that the copies in runs/mine are used: {said}\n"
    assert capsys.readouterr().err == (line if said else "")


def test_what_is_named_now_needs_no_copy(run, monkeypatch, capsys):
    shutil.rmtree("own")
    recipe = config_of(run, dataset="gone", values_dir=None, templates_dir=None)
    assert people_of(monkeypatch, recipe, "--dataset", "data").digest() == run.digest()
    assert capsys.readouterr().err == ""
    recipe = config_of(run, dataset="gone")
    shutil.rmtree("runs/mine/dataset")
    with pytest.raises(UserError, match="^gone is no dataset directory"):
        run_pretrain.main([recipe, "--output_dir", "runs/again"])


def test_the_people_of_a_run_are_built_again_from_its_copies(run, monkeypatch):
    shutil.rmtree("own")
    recipe, seen = config_of(run), []
    monkeypatch.setattr(build, "build_directory", lambda data, *_: seen.append(Source.build(data)) or seen[0])
    build.main([recipe, "--output_dir", "data/again"])
    assert seen[0].digest() == run.digest()


def test_a_recipe_that_is_no_run_is_taken_at_its_word(run):
    shutil.rmtree("own")
    recipe = Path("runs/mine/mine.yaml")
    recipe.write_text("values_dir: own/values\n")
    with pytest.raises(UserError, match="^there is no directory own/values"):
        run_pretrain.main([str(recipe), "--output_dir", "runs/again"])
