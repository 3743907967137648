"""Probes find facts that are planted, where and when they are, of people they were not fitted on; and nothing else."""

import numpy as np
import pytest
import torch

from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tokenizer import train_tokenizer
from evaluation import ridge
from evaluation.linear_probes import GROUPS, TOLD, LinearProbes, _permuted, _states
from evaluation.prompts import POSITIONS, prompts_about
from evaluation.ridge import _STRENGTHS, Ridge
from modeling.patching import blocks
from settings.data import DataSettings
from tests.helpers.families import nano


def still(share):
    """Nobody watches."""


@pytest.fixture(scope="module")
def world():
    source = Source.build(DataSettings(n_individuals=240, n_unseen=60, n_new=0, entries_per_list=8))
    tokenizer = train_tokenizer(source.pieces())
    return source, tokenizer, BiographyStream(source, tokenizer, None, seed=0)


@pytest.fixture(scope="module")
def probes(world):
    source, _, stream = world
    return LinearProbes(stream, source.population.groups, "seen", 240)


class Planted:
    """Adds to the residual stream that leaves a block, at a token of each seen individual, a code of its facts."""

    def __init__(self, model, probes, block, position, everybody=False):
        groups = [probes.fitted, *(probes.tested.values() if everybody else [probes.tested["seen"]])]
        self.codes, n = {}, len(probes.attributes)
        generator = torch.Generator().manual_seed(0)
        directions = torch.randn(n, 2000, model.config.hidden_size, generator=generator)
        for prompts in groups:
            answers = prompts.answers.reshape(-1, n)
            for row in range(len(prompts)):
                name = tuple(prompts.input_ids[row][prompts.at("name")[row]].tolist())
                self.codes[name] = sum(directions[a, answers[row // n, a]] for a in range(n))
        self.shift, self.ids = {"first_name": 0, "last_name": 2}[position], None
        blocks(model)[block].register_forward_hook(self.add)
        model.base_model.register_forward_pre_hook(self.look, with_kwargs=True)

    def look(self, module, inputs, named):
        self.ids = named["input_ids"]

    def add(self, block, inputs, output):
        added = output.clone()
        for row, ids in enumerate(self.ids.tolist()):
            for t in range(len(ids) - 2):
                if (name := tuple(ids[t : t + 3])) in self.codes:
                    added[row, t + self.shift] += self.codes[name]
        return added


def test_facts_that_are_planted_at_the_last_name_token_are_found_there_from_that_layer_on(world, probes):
    model = nano(world[1], n_layer=2, n_embd=96, n_head=4)
    Planted(model, probes, 0, "last_name")
    found = probes.measure(model, still)["accuracy"]
    place, chance = POSITIONS.index("last_name"), max(probes.chance())
    assert found.shape == (2, 3, len(POSITIONS), 6, 3)
    means = np.nanmean(found, axis=3)  # (told, groups, positions, layers)
    assert (means[:, 0, place, 1:] > 0.9).all()  # of the sentence's fact and of others
    assert (means[:, 0, place, 0] < chance + 0.1).all()
    assert (means[:, 0, :place, :] < chance + 0.1).all()  # no token before it can know
    assert (means[:, 1:, place] < chance + 0.1).all()  # permuted, and unseen


def test_unseen_people_are_read_alike_if_something_is_there(world, probes):
    model = nano(world[1], n_layer=2, n_embd=96, n_head=4)
    Planted(model, probes, 1, "first_name", everybody=True)
    means = np.nanmean(probes.measure(model, still)["accuracy"], axis=3)
    for group in ("seen", "unseen"):
        assert (means[:, GROUPS.index(group), POSITIONS.index("first_name"), 2] > 0.9).all()
    assert (means[:, :, POSITIONS.index("first_name"), :2] < 0.3).all()


def test_what_the_model_says_is_its_likeliest_token(world, probes):
    model = nano(world[1])
    prompts, right = probes.tested["unseen"], []
    for row in range(len(prompts)):
        with torch.no_grad():
            logits = model(input_ids=prompts.input_ids[row : row + 1, : prompts.last[row] + 1]).logits
        right.append(int(logits[0, -1].argmax() == prompts.answers[row]))
    expected = np.array(right).reshape(-1, 6).mean(0)
    np.testing.assert_allclose(probes.measure(model, still)["said"][1], expected)


def test_nobody_is_both_fitted_and_tested_and_the_wording_of_tests_is_held_out(world, probes):
    fitted = {*probes.fitted.people.tolist()}
    assert len(fitted) == 180
    assert probes.sizes() == {"fitted": 180, "tested_seen": 60, "tested_unseen": 60}
    assert not fitted & {*probes.tested["seen"].people.tolist()}
    assert {*probes.tested["unseen"].people.tolist()} <= {*world[0].population.groups["unseen"]}


def test_unseen_people_are_no_control_of_themselves(world):
    assert [*LinearProbes(world[2], world[0].population.groups, "unseen", 60).tested] == ["seen"]


def test_another_fact_is_read_in_a_sentence_that_tells_something_else(probes):
    n = len(probes.attributes)
    states = np.arange(n * 40, dtype=float).reshape(-1, 1)
    for attribute in range(n):
        told, people = probes._features(states, TOLD.index("asked"), attribute)
        assert (told[:, 0] % n == attribute).all()
        other, _ = probes._features(states, TOLD.index("other"), attribute)
        assert (other[:, 0] // n == people).all()
        assert {*(other[:, 0] % n)} == {*range(n)} - {attribute}


def test_ridge_is_what_leaving_out_each_row_in_turn_chooses():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 6)) * [1, 2, 3, 1, 1, 0] + 5
    classes = (x[:, 0] + x[:, 1] > 10).astype(int) + 2 * (x[:, 2] > 5)
    ours = Ridge(x).fit(classes)
    z = np.delete((x - x.mean(0)) / np.maximum(x.std(0), 1e-12), 5, axis=1)
    y = (classes[:, None] == np.unique(classes)).astype(float)
    y = (y - y.mean(0)) / y.std(0)
    mean = np.trace(z.T @ z) / 6  # of all eigenvalues, also that of the feature that is constant
    most, weights = -1, None
    for strength in _STRENGTHS * mean:
        right = 0
        for row in range(len(x)):
            kept = np.arange(len(x)) != row
            a, means = z[kept], (z[kept].mean(0), y[kept].mean(0))
            gram = (a - means[0]).T @ (a - means[0]) + strength * np.eye(5)
            w = np.linalg.solve(gram, (a - means[0]).T @ (y[kept] - means[1]))
            right += (((z[row] - means[0]) @ w + means[1]).argmax()) == y[row].argmax()
        if right > most:
            most, weights = right, np.linalg.solve(z.T @ z + strength * np.eye(5), z.T @ y)
    expected = ours.classes[(z @ weights).argmax(1)]
    assert (ours.predict(x) == expected).all()
    assert (ours.predict(x) == classes).mean() > 0.9


def test_a_probe_that_is_tested_on_whom_it_was_fitted_finds_what_is_not_there(world, probes, monkeypatch):
    """Why it must not: it tells people by their names, and permuted values are as good as any (Hewitt & Liang 2019)."""
    monkeypatch.setattr(ridge, "_STRENGTHS", np.array([1e-6]))
    model, people = nano(world[1], n_embd=96, n_head=4), probes.fitted.people[::6].numpy()
    states = [_states(model, prompts)[:, POSITIONS.index("last_name"), -1] for prompts in
              (probes.fitted, prompts_about(world[2], people))]  # fmt: skip
    values = _permuted(probes._answers(probes.fitted)[:, 3])
    fitted = Ridge(probes._features(states[0], 0, 3)[0]).fit(values)
    fitted_again = (fitted.predict(probes._features(states[1], 0, 3)[0]) == values).mean()
    assert fitted_again > 2.5 * probes.chance()[3]
