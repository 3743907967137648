"""What a run says of each individual, against slow loops."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

import evaluation.__main__ as quiz
import evaluation.individuals
from analysis.summary import summary
from evaluation.individuals import individual_knowledge
from modeling.presets import build_model
from run_directory.records import load_run
from settings.model import ModelSettings
from tests.helpers.pretraining import pretrain, records, world_of
from training.loop import token_and_value_counts

N_STEPS = 100


def value_losses(model, batch):
    """{(row, attribute): [(cross-entropy, right) of each token]}, from the logits of transformers."""
    model.eval()
    found = {}
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.log_softmax(-1)
    for row, column in (batch["attribute_ids"] > 0).nonzero().tolist():
        token, predicted = batch["input_ids"][row, column].item(), logits[row, column - 1]
        value = found.setdefault((row, batch["attribute_ids"][row, column].item()), [])
        value.append((-predicted[token].item(), predicted.argmax().item() == token))
    return found


def slow_places(values, individuals):
    """For each individual, in their order, whether the value told first, second, ... is right: read left to right."""
    told = {individual: [] for individual in sorted(individuals)}
    for (row, _), tokens in values.items():  # in the order in which they were met
        told[individuals[row]].append(int(all(right for _, right in tokens)))
    return list(told.values())


def slow_knowledge(values, individuals):
    """[individual, attribute loss, attribute accuracy] in the order of individuals."""
    known = []
    for row, individual in enumerate(individuals):
        own = [tokens for (r, _), tokens in values.items() if r == row]
        assert len(own) == 6
        loss = sum(loss for tokens in own for loss, _ in tokens) / 6
        known.append([individual, loss, sum(all(right for _, right in tokens) for tokens in own) / 6])
    return sorted(known)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "finished"
    few = ("--n_individuals", 30, "--entries_per_list", 4, "--eval_steps", 100, "--save_steps", 100)
    fast = ("--optim", "muon", "--muon_learning_rate", 0.05, "--learning_rate", 0.05, "--max_steps", N_STEPS)
    pretrain(run, *few, *fast)
    return run


def test_individuals_of_a_run_are_known_as_a_slow_loop_says_and_drawn_as_often_as_its_batches_say(finished):
    columns, last = json.loads((finished / "individuals.json").read_text()), records(finished)[-1]
    _, stream = world_of(finished)
    probe = stream.probe("seen", 32)
    values = value_losses(AutoModelForCausalLM.from_pretrained(finished), probe)
    expected = np.array(slow_knowledge(values, probe["individual_ids"].tolist()))
    keys = ("individual", "attribute_loss", "attribute_accuracy")
    assert np.transpose([columns[key] for key in keys]) == pytest.approx(expected, abs=1e-3)
    assert 0 < expected[:, 2].mean() < 1
    assert columns["individual"] == list(range(30))
    for name in keys[1:]:
        assert np.mean(columns[name]) == pytest.approx(last[f"seen_{name}"], abs=1e-4)
    assert columns["right_by_place"] == slow_places(values, probe["individual_ids"].tolist())
    drawn = [person for step in range(N_STEPS) for person in stream.batch(step, 8)["individual_ids"].tolist()]
    assert columns["times_drawn"] == [drawn.count(person) for person in range(30)]


def test_analysis_and_evaluation_tell_accuracy_by_place_beside_the_average(finished, capsys):
    probe = world_of(finished)[1].probe("seen", 30)
    values = value_losses(AutoModelForCausalLM.from_pretrained(finished), probe)
    places = np.array(slow_places(values, probe["individual_ids"].tolist()))
    by_place = "  ".join(f"{100 * sum(column) / 30:.1f}%" for column in places.T.tolist())
    assert len(set(by_place.split())) > 1
    line = f"  by the sentence's place in the biography, first to last: {by_place}  (30 people)"
    run = load_run(finished)
    _, seen, told, *_ = summary(run, None).splitlines()
    assert (told, f"accuracy {places.mean():.1%}" in seen) == (line, True)
    quiz.main([str(finished), "--people", "0"])
    seen, told, *_ = capsys.readouterr().out.splitlines()
    assert (seen, told) == (f"seen people, held-out wording: accuracy {places.mean():.1%} (30 of 30 people)", line)
    older = {key: column for key, column in run.individuals.items() if key != "right_by_place"}
    assert line not in summary(replace(run, individuals=older), None)


@given(st.integers(1, 12), st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_knowledge_of_individuals_is_that_of_a_slow_loop(n, seed, share):
    """On invented predictions: several tokens a value, individuals in any order, everything right or wrong."""
    random = np.random.default_rng(seed)
    individuals = random.permutation(100)[:n]
    values = {
        (row, attribute): [
            (float(random.random()), bool(random.random() < share)) for _ in range(random.integers(1, 4))
        ]
        for row in range(n)
        for attribute in random.permutation(6) + 1
    }
    tokens = [(*key, *token) for key, tokens in values.items() for token in tokens]
    rows, attributes, losses, correct = (np.array(column) for column in zip(*tokens, strict=True))
    flat = {"rows": rows, "attributes": attributes, "losses": losses, "correct": correct}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation.individuals, "probe_predictions", lambda model, probe, each: flat)
        known = individual_knowledge(None, {"individual_ids": torch.from_numpy(individuals)})
    assert known.pop("right_by_place").tolist() == slow_places(values, individuals.tolist())
    assert np.transpose(list(known.values())) == pytest.approx(np.array(slow_knowledge(values, individuals)))
    assert list(known) == ["individual", "attribute_loss", "attribute_accuracy"]


@pytest.mark.parametrize("shares", [(8, 1), (2, 4)])
def test_the_training_attribute_loss_is_that_of_the_batch_before_its_update(tmp_path, shares):
    sizes = ("--per_device_train_batch_size", shares[0], "--gradient_accumulation_steps", shares[1])
    pretrain(tmp_path / "run", "--max_steps", 1, *sizes)
    tokenizer, stream = world_of(tmp_path / "run")
    model = build_model(ModelSettings(preset="nano"), tokenizer, stream.tables.max_length, seed=0)
    values = value_losses(model, stream.batch(0, 8))
    assert len(values) == 8 * 6
    first, last = records(tmp_path / "run")
    assert first["train_attribute_loss"] is None
    expected = np.mean([sum(loss for loss, _ in tokens) for tokens in values.values()])
    assert last["train_attribute_loss"] == pytest.approx(expected, rel=1e-5)


def test_tokens_and_values_are_counted(stream):
    labels = torch.tensor([[1, 5, 6, 7, 2, -100], [1, 5, 5, 5, 5, 2]])
    attributes = torch.tensor([[0, 3, 3, 1, 0, 0], [0, 0, 2, 0, 6, 0]])
    assert token_and_value_counts({"labels": labels, "attribute_ids": attributes}) == (9, 4)
    batch = stream.batch(0, 11)
    n_tokens = sum(1 for row in batch["labels"].tolist() for label in row[1:] if label != -100)
    assert token_and_value_counts(batch) == (n_tokens, 11 * 6)
