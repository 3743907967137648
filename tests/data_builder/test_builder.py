import shutil

import numpy as np
import pytest

import data_builder.builder
from command_line import UserError
from data_builder.builder import BiographyBuilder, fingerprint
from data_builder.source import Source
from data_builder.world import VALUES_DIR
from settings.data import DataSettings
from tests.helpers.independent import ATTRIBUTES, full_name, is_uniform, lines_of, parse, value_text
from tests.helpers.toys import SIZES, SMALL, WORLD, build, replace_line


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


# --- the tables ---


def test_splits_are_the_groups_and_columns_those_of_the_world(biographies, population):
    assert {split: len(rows) for split, rows in biographies.items()} == SIZES
    assert {split: len(rows) for split, rows in population.items()} == {"seen": 2500, "unseen": 30, "new": 20}
    features = biographies["train"].features
    assert list(features) == ["text", "individual_id", "attributes", "template_ids", "name_spans", "value_spans"]
    assert features["attributes"].feature.names == ATTRIBUTES
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
    assert len({(row["first_name"], row["middle_name"], row["last_name"]) for row in people.values()}) == 2550


def test_each_person_of_a_group_has_one_row_in_order(biographies):
    people = {"train": range(2500), "validation": range(2500), "unseen": range(2500, 2530), "new": range(2530, 2550)}
    assert {split: rows["individual_id"][:] for split, rows in biographies.items()} == {
        split: list(members) for split, members in people.items()
    }


@pytest.mark.parametrize("split", SIZES)
def test_spans_cut_the_names_and_values_of_the_population_table(biographies, people, split):
    for row in biographies[split]:
        person, text = people[row["individual_id"]], row["text"]
        name = f"{person['first_name']} {person['middle_name']} {person['last_name']}"
        assert [text[begin:end] for begin, end in row["name_spans"]] == [name] * 6
        assert sorted(row["attributes"]) == list(range(6))
        values = [person[ATTRIBUTES[attribute]] for attribute in row["attributes"]]
        assert [text[begin:end] for begin, end in row["value_spans"]] == values


@pytest.mark.parametrize("split", SIZES)
def test_texts_are_told_with_the_templates_of_their_columns_in_train_alone_not_held_out(
    biographies, people, world, split
):
    for number, row in enumerate(biographies[split]):
        told = list(zip(row["attributes"], row["template_ids"], strict=True))
        kept = people[row["individual_id"]]["heldout_template_ids"]
        assert {template in kept[attribute] for attribute, template in told} == {split != "train"}
        if number % max(1, SIZES[split] // 20) == 0:
            assert parse(world, row["individual_id"], row["text"]) == told


def test_templates_and_orders_of_the_split_train_are_uniform(biographies):
    templates, order = (np.array(biographies["train"][name][:]) for name in ("template_ids", "attributes"))
    assert is_uniform(np.bincount(templates.ravel(), minlength=25))
    for place in range(6):
        assert is_uniform(np.bincount(order[:, place], minlength=6))
    assert 0 < (order[:1000] == order[1000:2000]).all(axis=1).mean() < 0.02  # blocks of rows are worded differently


def test_several_biographies_of_a_person_are_worded_differently(cache):
    table = build(cache, **SMALL, biographies_per_individual=3)
    assert {split: len(rows) for split, rows in table.items()} == {"train": 36, "validation": 12, "unseen": 5, "new": 4}
    assert table["train"]["individual_id"][:] == 3 * list(range(12))
    assert len(set(table["train"]["text"][:])) == 36
    one, two = (build(cache, **SMALL, population_seed=seed)["train"]["text"][:] for seed in (0, 1))
    assert not set(one) & set(two)


def test_groups_without_people_have_no_split(cache):
    settings = SMALL | {"n_unseen": 0, "n_new": 0}
    assert set(build(cache, **settings)) == {"train", "validation"}
    assert set(build(cache, "population", **settings)) == {"seen"}


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


def test_what_cannot_be_is_an_error_in_the_builder_too(cache):
    with pytest.raises(ValueError, match="no configuration 'people'; there are population, biographies, templates"):
        BiographyBuilder(cache_dir=str(cache), config_name="people")
    with pytest.raises(UserError, match="216 full names"):
        build(cache, **SMALL | {"n_individuals": 217})


# --- the cache ---


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
    assert before == fingerprint() == fingerprint()
    replace_line(f"{own_texts[folder]}/{name}.txt", old, new)
    builders.append(BiographyBuilder(cache_dir=str(cache), **own_texts))
    assert fingerprint(**own_texts) != before
    assert len({builder.cache_dir for builder in builders}) == 2


def test_rows_follow_a_changed_word_list_without_clearing_the_cache(own_texts, cache, tmp_path, monkeypatch):
    before = build(cache, "population", **SMALL, **own_texts)
    cities = lines_of("values", "city")
    replace_line(f"{own_texts['values_dir']}/city.txt", cities[0], "Atlantis City")
    after = build(cache, "population", **SMALL, **own_texts)
    code = shutil.copytree(VALUES_DIR.parent, tmp_path / "code")
    monkeypatch.setattr(data_builder.builder, "__file__", str(code / "builder.py"))
    old = fingerprint()
    with (code / "population.py").open("a") as file:
        file.write("# changed\n")
    assert fingerprint() != old  # and the code
    assert cities[0] in before["seen"]["location"][:]
    assert after["seen"]["location"][:] == [
        "Atlantis City" if city == cities[0] else city for city in before["seen"]["location"]
    ]


def test_different_settings_and_configurations_do_not_share_a_cache(cache, own_texts):
    numbers = {"n_individuals": 13, "n_unseen": 6, "n_new": 5, "n_heldout_templates": 4, "entries_per_list": 7}
    numbers |= {"population_seed": 1, "biographies_per_individual": 2}
    changes = [{}, *({key: value} for key, value in (numbers | own_texts).items())]
    changes += [{"config_name": name} for name in ("population", "templates")]
    twice = [[BiographyBuilder(cache_dir=str(cache), **SMALL | c).cache_dir for c in changes] for _ in range(2)]
    assert twice[0] == twice[1]
    assert len(set(twice[0])) == len(changes)
