import os
import re
import shutil

import datasets
import pytest
import yaml

import data_builder.builder
from command_line import UserError
from data_builder.__main__ import main
from data_builder.builder import BiographyBuilder
from data_builder.source import Source
from settings.data import DataSettings
from tests.helpers.toys import ADA, SMALL, WORLD, arguments, build, files_of, replace_line, table


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    output = tmp_path_factory.mktemp("made") / "deep" / "dataset"
    main(arguments(output, num_proc=2))
    return output


@pytest.mark.parametrize("config_name", ["population", "biographies", "templates", "questions"])
def test_a_built_directory_is_read_by_load_dataset(made, cache, tmp_path, config_name):
    loaded = datasets.load_dataset(str(made), config_name, cache_dir=str(tmp_path))
    built = build(cache, config_name, **SMALL)
    assert set(loaded) == set(built)
    for split in built:
        assert loaded[split].features == built[split].features
        assert loaded[split].to_list() == built[split].to_list()


def test_rows_of_several_processes_in_several_files_are_those_of_one_loaded_or_streamed(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(data_builder.builder, "_BLOCKS_OF_GROUP", 1)  # each block of rows is larger than a file
    main(arguments(tmp_path / "dataset", WORLD, num_proc=2, max_shard_size="1KB"))
    assert len(list((tmp_path / "dataset" / "biographies").glob("biographies-train-*.parquet"))) == 3
    alone = build(cache, **WORLD)
    for streaming in (False, True):
        place = {"cache_dir": str(tmp_path / "cache"), "streaming": streaming}
        loaded = datasets.load_dataset(str(tmp_path / "dataset"), "biographies", **place)
        assert {split: list(rows) for split, rows in loaded.items()} == {s: alone[s].to_list() for s in alone}


@pytest.mark.parametrize("change", [{"population_seed": 1}, {"biographies_per_individual": 2}])
def test_load_dataset_never_returns_the_rows_of_a_directory_that_was_there_before(made, tmp_path, change):
    def rows(path):
        loaded = datasets.load_dataset(str(path), "biographies", cache_dir=str(tmp_path / "cache"))
        return {split: table["text"][:] for split, table in loaded.items()}

    place = tmp_path / "dataset"
    shutil.copytree(made, place)
    before = rows(place)
    shutil.rmtree(place)
    main(arguments(place, **change))
    assert {re.search(r"-([0-9a-f]{16})-", path.name)[1] for path in place.rglob("*.parquet")} == {
        Source.load(place).digest()[:16]
    }
    shutil.copytree(place, tmp_path / "elsewhere")
    after = rows(place)
    assert after == rows(tmp_path / "elsewhere") != before


def test_a_built_directory_holds_nothing_unfinished_and_its_source_may_be_saved_again(made, tmp_path):
    assert Source.load(made).digest() == Source.build(DataSettings(**SMALL)).digest()
    for source in (made, tmp_path):  # from elsewhere, and onto itself
        Source.load(source).save(tmp_path)
        assert files_of(tmp_path / "source") == files_of(made / "source")
    assert sorted(os.listdir(made)) == [
        "README.md", "biographies", "lm_eval", "population", "questions", "source", "templates"
    ]  # fmt: skip
    assert os.listdir(made.parent) == [made.name]
    assert {path.suffix for path in files_of(made)} == {".md", ".parquet", ".txt", ".yaml", ".json", ".py", ""}
    assert {path.name for path in files_of(made) if path.suffix == ".json"} == {"dataset_info.json"}
    card = (made / "README.md").read_text(encoding="utf-8").split("---\n")
    assert len(yaml.safe_load(card[1])["configs"]) == 4


def test_the_people_counted_are_those_of_the_tables(tmp_path, capsys):
    """Own people stand in for all others of the group `new`."""
    main(arguments(tmp_path / "dataset", new_individuals=table(tmp_path / "mine.csv", ADA)))
    loaded = datasets.load_dataset(str(tmp_path / "dataset"), "population", cache_dir=str(tmp_path / "cache"))
    assert sum(loaded.num_rows.values()) == 12 + 5 + 1
    assert capsys.readouterr().out.startswith("18 individuals in ")


def test_a_recipe_gives_the_people_and_options_override_it(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(SMALL | {"max_steps": 5}), encoding="utf-8")
    main([str(recipe), "--n_new", "0", "--output_dir", str(tmp_path / "dataset")])
    loaded = Source.load(tmp_path / "dataset")
    assert loaded.digest() == Source.build(DataSettings(**SMALL | {"n_new": 0})).digest()


def test_a_run_gives_its_people_whatever_became_of_its_tables(tmp_path):
    mine = table(tmp_path / "mine.csv", ADA)
    source = Source.build(DataSettings(**SMALL, new_individuals=mine))
    source.save(tmp_path / "run" / "dataset")
    (tmp_path / "mine.csv").unlink()
    main([str(tmp_path / "run"), "--output_dir", str(tmp_path / "dataset")])
    assert Source.load(tmp_path / "dataset").digest() == source.digest()
    with pytest.raises(UserError, match="--n_new would change nothing: the people are those of .*run; leave it out"):
        main([str(tmp_path / "run"), "--n_new", "1", "--output_dir", str(tmp_path / "other")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty/dataset holds no dataset that this version can read"):
        main([str(tmp_path / "empty"), "--output_dir", str(tmp_path / "other")])


def test_a_source_of_own_texts_is_loaded_when_those_are_gone(own_texts, tmp_path):
    replace_line(f"{own_texts['values_dir']}/city.txt", "Shanghai", "Atlantis")
    main(arguments(tmp_path / "dataset", SMALL | own_texts))
    digest = Source.build(DataSettings(**SMALL, **own_texts)).digest()
    for directory in own_texts.values():
        shutil.rmtree(directory)
    loaded = Source.load(tmp_path / "dataset")
    assert loaded.digest() == digest != Source.build(DataSettings(**SMALL)).digest()
    assert loaded.word_lists.lists["city"][0] == "Atlantis"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("values/city.txt", "Shanghai", "Atlantis"),
        ("templates/major.txt", "{name} majored in {value}.", "{name} majored in {value}, as planned."),
        ("settings.yaml", "n_individuals: 12", "n_individuals: 11"),
    ],
)
def test_a_change_in_a_saved_source_is_noticed(made, tmp_path, name, old, new):
    copied = shutil.copytree(made, tmp_path / "copy")
    replace_line(copied / "source" / name, old, new)
    with pytest.raises(UserError, match="its lists were changed"):
        Source.load(copied)


@pytest.mark.parametrize("text", [None, "", "n_individuals: 5\n", "- a\n"])
def test_a_directory_without_a_source_is_an_error_of_one_line(made, tmp_path, text):
    copied = shutil.copytree(made, tmp_path / "copy")
    settings = copied / "source" / "settings.yaml"
    settings.unlink() if text is None else settings.write_text(text)
    with pytest.raises(UserError, match="holds no dataset" if text is None else str(copied)) as caught:
        Source.load(copied)
    assert str(copied) in str(caught.value)
    assert "\n" not in str(caught.value)


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


def test_a_second_process_leaves_what_the_first_one_builds(tmp_path, monkeypatch):
    def build_another(*_args):
        with pytest.raises(UserError, match="another process is building .*dataset; wait for it, or choose another"):
            main(arguments(tmp_path / "dataset"))
        raise KeyboardInterrupt  # seen enough

    monkeypatch.setattr("data_builder.directory._build_tables", build_another)
    with pytest.raises(KeyboardInterrupt):
        main(arguments(tmp_path / "dataset"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no output_dir"),
        (["--output_dir", "x", "--n_individual", "5"], "nearest known one is 'n_individuals'"),
        (["--output_dir", "x", "--n_individuals", "many"], "n_individuals"),
        *(
            (["--output_dir", "x", f"--{name}", str(value)], f"{name} is {value}; it must be at least {value + 1}")
            for name, value in (
                ("n_individuals", 0),
                ("num_proc", 0),
                ("biographies_per_individual", 0),
                ("population_seed", -1),
            )
        ),
        *(
            (
                ["--output_dir", "x", "--max_shard_size", size],
                f"max_shard_size is {size}; it must be a whole number with a unit",
            )
            for size in ("large", "10", "0MB")
        ),
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
