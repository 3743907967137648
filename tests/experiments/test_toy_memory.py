"""The toy memory: stacked memories are trained as single ones would be, on the pairs that they should see."""

import math

import pytest
import torch
from torch import nn

from experiments.toy_memory import memory
from experiments.toy_memory.memory import Sizes, Variant, draw, finetune, logits, make_pairs, measure, pretrain
from sweeps.results import load_results

SMALL = Sizes(width=8, n_hidden=16, n_values=5, n_old=64, n_measured=64, n_new=8, batch_size=16, max_steps=40,
              max_steps_finetune=12)  # fmt: skip
SEEDS = (3, 4)


class OneMemory(nn.Module):
    """As one would write it for a single memory."""

    def __init__(self, parameters):
        super().__init__()
        first, first_bias, second, second_bias = (p.detach()[0] for p in parameters)
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
        for layer, weight, bias in ((self.layers[0], first, first_bias), (self.layers[2], second, second_bias)):
            layer.weight.data, layer.bias.data = weight.T.clone(), bias[0].clone()

    def forward(self, keys, values):
        return self.layers(keys) @ values.T


def slow_training(seed, n_steps):
    pairs = make_pairs(SMALL, (seed,))
    model = OneMemory(memory.new_memories(SMALL, (seed,)))
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = 0.03 * 0.5 * (1 + math.cos(math.pi * step / n_steps))
        chosen = draw(SMALL, [None], (seed,), step, 0)[0]
        scores = model(pairs.keys[0, chosen], pairs.values[0])
        optimizer.zero_grad()
        nn.functional.cross_entropy(scores, pairs.classes[0, chosen]).backward()
        optimizer.step()
    return model


def test_stacked_memories_are_trained_as_single_ones():
    pairs = make_pairs(SMALL, SEEDS)
    assert pairs.keys.shape == (2, 72, 8)
    for vectors in (pairs.keys, pairs.values):
        torch.testing.assert_close(vectors.norm(dim=2), torch.ones(vectors.shape[:2]))
    assert set(pairs.classes.unique().tolist()) == set(range(5))
    assert torch.equal(make_pairs(SMALL, (4,)).keys[0], pairs.keys[1])
    memories = pretrain(SMALL, SEEDS, pairs)
    untrained, trained = (measure(m, pairs, slice(64)) for m in (memory.new_memories(SMALL, SEEDS), memories))
    assert untrained[0] == pytest.approx(math.log(5), abs=0.1)
    assert trained[1] > 0.4 > untrained[1]
    scores = logits(memories, pairs.keys, pairs.values)
    for number, seed in enumerate(SEEDS):
        expected = slow_training(seed, SMALL.max_steps)(pairs.keys[number], pairs.values[number])
        torch.testing.assert_close(scores[number], expected, rtol=1e-3, atol=1e-3)


def test_a_new_pair_has_weight_one():
    large = Sizes(n_old=800, n_new=100, batch_size=20_000)
    variants = [None, Variant(100), Variant(50, 1 / 16), Variant(100, 1 / 8)]
    pre, plain, half, equal = draw(large, variants, (0,), 5, 1)
    assert pre.max() < 800 <= plain.min()
    assert len(plain.unique()) == 100
    assert [(chosen < 800).float().mean().item() for chosen in (half, equal)] == pytest.approx([0.5, 0.5], abs=0.02)
    assert half.max() == 849
    counts = torch.bincount(equal, minlength=900).float()
    assert counts[800:].mean() / counts[:800].mean() == pytest.approx(8, rel=0.1)
    assert torch.equal(draw(large, variants, (0,), 5, 1)[1], plain)
    assert not torch.equal(draw(large, variants, (0,), 6, 1)[1], plain)


def test_variants_do_not_meet():
    """A variant is the same alone and beside others, and the memories it begins with are left as they are."""
    pairs = make_pairs(SMALL, SEEDS)
    memories = pretrain(SMALL, SEEDS, pairs)
    before = [tensor.detach().clone() for tensor in memories]
    both = {"a": Variant(8), "b": Variant(8, 1 / 8)}
    together = finetune(SMALL, SEEDS, pairs, memories, both)
    alone = finetune(SMALL, SEEDS, pairs, memories, {"b": both["b"]})
    for records, expected in zip(together[1::2], alone, strict=True):
        for record, other in zip(records, expected, strict=True):
            assert record == pytest.approx(other, rel=1e-3)
    assert together[0] != together[1]
    assert all(map(torch.equal, before, memories))


def test_results_are_those_of_any_experiment(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "VARIANTS", {"new-8": Variant(8), "replay-1/8": Variant(8, 1 / 8)})
    memory.main(tmp_path, SMALL)
    results = load_results(tmp_path)
    assert [result.name for result in results] == [
        f"{v}-seed{s}" for s in memory.SEEDS for v in ("new-8", "replay-1/8")
    ]
    steps, accuracies = results[0].run.curve("old_accuracy")
    assert steps.tolist() == sorted(memory.measured_steps(12))
    assert accuracies[0] == results[1].run.curve("old_accuracy")[1][0]
    assert results[1].settings == {"n_new": 8, "weight_replay": 1 / 8}
