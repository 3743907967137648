"""`--dataset` says who exists; options that say it too are refused, before anything is made or fetched."""

import os
from dataclasses import fields
from pathlib import Path

import pytest

import run_finetune
import run_pretrain
from command_line import UserError
from data_builder.source import Source
from settings.data import DataSettings
from tests.helpers.toys import SMALL

VALUES = {"values_dir": "mine", "templates_dir": "mine", "new_individuals": "mine.csv", "share_unseen": 0.5}


@pytest.mark.parametrize("name", [item.name for item in fields(DataSettings)])
@pytest.mark.parametrize("form", ["--{} {}", "--{}={}"])
def test_an_option_that_would_be_ignored_is_refused(tmp_path, monkeypatch, name, form):
    monkeypatch.chdir(tmp_path)
    words = form.format(name, VALUES.get(name, 8)).split()
    with pytest.raises(
        UserError, match=f"--{name} would change nothing: the people are those of --dataset me/people; leave it out$"
    ):
        run_pretrain.main([*words, "--dataset", "me/people", "--output_dir", "run"])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("script", [run_pretrain, run_finetune])
@pytest.mark.parametrize("name", ["dataset_name", "dataset_revision"])
def test_a_part_of_a_repository_is_not_chosen_where_there_is_none(tmp_path, monkeypatch, script, name):
    monkeypatch.chdir(tmp_path)
    Path("people").mkdir()
    for dataset, reason in (((), "there is no --dataset"), (("--dataset", "people"), "people is a directory")):
        with pytest.raises(UserError, match=f"^--{name} would change nothing: {reason}; leave it out$"):
            script.main([f"--{name}", "64k", *dataset, "--output_dir", "run"])
    assert os.listdir(tmp_path) == ["people"]


def test_the_people_of_a_recipe_are_replaced_and_it_is_said(tmp_path, monkeypatch, capsys):
    Source.build(DataSettings(**SMALL)).save(tmp_path / "people")
    (tmp_path / "recipe.yaml").write_text("n_individuals: 9\nn_new: 4\nnew_individuals: mine.csv\n")
    found = {}

    def build_stream(source, *_):
        found.update(vars(source.settings))
        raise UserError("enough")

    monkeypatch.setattr(run_pretrain, "build_stream", build_stream)
    words = ["--dataset", str(tmp_path / "people"), "--output_dir", str(tmp_path / "run")]
    with pytest.raises(UserError, match="enough"):
        run_pretrain.main([str(tmp_path / "recipe.yaml"), *words])
    assert found["n_individuals"] == SMALL["n_individuals"]
    people = f"note: the people are those of --dataset {tmp_path / 'people'}; not used: "
    assert capsys.readouterr().err == f"{people}n_individuals 9, new_individuals mine.csv\n"
