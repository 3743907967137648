"""Names and values of a world have sizes of their own."""

import math

import pytest

from command_line import UserError
from data_builder.source import Source
from data_builder.word_lists import load_word_lists
from settings.data import DataSettings
from tests.helpers.toys import SMALL


def test_names_have_a_size_of_their_own():
    lists = load_word_lists(entries_per_list=10, names_per_list=4).lists
    assert {name: len(entries) for name, entries in lists.items()} == {
        name: 4 if name.endswith("_name") else 10 for name in lists
    }
    assert load_word_lists(entries_per_list=10) == load_word_lists(entries_per_list=10, names_per_list=10)


def test_a_dataset_keeps_it_and_an_older_one_loads(tmp_path):
    for names in (3, None):
        source = Source.build(DataSettings(**SMALL, names_per_list=names))
        source.save(tmp_path)
        assert Source.load(tmp_path).settings.names_per_list == names
        assert Source.load(tmp_path).digest() == source.digest()
    settings = tmp_path / "source" / "settings.yaml"
    lines = settings.read_text().splitlines(keepends=True)
    settings.write_text("".join(line for line in lines if not line.startswith("names_per_list")))
    assert Source.load(tmp_path).digest() == source.digest()


@pytest.mark.parametrize("names", [2, 4])
def test_too_few_names_tell_the_largest_possible_population(names):
    n = math.prod([names] * 3)
    Source.build(DataSettings(n_individuals=n, n_unseen=0, n_new=0, entries_per_list=9, names_per_list=names))
    with pytest.raises(UserError, match=rf"{n + 1} individuals are more than the {n} full names"):
        Source.build(DataSettings(n_individuals=n, n_unseen=1, n_new=0, entries_per_list=9, names_per_list=names))
