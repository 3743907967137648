"""Attention patching as a user starts it: a run and one of its steps in, run directory out."""

import json
import shutil
from functools import partial

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel

import run_patching
from command_line import UserError
from evaluation.measure import run_measure
from modeling.patching import Patched
from modeling.presets import build_model
from run_directory.manifests import write_manifest
from run_directory.records import load_run
from settings.model import ModelSettings
from tests.helpers.hub_server import HubServer
from tests.helpers.hub_toys import Client
from tests.helpers.patching import SCRIPT, arguments, patch, reference_in
from tests.helpers.pretraining import TIMES, pretrain, records, same, two_processes, weights, world_of


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return reference_in(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def finished(reference, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "patched"
    patch(run, reference, save_steps=10, draw_figures=True)
    return run


def attention_weights(run):
    """Those of queries and keys, and those of values."""
    width = 32
    named = {name: tensor for name, tensor in weights(run).items() if "c_attn.weight" in name}
    return {n: t[:, : 2 * width] for n, t in named.items()}, {n: t[:, 2 * width :] for n, t in named.items()}


def test_it_begins_as_the_reference_did_learns_otherwise_and_is_a_run_like_any_other(reference, finished):
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert (config["reference"], config["reference_patching"], config["start_patching"]) == (str(reference), 20, 0)
    assert (config["seed"], config["learning_rate"], config["n_individuals"]) == (3, 0.01, 64)
    for name in ("individuals.json", "hallucination.json", "figures/learning_curve.png", "figures/phases.json"):
        assert (finished / name).exists(), name
    assert type(AutoModelForCausalLM.from_pretrained(finished)) is GPT2LMHeadModel
    assert weights(finished).keys() == weights(reference).keys()
    first, last = records(finished)[0], records(finished)[-1]
    assert (first["step"], last["step"]) == (0, 20)
    assert last["loss"] < records(finished)[1]["loss"]
    assert last["loss"] != records(reference)[-1]["loss"]
    for key in ("tokens", "biographies"):  # the same batches
        assert [record[key] for record in records(finished)] == [record[key] for record in records(reference)]
    assert [r["step"] for r in records(finished) if "seen_attribute_loss" in r] == [0, 5, 10, 15, 20]


def test_queries_and_keys_only_decay(finished, reference):
    """Their gradients are 0; what AdamW then does is weight decay."""
    _, stream = world_of(reference)
    tokenizer = AutoTokenizer.from_pretrained(reference)
    model = build_model(ModelSettings(preset="nano"), tokenizer, stream.tables.max_length, seed=3)
    initial = {name: tensor for name, tensor in model.state_dict().items() if "c_attn.weight" in name}
    rates = load_run(finished).curve("learning_rate")[1]
    assert len(rates) > 1
    queries_and_keys, values = attention_weights(finished)
    for name, tensor in queries_and_keys.items():
        shares = tensor / initial[name][:, : tensor.shape[1]]
        torch.testing.assert_close(shares, shares.mean().expand_as(shares), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(values[name] / initial[name][:, tensor.shape[1] :], shares.mean(), rtol=1e-2)


def test_evaluations_are_of_the_patched_model(reference, finished):
    _, stream = world_of(reference)
    stream.seed = 3
    probes = {group: stream.probe(group, 32) for group in ("seen", "unseen")}
    model, of_reference = (AutoModelForCausalLM.from_pretrained(run) for run in (finished, reference))
    measure = run_measure(probes, stream.value_sizes, 4)
    plain, patched = measure(model), measure(Patched(model, of_reference))
    last = records(finished)[-1]
    for key in ("seen_attribute_loss", "unseen_entropy", "seen_attribute_accuracy"):
        assert last[key] == pytest.approx(patched[key], rel=1e-5)
    assert last["seen_attribute_loss"] != pytest.approx(plain["seen_attribute_loss"], rel=2e-5)


def test_config_is_a_recipe_that_makes_the_same_run(finished, tmp_path):
    run_patching.main([str(finished / "config.yaml"), "--output_dir", str(tmp_path / "again")])
    assert same(weights(finished), weights(tmp_path / "again"))
    assert records(finished, *TIMES) == records(tmp_path / "again", *TIMES)


def test_patched_with_its_own_beginning_it_starts_at_the_same_loss(reference, tmp_path):
    """Step 0 is the untrained model, whose attention is its own in the first step."""
    run = patch(tmp_path / "run", reference, reference_patching=0)
    ours, theirs = run.records[0], records(reference)[0]
    for key in ("seen_attribute_loss", "unseen_entropy"):
        assert ours[key] == pytest.approx(theirs[key], rel=1e-4)
    assert run.records[-1]["loss"] != pytest.approx(records(reference)[-1]["loss"], rel=1e-6)


def test_started_later_it_begins_where_the_reference_was(reference, tmp_path):
    """With equal steps, attention is frozen from then on: nothing else differs at first."""
    run = patch(tmp_path / "run", reference, start_patching=10, reference_patching=10, eval_steps=7, save_steps=20)
    then = next(record for record in records(reference) if record["step"] == 10)
    first = run.records[0]
    assert first["step"] == 10
    for key in ("tokens", "biographies", "seen_attribute_accuracy"):
        assert first[key] == then[key]
    assert first["seen_attribute_loss"] == pytest.approx(then["seen_attribute_loss"], rel=1e-4)
    assert run.records[-1]["tokens"] == records(reference)[-1]["tokens"]
    assert run.curve("seen_attribute_loss")[0].tolist() == [10, 14, 20]
    state = load_file(run.path / "checkpoint-20" / "optimizers.safetensors")  # AdamW begins anew, and counts its steps
    assert {int(tensor) for name, tensor in state.items() if name.endswith(".step")} == {10}


@pytest.mark.parametrize("start", [0, 10])
def test_cut_off_and_resumed_it_ends_the_same(reference, tmp_path, start):
    settings = {"save_steps": 5, "start_patching": start, "reference_patching": 10}
    whole = patch(tmp_path / "whole", reference, **settings)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoint-20")
    cut = patch(tmp_path / "cut", reference, **settings, resume_from_checkpoint="latest")
    assert same(weights(whole.path), weights(cut.path))
    assert records(whole.path, *TIMES) == records(cut.path, *TIMES)
    with pytest.raises(UserError, match="cannot resume .*: reference_patching is 20 now, but the run has 10"):
        patch(tmp_path / "cut", reference, start_patching=start, resume_from_checkpoint="latest")


def test_resumed_with_a_reference_that_was_moved_but_not_with_another(reference, finished, tmp_path):
    cut, moved = (shutil.copytree(path, tmp_path / path.name) for path in (finished, reference))
    shutil.rmtree(cut / "checkpoint-20")
    settings = {"save_steps": 10, "resume_from_checkpoint": "latest"}
    assert same(weights(patch(cut, moved, **settings).path), weights(finished))
    shutil.copy(moved / "checkpoint-10" / "model.safetensors", moved / "checkpoint-20")
    write_manifest(moved / "checkpoint-20")
    with pytest.raises(UserError, match="cannot resume .*: reference_sha256 is .* now, but the run has"):
        patch(cut, moved, **settings)


def test_two_processes_give_the_same_curve(reference, finished, tmp_path):
    options = arguments(tmp_path / "two", reference, per_device_train_batch_size=4)
    two_processes(tmp_path / "two", *options, script=SCRIPT, recipe=())
    for key in ("loss", "seen_attribute_loss"):
        assert load_run(tmp_path / "two").curve(key)[1] == pytest.approx(load_run(finished).curve(key)[1], abs=1e-3)


def test_a_repository_of_the_hub_is_a_reference_too(reference, finished, tmp_path):
    with HubServer() as hub:
        Client(hub, tmp_path / "publisher").hub_cards("publish", reference, "--repo", "me/facts")
        start = partial(Client(hub, tmp_path / "home", token=None).call, run_patching.main)
        start(*arguments(tmp_path / "hub", "me/facts", reference_patching=10, start_patching=10))
        local = patch(tmp_path / "local", reference, reference_patching=10, start_patching=10)
        assert same(weights(tmp_path / "hub"), weights(local.path))
        failed = start(*arguments(tmp_path / "x", "me/facts", reference_patching=15), code=2)
        assert failed.stderr.strip().endswith(
            "error: me/facts was not saved at step 15; the steps at which it was: 10, 20"
        )


def test_a_run_without_a_checkpoint_or_not_finished_is_a_reference_too(reference, finished, tmp_path):
    half = shutil.copytree(reference, tmp_path / "half")
    shutil.rmtree(half / "checkpoint-20")
    assert same(weights(patch(tmp_path / "whole", half).path), weights(finished))  # the final model is enough
    (half / "model.safetensors").unlink()
    with pytest.raises(UserError, match="was not saved at step 20; the steps at which it was: 10$"):
        patch(tmp_path / "run", half)
    patch(tmp_path / "run", half, reference_patching=10)


MISTAKES = {
    "no reference": ({"reference": None}, "no reference: say whose attention is used, e.g. --reference runs/mine"),
    "no step": ({"reference_patching": None}, "no reference_patching: say of which step, e.g. --reference_patching"),
    "no such run": ({"reference": "nowhere"}, "nowhere is no directory and cannot be fetched from the Hub"),
    "not saved": ({"reference_patching": 15}, "was not saved at step 15; the steps at which it was: 10, 20"),
    "negative": ({"reference_patching": -1}, "was not saved at step -1; the steps at which it was: 10, 20"),
    "start not saved": ({"start_patching": 5}, "was not saved at step 5; the steps at which it was: 10, 20"),
    "starts at the end": ({"start_patching": 20}, "start_patching is 20; it must be from 0 to below max_steps 20 of"),
    "starts before": ({"start_patching": -1}, "start_patching is -1; it must be from 0 to below max_steps 20"),
    "another seed": ({"seed": 4}, "seed is 4, but .* has 3; a patched run differs from its reference in attention"),
    "another size": ({"n_embd": 64}, "n_embd is 64, but .* has None; a patched run differs"),
    "another length": ({"max_steps": 40}, "max_steps is 40, but .* has 20; a patched run differs"),
    "another batch": ({"per_device_train_batch_size": 4}, r"1 process\(es\) make batches of 4, but .* has 8; "),
    "people twice": ({"dataset": "data/x"}, "brings the people it was trained on; leave out --dataset"),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_leaves_no_run(reference, tmp_path, settings, message):
    with pytest.raises(UserError, match=message) as error:
        patch(tmp_path / "run", **{"reference": reference} | settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_reference_of_another_architecture_or_tokenizer(reference, tmp_path):
    mixed, tokenizer = shutil.copytree(reference, tmp_path / "mixed"), AutoTokenizer.from_pretrained(reference)
    model = build_model(ModelSettings(preset="nano", n_layer=3), tokenizer, 100, seed=0)
    model.save_pretrained(mixed / "checkpoint-10")
    write_manifest(mixed / "checkpoint-10")
    with pytest.raises(UserError, match="checkpoint-10 is of another architecture: num_hidden_layers is 3, the"):
        patch(tmp_path / "run", mixed, reference_patching=10)
    tokenizer.add_tokens(["word"])
    tokenizer.save_pretrained(mixed / "checkpoint-20")
    write_manifest(mixed / "checkpoint-20")
    with pytest.raises(
        UserError, match="has another tokenizer than the one made from the reference's people|of another model"
    ):
        patch(tmp_path / "run", mixed)


def test_a_reference_of_another_population(reference, tmp_path):
    bare = shutil.copytree(reference, tmp_path / "bare")
    shutil.rmtree(bare / "dataset")
    with pytest.raises(UserError, match="comes without the people it was trained on; name them: --dataset data/mine"):
        patch(tmp_path / "run", bare)
    pretrain(tmp_path / "other", "--n_individuals", 48, "--max_steps", 1, "--schedule", "adaptive", "--indiv_warmup", 8)
    with pytest.raises(UserError, match="adaptive reacts to training, so that a patched model would see other batches"):
        patch(tmp_path / "run", tmp_path / "other")
    with pytest.raises(UserError, match="n_individuals is 48, but .* has 64; a patched run differs from its reference"):
        patch(tmp_path / "run", bare, dataset=tmp_path / "other" / "dataset")
    patch(tmp_path / "run", bare, dataset=reference / "dataset")


def test_a_checkpoint_alone_or_a_patched_run_is_no_reference(reference, finished, tmp_path):
    for path, message in (
        (reference / "checkpoint-10", "checkpoint-10 has no config.yaml; name the directory or repository of a whole"),
        (finished, "is patched itself; a reference is a run of run_pretrain.py"),
    ):
        with pytest.raises(UserError, match=message):
            patch(tmp_path / "run", path)
    with pytest.raises(UserError, match="lies in .*, where this run would be written; choose another --output_dir"):
        patch(reference, reference, overwrite_output_dir="true")
    assert (reference / "model.safetensors").exists()


def test_what_is_shared_names_no_directory(finished, tmp_path):
    with HubServer() as hub:
        Client(hub, tmp_path / "publisher").hub_cards("publish", finished, "--repo", "me/patched")
        files = hub.repo("me/patched").files("main")
        assert b"reference:" not in files["config.yaml"]
        card = files["README.md"].decode()
        assert "reference_patching: 20" in card
        assert "From step 0 on, its attention in training was that of another run at step 20" in card
        assert json.loads(files["metrics.jsonl"].decode().splitlines()[0])["step"] == 0


@pytest.mark.parametrize("told", [{"share_unknown": 0.25}, {"share_questions": 0.5}], ids=str)
def test_a_reference_that_was_told_more_has_its_own_tokenizer(tmp_path, told):
    pretrain(tmp_path / "reference", *(word for name, value in told.items() for word in (f"--{name}", value)))
    run = patch(tmp_path / "run", tmp_path / "reference", reference_patching=10)
    assert run.config["environment"]["reference_sha256"]
    assert (tmp_path / "run" / "tokenizer.json").read_bytes() == (
        tmp_path / "reference" / "tokenizer.json"
    ).read_bytes()
