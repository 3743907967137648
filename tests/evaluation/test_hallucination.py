"""What is measured of confidence in a model, against plain transformers and slow loops."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from evaluation.detection import auprc, auroc, calibration_error
from evaluation.hallucination import answers, confidence, hallucination_report, separation, write_hallucination
from evaluation.neighbors import neighbor_answers
from evaluation.probes import probe_predictions, text_losses
from modeling.presets import build_model
from settings.model import ModelSettings


@pytest.fixture(scope="module")
def model(stream, tokenizer):
    model = build_model(ModelSettings(preset="nano"), tokenizer, stream.tables.max_length, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():  # a fresh model is nearly uniform everywhere
            parameter.mul_(4)
    return model


def slow_answers(model, probe):
    """Go through the biographies one by one: at each value's first token, all that is looked at."""
    rows = []
    for ids, attributes, mask in zip(probe["input_ids"], probe["attribute_ids"], probe["attention_mask"], strict=True):
        with torch.no_grad():
            logits = model(input_ids=ids[None, : mask.sum()]).logits[0].double()
        row = {}
        for attribute in range(1, 7):
            places = (attributes == attribute).nonzero().flatten().tolist()
            p = logits[places[0] - 1].softmax(0)
            top = p.sort(descending=True).values
            row[attribute] = {
                "top_probabilities": top[0].item(),
                "second_probabilities": top[1].item(),
                "entropies": -(p * p.log()).sum().item(),
                "logit_masses": logits[places[0] - 1].exp().sum().log().item(),
                "correct": p.argmax().item() == ids[places[0]].item(),
                "right": all(logits[place - 1].argmax() == ids[place] for place in places),
                "predicted": p.argmax().item(),
            }
        rows.append(row)
    return rows


def test_answers_equal_those_of_plain_transformers(model, stream):
    probe = stream.probe("seen", 12)
    fast, slow = answers(probe_predictions(model, probe)), slow_answers(model, probe)
    for key in slow[0][1]:
        expected = [[row[attribute][key] for attribute in range(1, 7)] for row in slow]
        assert fast[key] == pytest.approx(np.array(expected), rel=1e-4), key


def test_metrics_are_means_over_answers(model, stream):
    flats = {group: probe_predictions(model, stream.probe(group, 20)) for group in ("seen", "unseen")}
    found = {group: answers(flat) for group, flat in flats.items()}
    metrics = confidence(flats["seen"], "seen") | separation(flats["seen"], flats["unseen"])
    top, entropy = found["seen"]["top_probabilities"], found["seen"]["entropies"]
    assert metrics["seen_top_probability"] == pytest.approx(top.mean())
    assert metrics["seen_entropy"] == pytest.approx(entropy.mean())
    error = calibration_error(top.ravel(), found["seen"]["correct"].ravel())
    assert metrics["seen_calibration_error"] == error
    people = [found[group]["top_probabilities"].mean(1) for group in ("seen", "unseen")]
    assert metrics["unseen_auroc_top_probability"] == auroc(*people)
    assert metrics["unseen_auprc_top_probability"] == auprc(*people)
    uncertain = [-found[group]["entropies"].mean(1) for group in ("seen", "unseen")]
    assert metrics["unseen_auroc_entropy"] == auroc(*uncertain)


def test_text_losses_are_those_of_all_that_is_no_value(model, stream):
    probe = stream.probe("unseen", 9)
    with torch.no_grad():
        logits = model(input_ids=probe["input_ids"]).logits.log_softmax(2)
    for row, loss in enumerate(text_losses(model, probe)):
        expected = sum(
            -logits[row, place - 1, probe["input_ids"][row, place]].item()
            for place in range(1, int(probe["attention_mask"][row].sum()))
            if probe["attribute_ids"][row, place] == 0
        )
        assert loss == pytest.approx(expected, rel=1e-5)


def test_the_report_is_complete_and_json(model, stream, source, tmp_path):
    probes = {group: stream.probe(group, 20) for group in ("seen", "unseen")}
    report = hallucination_report(model, probes, source, stream.tables)
    assert all(low <= value <= high for found in report["detectors"].values() for value, low, high in found.values())
    assert {"top_probability", "entropy", "text_likelihood"} < report["detectors"].keys()
    likelihoods = [-text_losses(model, probes[group]) for group in ("seen", "unseen")]
    assert report["detectors"]["text_likelihood"]["auroc"][0] == auroc(*likelihoods)
    assert report["risk_coverage"]["coverage"][-1] == 1
    rights = [answers(probe_predictions(model, probe))["right"] for probe in probes.values()]
    assert report["risk_coverage"]["risk"][-1] == pytest.approx(1 - np.concatenate(rights).mean())
    write_hallucination(tmp_path, report)
    assert json.loads((tmp_path / "hallucination.json").read_text()).keys() == report.keys()


NAMES = ("first_name", "middle_name", "last_name")


class _Population(SimpleNamespace):
    def __len__(self):
        return len(self.names)


@pytest.mark.parametrize("seed", range(12))
def test_hits_and_chance_equal_counting_all_possible_neighbors(seed, monkeypatch):
    monkeypatch.setattr("data_builder.rows.BLOCK", 4)  # fewer than there are
    random = np.random.default_rng(seed)
    names, values = random.integers(0, 3, (8, 3)), random.integers(0, 4, (8, 6))
    population = _Population(names=names, values=values, groups={"seen": range(6)})
    token_of = [0, 1, 2, 2]
    tables = SimpleNamespace(tokens=np.array(token_of), starts=np.arange(4), values=[0] * 6)
    predicted, unseen = random.integers(0, 3, (2, 6)), np.array([6, 7])
    found = neighbor_answers(population, NAMES, tables, unseen, predicted)
    shares = {person: [sum(names[person] == names[other]) for other in range(6)] for person in unseen}
    near = {
        "most_similar": {p: [o for o in range(6) if max(s) > 0 and s[o] == max(s)] for p, s in shares.items()},
        **{
            name: {p: [o for o in range(6) if names[p, part] == names[o, part]] for p in unseen}
            for part, name in enumerate(NAMES)
        },
    }
    for name, neighbors in near.items():
        hits, chances = [], []
        for row, person in enumerate(unseen):
            for attribute in range(6):
                answer = predicted[row, attribute]
                if not neighbors[person] or answer == token_of[values[person, attribute]]:
                    continue
                has = [token_of[values[other, attribute]] == answer for other in range(6)]
                hits.append(any(has[other] for other in neighbors[person]))
                groups = list(itertools.combinations(range(6), len(neighbors[person])))
                chances.append(sum(any(has[other] for other in group) for group in groups) / len(groups))
        assert found[name]["answers"] == len(hits)
        if hits:
            assert found[name]["hits"] == pytest.approx(np.mean(hits))
            assert found[name]["chance"] == pytest.approx(np.mean(chances))
        else:
            assert found[name]["hits"] is None
