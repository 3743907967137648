"""Sentences up to their value: what they say, the place of each token, and the same about somebody else."""

import numpy as np
import pytest
import torch

from command_line import UserError
from data_builder.biographies import Renderer
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tokenizer import train_tokenizer
from evaluation.prompts import POSITIONS, SETS, _positions, chosen_people, exchanged, prompts_about
from settings.data import DataSettings
from tests.helpers.foreign import KINDS, foreign_tokenizer


def text_of(tokenizer, prompts, row):
    return tokenizer.decode(prompts.input_ids[row, 1 : prompts.last[row] + 1]).lstrip()


@pytest.mark.parametrize("heldout", [True, False])
def test_each_attribute_of_each_individual_is_asked_in_its_own_wording(stream, source, tokenizer, heldout):
    people, renderer = np.array([3, 11]), Renderer(source)
    prompts = prompts_about(stream, people, heldout)
    assert prompts.asked.tolist() == [*range(6)] * 2
    assert prompts.people.tolist() == [3] * 6 + [11] * 6
    for row, (person, attribute) in enumerate((person, attribute) for person in people for attribute in range(6)):
        name, kept = renderer.name(source.population.names[person]), source.population.heldout[person, attribute]
        said = {
            f"{template.head} {name}{template.middle}".lstrip()
            for number, template in enumerate(renderer.templates[attribute])
            if (number in kept) == heldout
        }
        assert text_of(tokenizer, prompts, row) in said
        value = renderer.values[attribute][source.population.values[person, attribute]]
        assert prompts.answers[row] == tokenizer(value, add_special_tokens=False).input_ids[0]


def test_the_place_of_every_token(stream, source, tokenizer):
    prompts = prompts_about(stream, chosen_people(source.population.groups["seen"], 20))
    renderer = Renderer(source)
    for row in range(len(prompts)):
        name = [tokenizer(f" {part}", add_special_tokens=False).input_ids for part in
                renderer.name(source.population.names[prompts.people[row]]).split()]  # fmt: skip
        ids, places = prompts.input_ids[row].tolist(), prompts.positions[row].tolist()
        tokens, end = [token for part in name for token in part], int(prompts.last[row])
        start = next(t for t in range(len(ids)) if ids[t : t + len(tokens)] == tokens)
        stop = start + len(tokens)
        expected = ["before_name"] * start + ["first_name", *["middle_name"] * (len(tokens) - 2), "last_name"]
        expected += ["after_name"] * (end > stop) + ["further"] * (end - stop - 1) + ["before_value"]
        assert [POSITIONS[place] for place in places[: end + 1]] == expected
        assert places[end + 1 :] == [-1] * (len(places) - end - 1)
    for name, positions in SETS.items():
        assert torch.equal(prompts.at(name), sum(prompts.at(position) for position in positions) > 0), name


def test_a_name_of_one_token_is_its_last():
    """And one that stands right before the value is the prompt's last."""
    is_name = np.array([[0, 1, 0, 0, 0], [0, 1, 1, 0, 0]]) == 1
    found = [[POSITIONS[p] if p >= 0 else "" for p in row] for row in _positions(is_name, np.array([4, 3]))]
    assert found[0] == ["before_name", "last_name", "after_name", "before_value", ""]
    assert found[1] == ["before_name", "first_name", "before_value", "", ""]


def test_another_name_takes_the_place_of_each_token_and_all_else_stays(stream, source):
    seen = source.population.groups["seen"]
    clean, other = exchanged(stream, chosen_people(seen, 20), np.array(seen))
    assert len(clean) == 120
    assert torch.equal(clean.positions, other.positions)
    assert torch.equal(clean.input_ids != other.input_ids, clean.at("name"))
    assert torch.equal(clean.answers, other.answers)
    values = source.population.values
    for row in range(len(clean)):
        a, b, attribute = int(clean.people[row]), int(other.people[row]), int(clean.asked[row])
        assert values[a, attribute] != values[b, attribute] or attribute == 0  # of a date, the day
        assert (source.population.names[a] != source.population.names[b]).all()


def test_nobody_to_exchange_with_is_one_line(stream):
    with pytest.raises(UserError, match="nobody has another name of as many tokens and another answer"):
        exchanged(stream, np.array([3]), np.array([3]))


@pytest.mark.parametrize("kind", [name for name in KINDS if "GPT-2" in name or "Llama 2" in name or name == "Unigram"])
def test_names_of_other_tokenizers_are_exchanged_where_they_have_as_many_tokens(kind):
    source = Source.build(DataSettings(n_individuals=60, n_unseen=0, n_new=0, entries_per_list=12))
    tokenizer = foreign_tokenizer(kind, [piece.strip() for piece in source.pieces()])
    stream = BiographyStream(source, tokenizer, None, seed=0)
    clean, other = exchanged(stream, chosen_people(source.population.groups["seen"], 10), np.arange(60))
    assert ((clean.input_ids != other.input_ids) <= clean.at("name")).all()
    assert (clean.at("name").sum(1) > 2).any()
    renderer = Renderer(source)
    for row in range(len(clean)):
        said = tokenizer.decode(clean.input_ids[row, : clean.last[row] + 1], skip_special_tokens=True)
        assert renderer.name(source.population.names[clean.people[row]]).split()[1] in said


def test_where_all_values_begin_alike_the_answer_is_what_tells_them_apart(tmp_path):
    (tmp_path / "facts.csv").write_text("name,code\n" + "".join(f"Land{n},code {n % 5}x\n" for n in range(20)))
    source = Source.build(DataSettings(facts=str(tmp_path / "facts.csv")))
    tokenizer = train_tokenizer(source.pieces())
    prompts = prompts_about(BiographyStream(source, tokenizer, None, seed=0), np.arange(20))
    for row in range(20):
        assert text_of(tokenizer, prompts, row).endswith(" code")
        value = Renderer(source).values[0][source.population.values[row, 0]]
        assert f"code{tokenizer.decode(prompts.answers[row])}x" == value


def test_chunks_are_the_same_rows(stream, source):
    prompts = prompts_about(stream, chosen_people(source.population.groups["seen"], 5))
    parts = [*prompts.chunks(7)]
    assert [len(part) for part in parts] == [7, 7, 7, 7, 2]
    assert torch.cat([part.answers for part in parts]).equal(prompts.answers)
    for part in parts:
        assert part.input_ids.shape[1] == part.positions.shape[1] == part.last.max() + 1
