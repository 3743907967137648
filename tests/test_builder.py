import os
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
import yaml
from independent import ATTRIBUTES, full_name, is_uniform, lines_of, parse, value_text

import data_builder.builder
from command_line import UserError
from data_builder.__main__ import main
from data_builder.builder import BiographyBuilder, fingerprint
from data_builder.sentences import TEMPLATES_DIR
from data_builder.source import DataSettings, Source
from data_builder.word_lists import VALUES_DIR

WORLD = {"n_individuals": 2500, "n_unseen": 30, "n_new": 20, "entries_per_list": 40}
SMALL = {"n_individuals": 12, "n_unseen": 5, "n_new": 4, "entries_per_list": 6}
SIZES = {"train": 2500, "validation": 2500, "unseen": 30, "new": 20}


def build(cache, config_name="biographies", num_proc=None, **settings):
    builder = BiographyBuilder(cache_dir=str(cache), config_name=config_name, **settings)
    builder.download_and_prepare(num_proc=num_proc)
    return builder.as_dataset()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def biographies(cache):
    return build(cache, **WORLD)


@pytest.fixture(scope="module")
def population(cache):
    return build(cache, "population", **WORLD)


@pytest.fixture(scope="module")
def people(population):
    """Rows of the population table by individual."""
    return {row["individual_id"]: row for split in population.values() for row in split}


@pytest.fixture(scope="module")
def world():
    return Source.build(DataSettings(**WORLD))


@pytest.fixture
def own_texts(tmp_path):
    """Copies of the bundled word lists and templates, as settings."""
    shutil.copytree(VALUES_DIR, tmp_path / "values")
    shutil.copytree(TEMPLATES_DIR, tmp_path / "templates")
    return {"values_dir": str(tmp_path / "values"), "templates_dir": str(tmp_path / "templates")}


def replace_line(path, old, new):
    path = Path(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[lines.index(old)] = new
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def arguments(output, settings=None, **more):
    values = (settings or SMALL) | {"output_dir": str(output)} | more
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


def files_of(directory):
    return {p.relative_to(directory): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


# --- the tables ---


def test_splits_of_biographies_have_the_sizes_of_their_groups(biographies):
    assert {split: len(rows) for split, rows in biographies.items()} == SIZES


def test_splits_of_the_population_are_its_groups(population):
    assert {split: len(rows) for split, rows in population.items()} == {"seen": 2500, "unseen": 30, "new": 20}


def test_columns_of_biographies(biographies):
    features = biographies["train"].features
    assert list(features) == ["text", "individual_id", "attributes", "template_ids", "name_spans", "value_spans"]
    assert features["attributes"].feature.names == ATTRIBUTES


def test_columns_of_the_population(population):
    names = ["first_name", "middle_name", "last_name"]
    assert population["seen"].column_names == ["individual_id", *names, *ATTRIBUTES, "heldout_template_ids"]


def test_the_templates_table_holds_the_lines_of_the_files(cache):
    table = build(cache, "templates", **SMALL)
    assert list(table) == ["train"]
    rows = [(ATTRIBUTES[row["attribute"]], row["template_id"], row["text"]) for row in table["train"]]
    assert rows == [(a, number, line) for a in ATTRIBUTES for number, line in enumerate(lines_of("templates", a))]


def test_the_population_table_holds_the_source_in_order(population, people, world):
    assert [i for split in ("seen", "unseen", "new") for i in population[split]["individual_id"]] == list(range(2550))
    for person in range(0, 2550, 50):
        row = people[person]
        name = f"{row['first_name']} {row['middle_name']} {row['last_name']}"
        assert name == full_name(world, world.population.names[person])
        values = world.population.values[person]
        assert [row[a] for a in ATTRIBUTES] == [value_text(world, a, values[a]) for a in range(6)]
        assert row["heldout_template_ids"] == world.population.heldout[person].tolist()


def test_full_names_in_the_population_table_are_unique(people):
    assert len({(row["first_name"], row["middle_name"], row["last_name"]) for row in people.values()}) == 2550


def test_each_person_of_a_group_has_one_row_in_order(biographies):
    assert biographies["train"]["individual_id"][:] == list(range(2500))
    assert biographies["validation"]["individual_id"][:] == list(range(2500))
    assert biographies["unseen"]["individual_id"][:] == list(range(2500, 2530))
    assert biographies["new"]["individual_id"][:] == list(range(2530, 2550))


@pytest.mark.parametrize("split", SIZES)
def test_spans_cut_the_names_and_values_of_the_population_table(biographies, people, split):
    for row in biographies[split]:
        person, text = people[row["individual_id"]], row["text"]
        name = f"{person['first_name']} {person['middle_name']} {person['last_name']}"
        assert [text[begin:end] for begin, end in row["name_spans"]] == [name] * 6
        assert sorted(row["attributes"]) == list(range(6))
        values = [person[ATTRIBUTES[attribute]] for attribute in row["attributes"]]
        assert [text[begin:end] for begin, end in row["value_spans"]] == values


@pytest.mark.parametrize(
    ("split", "heldout"), [("train", False), ("validation", True), ("unseen", True), ("new", True)]
)
def test_only_the_split_train_uses_templates_that_are_not_held_out(biographies, people, split, heldout):
    for row in biographies[split]:
        kept = people[row["individual_id"]]["heldout_template_ids"]
        for attribute, template in zip(row["attributes"], row["template_ids"], strict=True):
            assert (template in kept[attribute]) == heldout


@pytest.mark.parametrize("split", SIZES)
def test_texts_are_told_with_the_templates_of_their_columns(biographies, world, split):
    for row in biographies[split].select(range(0, SIZES[split], max(1, SIZES[split] // 20))):
        told = parse(world, row["individual_id"], row["text"])
        assert told == list(zip(row["attributes"], row["template_ids"], strict=True))


def test_templates_and_orders_of_the_split_train_are_uniform(biographies):
    templates, order = (np.array(biographies["train"][name][:]) for name in ("template_ids", "attributes"))
    assert is_uniform(np.bincount(templates.ravel(), minlength=25))
    for place in range(6):
        assert is_uniform(np.bincount(order[:, place], minlength=6))


def test_blocks_of_rows_are_worded_differently(biographies):
    order = np.array(biographies["train"]["attributes"][:])
    assert 0 < (order[:1000] == order[1000:2000]).all(axis=1).mean() < 0.02


def test_several_biographies_of_a_person_are_worded_differently(cache):
    table = build(cache, **SMALL, biographies_per_individual=3)
    assert {split: len(rows) for split, rows in table.items()} == {"train": 36, "validation": 12, "unseen": 5, "new": 4}
    assert table["train"]["individual_id"][:] == 3 * list(range(12))
    assert len(set(table["train"]["text"][:])) == 36


@pytest.mark.parametrize("config_name", ["biographies", "population"])
def test_two_processes_make_the_same_rows_as_one(biographies, population, tmp_path, config_name):
    alone = biographies if config_name == "biographies" else population
    together = build(tmp_path, config_name, num_proc=2, **WORLD)
    largest = max(together, key=lambda split: len(together[split]))
    assert len(together[largest].cache_files) == 2
    assert list(together) == list(alone)
    for split in alone:
        assert together[split].features == alone[split].features
        assert together[split].to_list() == alone[split].to_list()


@pytest.mark.parametrize("split", ["validation", "unseen"])
def test_streaming_gives_the_same_rows(biographies, cache, split):
    streamed = BiographyBuilder(cache_dir=str(cache), **WORLD).as_streaming_dataset(split=split)
    assert list(streamed) == biographies[split].to_list()


def test_groups_without_people_have_no_split(cache):
    settings = SMALL | {"n_unseen": 0, "n_new": 0}
    assert set(build(cache, **settings)) == {"train", "validation"}
    assert set(build(cache, "population", **settings)) == {"seen"}


def test_an_unknown_configuration_is_an_error_that_names_those_there_are(cache):
    with pytest.raises(ValueError, match="no configuration 'people'; there are population, biographies, templates"):
        BiographyBuilder(cache_dir=str(cache), config_name="people")


def test_settings_are_checked_by_the_builder_too(cache):
    with pytest.raises(UserError, match="216 full names"):
        build(cache, **SMALL | {"n_individuals": 217})


# --- the cache ---


def test_the_fingerprint_is_the_same_each_time_and_for_a_copy(own_texts):
    assert fingerprint() == fingerprint() == fingerprint(**own_texts)


@pytest.mark.parametrize(
    ("folder", "name", "old", "new"),
    [
        ("values_dir", "city", "Beijing", "Ghent"),
        ("values_dir", "last_name", "Smith", "Smyth"),
        ("templates_dir", "company", "{name} works for {value}.", "{name} works with {value}."),
    ],
)
def test_the_fingerprint_and_the_cache_follow_the_texts(own_texts, cache, folder, name, old, new):
    builders = [BiographyBuilder(cache_dir=str(cache), **own_texts)]
    before = fingerprint(**own_texts)
    replace_line(f"{own_texts[folder]}/{name}.txt", old, new)
    builders.append(BiographyBuilder(cache_dir=str(cache), **own_texts))
    assert fingerprint(**own_texts) != before
    assert len({builder.cache_dir for builder in builders}) == 2


def test_the_fingerprint_follows_the_code(tmp_path, monkeypatch):
    package = tmp_path / "data_builder"
    shutil.copytree(VALUES_DIR.parent, package)
    monkeypatch.setattr(data_builder.builder, "__file__", str(package / "builder.py"))
    before = fingerprint()
    with (package / "population.py").open("a") as file:
        file.write("# changed\n")
    assert fingerprint() != before


def test_rows_follow_a_changed_word_list_without_clearing_the_cache(own_texts, cache):
    before = build(cache, "population", **SMALL, **own_texts)
    cities = lines_of("values", "city")
    replace_line(f"{own_texts['values_dir']}/city.txt", cities[0], "Atlantis City")
    after = build(cache, "population", **SMALL, **own_texts)
    assert cities[0] in before["seen"]["location"][:]
    assert after["seen"]["location"][:] == [
        "Atlantis City" if city == cities[0] else city for city in before["seen"]["location"]
    ]


def test_different_settings_and_configurations_do_not_share_a_cache(cache, own_texts):
    changes = [
        {},
        {"n_individuals": 13},
        {"n_unseen": 6},
        {"n_new": 5},
        {"n_heldout_templates": 4},
        {"entries_per_list": 7},
        {"population_seed": 1},
        {"biographies_per_individual": 2},
        {"config_name": "population"},
        {"config_name": "templates"},
        {"values_dir": own_texts["values_dir"]},
        {"templates_dir": own_texts["templates_dir"]},
    ]
    directories = [BiographyBuilder(cache_dir=str(cache), **SMALL | change).cache_dir for change in changes]
    assert len(set(directories)) == len(changes)
    assert directories == [BiographyBuilder(cache_dir=str(cache), **SMALL | change).cache_dir for change in changes]


def test_another_seed_makes_other_rows(cache):
    one, two = (build(cache, **SMALL, population_seed=seed)["train"]["text"][:] for seed in (0, 1))
    assert not set(one) & set(two)


# --- the command ---


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
        (["--population_seed", "-1"], "population_seed is -1; it must be from 0"),
        (["--n_individuals", "0"], "n_individuals is 0; it must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        main([*arguments(tmp_path / "out"), *options])
    assert not list(tmp_path.iterdir())
