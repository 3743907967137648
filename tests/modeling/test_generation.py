"""Texts that a model writes by itself."""

import numpy as np
import pytest
import torch

import modeling.generation
from command_line import UserError
from modeling.generation import write_texts
from tests.helpers.families import NANO, lively
from tests.helpers.independent import fits


@pytest.mark.parametrize("preset", NANO)
def test_texts_are_a_function_of_model_and_seed_and_end_where_they_end(tokenizer, preset, monkeypatch):
    monkeypatch.setattr(modeling.generation, "_ROWS", 16)
    model = lively(tokenizer, 0, preset)
    model.get_output_embeddings().weight.data[tokenizer.eos_token_id] *= 4  # so that some texts end
    texts = write_texts(model, tokenizer, 40, 12, seed=3)
    assert len(texts) == 40
    assert 0 < sum(len(text) < 12 for text in texts) < 40
    for text in texts:
        assert text[0] == tokenizer.bos_token_id
        assert len(text) == 12 or text[-1] == tokenizer.eos_token_id
        assert tokenizer.eos_token_id not in text[1:-1]
    torch.rand(7)
    assert write_texts(model, tokenizer, 40, 12, seed=3, each=backwards) == texts
    assert write_texts(model, tokenizer, 40, 12, seed=4) != texts


def backwards(function, items):
    """As other processes would do it."""
    return [function(item) for item in reversed(items)][::-1]


def test_tokens_are_drawn_as_the_model_predicts_them_whatever_its_own_habits(tokenizer):
    model = lively(tokenizer, 0)
    model.generation_config.top_k, model.generation_config.temperature = 1, 0.1
    with torch.no_grad():
        logits = model(torch.tensor([[tokenizer.bos_token_id]])).logits[0, -1]
    firsts = [text[1] for text in write_texts(model, tokenizer, 5_000, 2, seed=0)]
    probabilities = logits.double().softmax(0).numpy()
    twenty = np.arange(len(probabilities)) % 20  # sums over tokens: single ones are too rare
    assert fits(np.bincount(twenty[firsts], minlength=20), np.bincount(twenty, weights=probabilities))


def test_a_tokenizer_without_a_begin_is_refused(tokenizer):
    class Endless:
        bos_token_id = eos_token_id = None

    with pytest.raises(UserError, match="no token for the beginning of a text.* leave out share_generated and weight"):
        write_texts(None, Endless(), 1, 2, seed=0)
