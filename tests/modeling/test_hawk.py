"""The model without attention, through the same script and metrics."""

import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, RecurrentGemmaForCausalLM

import evaluation.__main__ as quiz
import run_finetune
import run_patching
from command_line import UserError
from evaluation.measure import run_measure
from evaluation.signatures import gradients_to_names, look
from hub_cards.cards import model_card
from modeling.adaptation import adapt
from modeling.loss import TokenLoss, wanted_logits
from modeling.presets import build_config, build_model
from settings.model import AdaptationSettings, ModelSettings
from settings.training import TrainingSettings
from tests.helpers.pretraining import TIMES, pretrain, records, same, weights, world_of
from training.optimizers import build_optimizers


@pytest.fixture
def model(tokenizer):
    return hawk(tokenizer)


def hawk(tokenizer, seed=0, **sizes):
    return build_model(ModelSettings(preset="hawk-nano", **sizes), tokenizer, max_length=10**6, seed=seed)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "hawk"
    pretrain(path, "--preset", "hawk-nano", "--n_new", 8)
    return path


def test_it_is_stock_and_without_attention(model):
    assert type(model) is RecurrentGemmaForCausalLM
    assert set(model.config.layer_types) == {"linear_attention"}
    assert not any("Attention" in type(module).__name__ for module in model.modules())
    assert model.config.num_hidden_layers == 2


@pytest.mark.parametrize("preset", ["nano", "tiny", "44m"])
def test_it_is_about_as_large_as_the_preset_of_that_name(tokenizer, preset):
    blocks = []
    for name in (preset, f"hawk-{preset}"):
        with torch.device("meta"):
            made = AutoModelForCausalLM.from_config(build_config(ModelSettings(preset=name), tokenizer))
        body = made.base_model
        blocks.append(sum(p.numel() for p in (body.h if hasattr(body, "h") else body.layers).parameters()))
    assert blocks[1] == pytest.approx(blocks[0], rel=0.1)


def test_weights_depend_on_the_seed_alone(tokenizer):
    first, again, other = (hawk(tokenizer, seed).state_dict() for seed in (0, 0, 1))
    assert same(first, again)
    assert not same(first, other)


def test_loss_and_gradients_equal_those_of_transformers(tokenizer, stream):
    batch, model = stream.batch(0, 5), hawk(tokenizer)
    n_tokens = (batch["labels"][:, 1:] != -100).sum()
    loss = TokenLoss(model)(batch["input_ids"], batch["labels"], batch["attribute_ids"])[0] / n_tokens
    loss.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    keys = ("input_ids", "attention_mask", "labels")
    expected = model(**{key: batch[key] for key in keys}, use_cache=False).loss
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=1e-5)


def test_wanted_logits_are_those_of_the_stock_model(model, stream):
    batch = stream.batch(0, 18)
    wanted = batch["attribute_ids"] > 0
    expected = model(input_ids=batch["input_ids"], use_cache=False).logits[:, :-1][wanted[:, 1:]]
    torch.testing.assert_close(wanted_logits(model, batch["input_ids"], wanted), expected, rtol=1e-3, atol=1e-4)


def test_muon_takes_the_matrices_of_its_blocks(model):
    adamw, muon = build_optimizers(model, TrainingSettings(optim="muon"))
    names = {parameter: name for name, parameter in model.named_parameters()}
    taken = {names[p] for group in muon.param_groups for p in group["params"]}
    kinds = ("linear_x", "linear_y", "linear_out", "gate_proj", "up_proj", "down_proj")
    assert {name.split(".")[-2] for name in taken} == set(kinds)
    assert len(taken) == 2 * 6
    rest = {names[p] for group in adamw.param_groups for p in group["params"]}
    assert taken | rest == set(names.values())


def test_a_run_has_the_same_metrics_without_attention(run):
    first, last = records(run)[0], records(run)[-1]
    assert last["loss"] < first["no_knowledge_baseline"] * 10
    for key in ("seen_attribute_loss", "unseen_entropy", "layer_1_gradient_to_names", "layer_2_gradient_to_names"):
        assert last[key] > 0
    assert not [key for key in last if "value_to" in key or "sharpness" in key or "grouping" in key]
    for name in ("hallucination.json", "individuals.json", "figures/learning_curve.png", "figures/signatures.png"):
        assert (run / name).exists(), name
    assert not (run / "ablation.json").exists()


def test_what_is_saved_is_what_was_measured(run):
    model = AutoModelForCausalLM.from_pretrained(run)
    assert type(model) is RecurrentGemmaForCausalLM
    _, stream = world_of(run)
    probes = {group: stream.probe(group, 32) for group in ("seen", "unseen")}
    measured = run_measure(probes, stream.value_sizes, 4)(model)
    for key in ("seen_attribute_loss", "unseen_attribute_loss"):
        assert records(run)[-1][key] == pytest.approx(measured[key], rel=1e-4)


def test_cut_off_and_resumed_it_ends_the_same(run, tmp_path):
    cut = shutil.copytree(run, tmp_path / "cut")
    shutil.rmtree(cut / "checkpoint-20")
    pretrain(cut, "--preset", "hawk-nano", "--n_new", 8, "--resume_from_checkpoint", "latest")
    assert same(weights(run), weights(cut))
    assert records(run, *TIMES) == records(cut, *TIMES)


def test_gradients_that_reach_names_equal_those_of_hidden_states(model, stream):
    probe = stream.probe("seen", 3)
    _, attention, gradients = look(model, probe)
    assert attention is None
    assert all(0 < ratio < 10 for ratio in gradients_to_names(gradients, probe))
    states = model(input_ids=probe["input_ids"], output_hidden_states=True, use_cache=False)
    entering = states.hidden_states[1]  # block 2
    attributes = probe["attribute_ids"]
    row, column = ((attributes[:, 1:] > 0) & (attributes[:, 1:] != attributes[:, :-1])).nonzero(as_tuple=True)
    losses = -states.logits[row, column].log_softmax(1).gather(1, probe["input_ids"][row, column + 1][:, None])
    (expected,) = torch.autograd.grad(losses.sum(), entering)
    torch.testing.assert_close(gradients[1], expected, rtol=1e-3, atol=1e-5)


def test_it_answers_in_the_quiz(run, capsys):
    quiz.main([str(run), "--people", "1"])
    said = capsys.readouterr().out
    assert said.count("truth:") + said.count("right") == 12


def test_generation_is_greedy_token_by_token(run):
    model = AutoModelForCausalLM.from_pretrained(run)
    prompt = world_of(run)[1].probe("seen", 1)["input_ids"][:, :12]
    written = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=5, do_sample=False)
    for _ in range(written.shape[1] - 12):
        prompt = torch.cat((prompt, model(prompt, use_cache=False).logits[:, -1:].argmax(-1)), dim=1)
    assert torch.equal(written, prompt)


def test_it_can_be_fine_tuned_as_a_whole_but_not_in_parts(run, model, tmp_path):
    options = ("--model", run, "--output_dir", tmp_path / "tuned", "--max_steps", 2, "--num_threads", 1,
               "--per_device_train_batch_size", 4, "--eval_individuals", 4)  # fmt: skip
    run_finetune.main([str(option) for option in options])
    assert type(AutoModelForCausalLM.from_pretrained(tmp_path / "tuned")) is RecurrentGemmaForCausalLM
    with pytest.raises(UserError, match="trainable lora is for GPT-2; this model is a recurrent_gemma"):
        adapt(model, AdaptationSettings(trainable="lora"), seed=0)


def test_it_cannot_be_patched(run, tmp_path):
    words = ("--reference", run, "--reference_patching", 20, "--output_dir", tmp_path / "patched")
    with pytest.raises(UserError, match="attention of RecurrentGemmaForCausalLM cannot be patched"):
        run_patching.main([str(word) for word in words])


def test_its_card_says_so(run):
    from run_directory.records import load_run

    assert "A Hawk model, recurrent and without attention (" in model_card(load_run(run), "me/hawk")
