"""Operations and memory against counts that are made otherwise."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from modeling.cost import check_size, cost
from modeling.presets import PRESETS, build_config
from settings.model import ModelSettings

LENGTH = 40


@pytest.mark.parametrize("preset", ["nano", "tiny", "llama-tiny", "qwen3-tiny"])
def test_operations_are_those_that_torch_counts(tokenizer, preset):
    model = AutoModelForCausalLM.from_config(build_config(ModelSettings(preset=preset), tokenizer))
    ids = torch.zeros(2, LENGTH, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids).logits.sum().backward()
    # Torch counts all of attention, half of which is masked, and none of the reading of embeddings.
    assert cost(model, 2, 2, LENGTH, True).flop == pytest.approx(counter.get_total_flops(), rel=0.1)


@pytest.mark.parametrize("preset", ["44m", "llama-44m", "hawk-44m"])
def test_a_model_without_memory_tells_its_size(tokenizer, preset):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(build_config(ModelSettings(preset=preset), tokenizer))
    taken = cost(model, 128, 128, 80, True)
    assert taken.state == 16 * taken.n_parameters
    assert 20e6 < taken.n_parameters < 60e6
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert cost(model, 128, 128, 80, True).state == 4 * taken.n_parameters


def test_every_preset_may_be_made_here(tokenizer):
    for preset in PRESETS:
        check_size(build_config(ModelSettings(preset=preset), tokenizer))
