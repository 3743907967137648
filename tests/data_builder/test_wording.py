"""Wording and order of training as settings (paper, Fig. A)."""

import hashlib

import numpy as np
import pytest

from command_line import UserError
from data_builder.random import uniforms
from data_builder.schedules import Plan, Uniform
from data_builder.stream import BiographyStream
from tests.helpers.pretraining import pretrain, same


def stream(source, tokenizer, **wording):
    return BiographyStream(source, tokenizer, Uniform(Plan(source.population.groups["seen"])), seed=0, **wording)


def drawn(population, own, person, n=2000):
    """The templates in which a person is told in training, of each attribute."""
    draws = uniforms(0, "test", (n, 2 * population.values.shape[1]))
    told = population.draw_wording(np.full(n, person), draws, False, own).templates
    return [set(column) for column in told.T.tolist()]


@pytest.mark.parametrize("n", [1, 3, 20])
def test_everybody_is_told_in_as_many_templates_as_asked_for_and_never_in_heldout_ones(source, n):
    population = source.population
    own = population.own_templates(n, seed=0)
    for person in (0, 7):
        for attribute, templates in enumerate(drawn(population, own, person)):
            assert len(templates) == n
            assert not templates & set(population.heldout[person, attribute].tolist())
    if n == 20:  # those of every stream
        assert drawn(population, own, 7) == drawn(population, None, 7)


def test_individuals_have_templates_of_their_own(source):
    own = source.population.own_templates(1, seed=0)
    assert len({tuple(map(min, drawn(source.population, own, person, 10))) for person in range(30)}) > 25


def test_a_fixed_order_is_that_of_the_attributes_in_training_alone(source, tokenizer):
    fixed = stream(source, tokenizer, sentence_order="fixed")
    for batch, in_order in ((fixed.batch(3, 16), True), (fixed.probe("seen", 16), False)):
        rows = batch["attribute_ids"].tolist()
        orders = [list(dict.fromkeys(attribute for attribute in row if attribute)) for row in rows]
        assert all(order == sorted(order) for order in orders) == in_order
    trained = fixed.probe("seen", 16, heldout=False)
    assert same({"ids": trained["individual_ids"]}, {"ids": fixed.probe("seen", 16)["individual_ids"]})
    assert all(row == sorted(row) for row in [[a for a in row if a] for row in trained["attribute_ids"].tolist()])


def test_defaults_change_no_batch(source, tokenizer):
    plain, said = stream(source, tokenizer), stream(source, tokenizer, templates_per_individual=20)
    assert not plain.further_probes(8)
    assert said.further_probes(8).keys() == {"memorized"}
    # Of the batch, before there were these settings.
    assert hashlib.sha256(plain.batch(5, 8)["input_ids"].numpy().tobytes()).hexdigest()[:16] == "7245ddf3f12956ce"
    assert same(plain.probe("seen", 8), said.probe("seen", 8))


def test_too_many_templates_are_one_line(source, tokenizer):
    with pytest.raises(UserError, match="templates_per_individual is 21; it must be from 1 to 20, those that are not"):
        stream(source, tokenizer, templates_per_individual=21)


def test_a_run_measures_what_it_knows_in_its_own_wording_beside(tmp_path):
    run = pretrain(tmp_path / "run", "--templates_per_individual", 1, "--sentence_order", "fixed")
    assert {"memorized_attribute_loss", "memorized_attribute_accuracy"} <= run.records[-1].keys()
    assert "memorized_attribute_loss" not in pretrain(tmp_path / "plain").records[-1]
