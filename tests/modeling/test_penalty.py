"""Weights that are held where they began, and how much each of them matters, against slow and plain versions."""

import copy

import pytest
import torch

from modeling.generation import write_texts
from modeling.loss import TokenLoss
from modeling.penalty import PenalizedLoss, information, trained_weights
from tests.helpers.families import lively, nano

KEYS = ("input_ids", "labels", "attribute_ids")


def moved(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            weights += 0.05 * torch.randn(weights.shape, generator=generator)


def penalized(model, kind):
    weights = trained_weights(model)
    importances = [torch.full_like(w, 0.3).cumsum(0) if kind == "each" else torch.tensor(0.3) for w in weights]
    return PenalizedLoss(TokenLoss(model), importances), importances


@pytest.mark.parametrize("kind", ["alike", "each"])
def test_the_penalty_is_there_once_whatever_parts_a_batch_is_cut_into(tokenizer, stream, kind):
    model, batch = nano(tokenizer), stream.batch(0, 6)
    model.transformer.wte.weight.requires_grad_(False)  # what is not trained is not held
    begin = [weights.detach().clone() for weights in trained_weights(model)]
    held, importances = penalized(model, kind)
    batch["labels"][[1, 4]] = -100
    assert held.penalty() == 0
    moved(model)
    pairs = zip(trained_weights(model), begin, importances, strict=True)
    expected = sum(float((i * (w.detach() - b) ** 2).sum()) for w, b, i in pairs) / 2
    plain, values = TokenLoss(model)(*(batch[key] for key in KEYS))
    n_tokens = int((batch["labels"][:, 1:] != -100).sum())
    plain.backward()
    gradients = [weights.grad.clone() for weights in trained_weights(model)]
    model.zero_grad()
    for rows in (slice(0, 6), slice(0, 2), slice(2, 6)):
        total, of_values = held(*(batch[key][rows] for key in KEYS))
        (total / n_tokens).backward()
        if rows == slice(0, 6):
            assert torch.equal(of_values, values)
            assert total.item() == pytest.approx(plain.item() + n_tokens * expected, rel=1e-5)
            whole = [weights.grad.clone() for weights in trained_weights(model)]
            model.zero_grad()
    rows = zip(trained_weights(model), begin, importances, gradients, whole, strict=True)
    for weights, start, importance, gradient, at_once in rows:
        assert torch.allclose(at_once, gradient / n_tokens + importance * (weights - start), rtol=1e-3, atol=1e-5)
        assert torch.allclose(weights.grad, at_once, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("preset", ["nano", "llama-nano"])
def test_what_matters_is_the_mean_square_of_each_texts_gradient(tokenizer, preset):
    model = lively(tokenizer, 0, preset)
    model.get_input_embeddings().weight.requires_grad_(False)
    texts = write_texts(model, tokenizer, 4, 20, seed=0)
    found = information(model, texts)
    slow = [torch.zeros_like(weights) for weights in trained_weights(model)]
    for text in texts:
        model.zero_grad()
        ids = torch.tensor([text])
        log_p = model(ids).logits[0, :-1].log_softmax(1)
        log_p.gather(1, ids[0, 1:, None]).sum().backward()
        for square, weights in zip(slow, trained_weights(model), strict=True):
            square += weights.grad**2 / sum(len(text) - 1 for text in texts)
    assert any(square.max() > 0 for square in slow)
    for mine, expected in zip(found, slow, strict=True):
        assert torch.allclose(mine, expected, rtol=1e-3, atol=1e-6)


def test_half_of_it_is_the_divergence_that_a_small_way_of_one_weight_makes(tokenizer):
    model = lively(tokenizer, 0)
    texts = write_texts(model, tokenizer, 120, 12, seed=0)
    ids = torch.tensor([text + [0] * (12 - len(text)) for text in texts])
    predicting = torch.tensor([[place < len(text) - 1 for place in range(11)] for text in texts])

    @torch.no_grad()
    def predicted(model):
        return model(ids).logits[:, :-1][predicting].log_softmax(1)

    expected, found, old = 0.0, 0.0, predicted(model)
    matters = [weights.flatten() for weights in information(model, texts)]
    for number in range(2, 10):
        index = int(matters[number].argmax())
        other = copy.deepcopy(model)
        with torch.no_grad():
            trained_weights(other)[number].view(-1)[index] += 0.02
        expected += float((old.exp() * (old - predicted(other))).sum() / predicting.sum())
        found += 0.5 * float(matters[number][index]) * 0.02**2
    assert found == pytest.approx(expected, rel=0.2)
