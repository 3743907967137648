"""Other families than GPT-2, through the same scripts: data, training, quiz, figures, patching, fine-tuning, card."""

import json
import re
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM

import evaluation.__main__ as quiz
import run_finetune
import run_patching
from command_line import UserError
from evaluation import attention_map
from evaluation.measure import run_measure
from hub_cards.cards import model_card
from run_directory.records import load_run
from settings.training import TrainingSettings
from tests.helpers.families import nano
from tests.helpers.pretraining import TIMES, pretrain, records, same, weights, world_of
from training.optimizers import build_optimizers

CARDS = {
    "llama-nano": r"A Llama model \(rotary positions, RMSNorm, SwiGLU\) with [0-9,]+ parameters "
    r"\(2 layers of width 32, 2 heads; input and output embeddings not tied\), pre-trained",
    "qwen3-nano": r"A Qwen3 model \(.*grouped-query attention\) with [0-9,]+ parameters "
    r"\(2 layers of width 32, 2 heads with 1 of keys and values; input and output embeddings tied\), pre-trained",
    "hawk-nano": r"A Hawk model, recurrent and without attention with [0-9,]+ parameters \(2 layers of width 32; input",
}


@pytest.fixture(scope="module", params=CARDS)
def preset(request):
    return request.param


@pytest.fixture(scope="module")
def run(tmp_path_factory, preset):
    path = tmp_path_factory.mktemp("runs") / preset
    pretrain(path, "--preset", preset, "--n_new", 8, draw_figures=True)
    return path


def start(script, output, **settings):
    given = {"output_dir": output, "num_threads": 1, "draw_figures": False} | settings
    script.main([str(word) for key, value in given.items() for word in (f"--{key}", value)])


def finetune(run, output, **settings):
    start(run_finetune, output, model=run, max_steps=2, per_device_train_batch_size=4, eval_individuals=4, **settings)


@pytest.mark.parametrize(
    ("preset", "kinds"),
    [
        ("hawk-nano", {"linear_x", "linear_y", "linear_out", "gate_proj", "up_proj", "down_proj"}),
        ("qwen3-nano", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
    ],
)
def test_muon_takes_the_matrices_of_its_blocks(tokenizer, preset, kinds):
    model = nano(tokenizer, preset=preset)
    adamw, muon = build_optimizers(model, TrainingSettings(optim="muon"))
    names = {parameter: name for name, parameter in model.named_parameters()}
    taken = {names[p] for group in muon.param_groups for p in group["params"]}
    assert {name.split(".")[-2] for name in taken} == kinds
    assert len(taken) == 2 * len(kinds)
    rest = {names[p] for group in adamw.param_groups for p in group["params"]}
    assert taken | rest == set(names.values())


def test_a_run_has_the_same_metrics_and_those_of_attention_if_there_is_any(run, preset):
    first, last = records(run)[0], records(run)[-1]
    assert last["loss"] < records(run)[1]["loss"]
    for key in ("seen_attribute_loss", "unseen_entropy", "layer_1_gradient_to_names", "layer_2_gradient_to_names"):
        assert last[key] > 0
    attentive, of_attention = preset != "hawk-nano", ("layer_2_value_to_name", "layer_1_sharpness", "name_grouping")
    assert [key in last for key in of_attention] == [attentive] * 3
    for name in ("hallucination.json", "individuals.json", "figures/learning_curve.png", "figures/signatures.png"):
        assert (run / name).exists(), name
    assert (run / "ablation.json").exists() == attentive
    assert first["no_knowledge_baseline"] == last["no_knowledge_baseline"]


def test_what_is_saved_is_what_was_measured_and_answers_in_the_quiz(run, tmp_path, capsys):
    model = AutoModelForCausalLM.from_pretrained(run)
    _, stream = world_of(run)
    probes = {group: stream.probe(group, 32) for group in ("seen", "unseen")}
    measured = run_measure(probes, stream.value_sizes, 4)(model)
    for key in ("seen_attribute_loss", "unseen_attribute_loss"):
        assert records(run)[-1][key] == pytest.approx(measured[key], rel=1e-4)
    quiz.main([str(run), "--people", "1"])
    said = capsys.readouterr().out
    assert said.count("truth:") + said.count("right") == 12
    kind = model.config.model_type
    with pytest.raises(UserError, match=f"preset nano has model_type gpt2, but .* has {kind}; leave out --preset"):
        finetune(run, tmp_path / "tuned", preset="nano")


def test_cut_off_and_resumed_it_ends_the_same(run, tmp_path, preset):
    cut = shutil.copytree(run, tmp_path / "cut")
    shutil.rmtree(cut / "checkpoint-20")
    pretrain(cut, "--preset", preset, "--n_new", 8, "--resume_from_checkpoint", "latest")
    assert same(weights(run), weights(cut))
    assert records(run, *TIMES) == records(cut, *TIMES)


def test_generation_is_greedy_token_by_token(run):
    model = AutoModelForCausalLM.from_pretrained(run)
    prompt = world_of(run)[1].probe("seen", 1)["input_ids"][:, :12]
    written = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=5, do_sample=False)
    for _ in range(written.shape[1] - 12):
        prompt = torch.cat((prompt, model(prompt, use_cache=False).logits[:, -1:].argmax(-1)), dim=1)
    assert torch.equal(written, prompt)


@pytest.mark.parametrize("trainable", ["feed_forward", "lora"])
def test_a_part_of_it_can_be_fine_tuned(run, tmp_path, preset, trainable):
    if (preset, trainable) == ("hawk-nano", "lora"):
        with pytest.raises(UserError, match="trainable lora is not for RecurrentGemmaForCausalLM; take all or one of"):
            finetune(run, tmp_path / "tuned", trainable=trainable)
        return
    finetune(run, tmp_path / "tuned", trainable=trainable, preset=preset, interpolations=0.5)
    before, after = weights(run), weights(tmp_path / "tuned")
    changed = {name.split(".")[3] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"lora": {"self_attn", "mlp"}}.get(trainable, {"mlp_block" if preset == "hawk-nano" else "mlp"})
    assert len(json.loads((tmp_path / "tuned" / "interpolation.json").read_text())) == 1


def test_its_attention_is_patched_and_drawn_or_refused(run, tmp_path, preset):
    draw = [str(run), "--output_dir", str(tmp_path / "figures")]
    if preset == "hawk-nano":
        with pytest.raises(UserError, match="RecurrentGemmaForCausalLM has no attention to record or to patch"):
            start(run_patching, tmp_path / "patched", reference=run, reference_patching=20)
        with pytest.raises(UserError, match="RecurrentGemmaForCausalLM has no attention to record or to patch"):
            attention_map.main(draw)
        return
    attention_map.main(draw)
    assert (tmp_path / "figures" / f"attention-{run.name}-0.png").exists()
    start(run_patching, tmp_path / "patched", reference=run, reference_patching=20)
    assert records(tmp_path / "patched")[-1]["loss"] < records(tmp_path / "patched")[1]["loss"]
    _assert_queries_and_keys_only_decayed(tmp_path / "patched", run, preset)


def _assert_queries_and_keys_only_decayed(patched, run, preset):
    tokenizer, _ = world_of(run)
    initial, final = nano(tokenizer, preset=preset).state_dict(), weights(patched)
    for name in initial:
        if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
            shares = final[name] / initial[name]
            constant = torch.allclose(shares, shares.mean().expand_as(shares), rtol=1e-4, atol=1e-4)
            assert constant == ("v_proj" not in name), name
            assert not torch.equal(final[name], initial[name])


def test_its_card_says_what_it_is(run, preset):
    card = model_card(load_run(run), "me/model")
    assert re.search(CARDS[preset], card)
    assert f"with {sum(tensor.numel() for tensor in weights(run).values()):,} parameters" in card
    assert "GPT-2" not in card
