"""The controls of attention patching: no layer at all, some layers, and attention of other runs."""

import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import run_patching
from command_line import UserError
from evaluation.measure import run_measure
from modeling.patching import Patched
from modeling.presets import build_model
from settings.model import ModelSettings
from tests.helpers.patching import patch, reference_in
from tests.helpers.pretraining import pretrain, records, same, weights, world_of


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return reference_in(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def finished(reference, tmp_path_factory):
    """Patched in all layers."""
    run = tmp_path_factory.mktemp("runs") / "patched"
    patch(run, reference)
    return run


def test_with_no_layer_patched_it_is_the_reference_once_more_or_a_restart_of_its_optimizer(reference, tmp_path):
    again = patch(tmp_path / "again", reference, reference_patching=None, layers_patching=0)
    assert same(weights(again.path), weights(reference))
    assert [r["loss"] for r in again.records] == [r["loss"] for r in records(reference)]
    control = patch(tmp_path / "control", reference, reference_patching=None, layers_patching=0, start_patching=10)
    then = next(record for record in records(reference) if record["step"] == 10)
    assert control.records[0]["seen_attribute_loss"] == then["seen_attribute_loss"]
    assert not same(weights(control.path), weights(reference))
    patch(tmp_path / "lent", reference, donor_patching=control.path)  # its attention is its own
    assert "reference_sha256" not in control.config["environment"]
    run_patching.main([str(tmp_path / "control" / "config.yaml"), "--output_dir", str(tmp_path / "recipe")])
    assert same(weights(tmp_path / "recipe"), weights(control.path))


def test_queries_and_keys_learn_in_the_layers_that_are_not_patched(reference, finished, tmp_path):
    model = build_model(ModelSettings(preset="nano"), AutoTokenizer.from_pretrained(reference), 256, seed=3)
    run = patch(tmp_path / "run", reference, layers_patching=2)
    initial, learned = model.state_dict(), weights(run.path)
    keys = [f"transformer.h.{layer}.attn.c_attn.weight" for layer in (0, 1)]
    shares = [learned[key][:, :64] / initial[key][:, :64] for key in keys]
    torch.testing.assert_close(shares[1], shares[1].mean().expand_as(shares[1]), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(shares[0], shares[0].mean(), rtol=1e-2)
    assert not same(learned, weights(finished))
    # One layer after the other is all of them at once.
    both = patch(tmp_path / "both", reference, layers_patching="1 2")
    assert same(weights(both.path), weights(finished))


def test_attention_of_another_seed_with_other_people(reference, tmp_path):
    pretrain(tmp_path / "other", "--seed", 5, "--population_seed", 7, "--learning_rate", 0.01, "--save_at", 10)
    run = patch(tmp_path / "run", reference, donor_patching=tmp_path / "other", save_steps=10)
    _, stream = world_of(reference)
    stream.seed = 3
    donor, model = (AutoModelForCausalLM.from_pretrained(path) for path in (tmp_path / "other", run.path))
    measured = run_measure({"seen": stream.probe("seen", 32)}, stream.value_sizes, 4)(Patched(model, donor))
    assert run.records[-1]["seen_attribute_loss"] == pytest.approx(measured["seen_attribute_loss"], rel=1e-5)
    assert not same(weights(run.path), weights(patch(tmp_path / "own", reference).path))
    # A donor may move, but not change.
    moved = (tmp_path / "other").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "run" / "checkpoint-20")
    settings = {"save_steps": 10, "resume_from_checkpoint": "latest"}
    assert same(weights(patch(run.path, reference, donor_patching=moved, **settings).path), weights(run.path))
    shutil.rmtree(tmp_path / "run" / "checkpoint-20")
    with pytest.raises(UserError, match="cannot resume .*: reference_sha256 is .* now, but the run has"):
        patch(run.path, reference, **settings)


def test_a_donor_is_not_deleted_by_the_run_it_lends_to(reference, tmp_path):
    donor = shutil.copytree(reference, tmp_path / "donor")
    before = (donor / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="donor lies in .*donor, where this run would be written; choose another"):
        patch(donor, reference, donor_patching=donor, overwrite_output_dir="true")
    assert (donor / "model.safetensors").read_bytes() == before


def test_a_donor_that_cannot_lend_is_one_line(reference, finished, tmp_path):
    with pytest.raises(UserError, match="is patched itself, its own attention is not trained; name a run of run_pret"):
        patch(tmp_path / "run", reference, donor_patching=finished)
    pretrain(tmp_path / "words", "--max_steps", 1, "--names_per_list", 9)
    with pytest.raises(UserError, match="has another tokenizer than the one made from the reference's people"):
        patch(tmp_path / "run", reference, donor_patching=tmp_path / "words", reference_patching=1)
    pretrain(tmp_path / "deep", "--max_steps", 1, "--n_layer", 3)
    with pytest.raises(UserError, match="is of another architecture: num_hidden_layers is 3, the reference's config"):
        patch(tmp_path / "run", reference, donor_patching=tmp_path / "deep", reference_patching=1)


MISTAKES = {
    "layer too high": ({"layers_patching": "1 3"}, "layers_patching is 1 3; the model has the layers 1, 2, or 0 "),
    "layer and none": ({"layers_patching": "0 1"}, "layers_patching is 0 1; the model has the layers 1, 2, or 0 "),
    "layer below": ({"layers_patching": "-1"}, "layers_patching is -1; it must be at least 0"),
    "no layer, yet a step": ({"layers_patching": 0}, "--reference_patching would change nothing: layers_patching is 0"),
    "untrained donor": ({"reference_patching": 0, "donor_patching": "x"}, "an untrained model, which no run lends"),
    "no such donor": ({"donor_patching": "nowhere"}, "nowhere is no directory and cannot be fetched from the Hub"),
}


@pytest.mark.parametrize(("settings", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_leaves_no_run(reference, tmp_path, settings, message):
    with pytest.raises(UserError, match=message) as error:
        patch(tmp_path / "run", reference, **settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
