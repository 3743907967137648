import os
import shutil

import datasets
import pytest
import yaml

from command_line import UserError
from data_builder.__main__ import main
from data_builder.builder import BiographyBuilder
from data_builder.source import Source
from settings.data import DataSettings
from tests.helpers.toys import SMALL, arguments, build, files_of, replace_line


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    output = tmp_path_factory.mktemp("made") / "deep" / "dataset"
    main(arguments(output))
    return output


@pytest.mark.parametrize("config_name", ["population", "biographies", "templates"])
def test_a_built_directory_is_read_by_load_dataset(made, cache, tmp_path, config_name):
    loaded = datasets.load_dataset(str(made), config_name, cache_dir=str(tmp_path))
    built = build(cache, config_name, **SMALL)
    assert set(loaded) == set(built)
    for split in built:
        assert loaded[split].features == built[split].features
        assert loaded[split].to_list() == built[split].to_list()


def test_a_built_directory_holds_nothing_unfinished(made):
    assert sorted(os.listdir(made)) == ["README.md", "biographies", "population", "source", "templates"]
    assert os.listdir(made.parent) == [made.name]
    assert {path.suffix for path in files_of(made)} == {".md", ".parquet", ".txt", ".yaml", ".json"}
    assert {path.name for path in files_of(made) if path.suffix == ".json"} == {"dataset_info.json"}
    card = (made / "README.md").read_text(encoding="utf-8").split("---\n")
    assert len(yaml.safe_load(card[1])["configs"]) == 3


def test_processes_change_nothing_in_the_rows_that_the_command_writes(made, tmp_path):
    output = tmp_path / "dataset"
    main(arguments(output, num_proc=2))
    loaded = [datasets.load_dataset(str(d), "biographies", cache_dir=str(tmp_path / "cache")) for d in (made, output)]
    assert {split: loaded[0][split].to_list() for split in loaded[0]} == {s: loaded[1][s].to_list() for s in loaded[1]}


def test_a_recipe_gives_the_people_and_options_override_it(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(SMALL | {"max_steps": 5}), encoding="utf-8")
    main([str(recipe), "--n_new", "0", "--output_dir", str(tmp_path / "dataset")])
    loaded = Source.load(tmp_path / "dataset")
    assert loaded.digest() == Source.build(DataSettings(**SMALL | {"n_new": 0})).digest()


def test_a_loaded_source_has_an_equal_digest(made):
    assert Source.load(made).digest() == Source.build(DataSettings(**SMALL)).digest()


def test_a_source_of_own_texts_is_loaded_when_those_are_gone(own_texts, tmp_path):
    replace_line(f"{own_texts['values_dir']}/city.txt", "Shanghai", "Atlantis")
    main(arguments(tmp_path / "dataset", SMALL | own_texts))
    digest = Source.build(DataSettings(**SMALL, **own_texts)).digest()
    for directory in own_texts.values():
        shutil.rmtree(directory)
    loaded = Source.load(tmp_path / "dataset")
    assert loaded.digest() == digest != Source.build(DataSettings(**SMALL)).digest()
    assert loaded.word_lists.lists["city"][0] == "Atlantis"


def test_saving_a_loaded_source_again_keeps_it(made, tmp_path):
    loaded = Source.load(made)
    loaded.save(tmp_path)
    assert files_of(tmp_path / "source") == files_of(made / "source")
    Source.load(tmp_path).save(tmp_path)  # onto itself
    assert files_of(tmp_path / "source") == files_of(made / "source")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("values/city", "Shanghai", "Atlantis"),
        ("templates/major", "{name} majored in {value}.", "{name} majored in {value}, as planned."),
    ],
)
def test_a_changed_text_in_a_saved_source_is_noticed(made, tmp_path, name, old, new):
    copied = shutil.copytree(made, tmp_path / "copy")
    replace_line(copied / "source" / f"{name}.txt", old, new)
    with pytest.raises(UserError, match="its lists were changed"):
        Source.load(copied)


def test_a_changed_setting_in_a_saved_source_is_noticed(made, tmp_path):
    copied = shutil.copytree(made, tmp_path / "copy")
    path = copied / "source" / "settings.yaml"
    path.write_text(path.read_text().replace("n_individuals: 12", "n_individuals: 11"))
    with pytest.raises(UserError, match="its lists were changed"):
        Source.load(copied)


def test_a_directory_without_a_source_is_an_error_of_one_line(tmp_path):
    with pytest.raises(UserError, match="holds no dataset") as caught:
        Source.load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "n_individuals: 5\n", "- a\n"])
def test_a_settings_file_without_settings_is_an_error_of_one_line(made, tmp_path, text):
    copied = shutil.copytree(made, tmp_path / "copy")
    (copied / "source" / "settings.yaml").write_text(text)
    with pytest.raises(UserError):
        Source.load(copied)


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_an_existing_output_is_refused_and_left_as_it_is(tmp_path, kind):
    output = tmp_path / "dataset"
    if kind == "file":
        output.write_text("precious")
    else:
        output.mkdir()
        (output / "notes.txt").write_text("precious")
    before = files_of(tmp_path)
    with pytest.raises(UserError, match="exists already and is left as it is"):
        main(arguments(output))
    assert files_of(tmp_path) == before
    assert os.listdir(tmp_path) == ["dataset"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no output_dir"),
        (["--output_dir", "x", "--n_individual", "5"], "nearest known one is 'n_individuals'"),
        (["--output_dir", "x", "--n_individuals", "many"], "n_individuals"),
        (["--output_dir", "x", "--n_individuals", "0"], "n_individuals is 0"),
        (["--output_dir", "x", "--values_dir", "nowhere"], "nowhere"),
        (["--output_dir", "x", "--templates_dir", "nowhere"], "nowhere"),
        (["--output_dir", "x", "--entries_per_list", "2"], "more than the 8 full names"),
        (["no-recipe.yaml", "--output_dir", "x"], "no-recipe.yaml"),
    ],
)
def test_mistakes_are_errors_of_one_line_and_write_nothing(tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        main(argv)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("broken", ["last table", "source"])
def test_after_an_error_in_mid_build_there_is_no_dataset_and_the_next_try_works(tmp_path, monkeypatch, broken):
    def fail(*_args, **_kwargs):
        raise OSError("disk full")

    output = tmp_path / "dataset"
    with monkeypatch.context() as patch:
        patch.setattr(*((BiographyBuilder, "_templates") if broken == "last table" else (Source, "save")), fail)
        with pytest.raises((OSError, datasets.exceptions.DatasetGenerationError)):
            main(arguments(output))
    assert not output.exists()
    main(arguments(output))
    assert os.listdir(tmp_path) == ["dataset"]
    assert Source.load(output).digest() == Source.build(DataSettings(**SMALL)).digest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num_proc", "-3"], "num_proc is -3; it must be at least 1"),
        (["--biographies_per_individual", "0"], "biographies_per_individual is 0; it must be at least 1"),
        (["--population_seed", "-1"], "population_seed is -1; it must be at least 0"),
        (["--n_individuals", "0"], "n_individuals is 0; it must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        main([*arguments(tmp_path / "out"), *options])
    assert not list(tmp_path.iterdir())
