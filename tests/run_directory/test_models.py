"""The one door through which models are loaded: what must not be is one line."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from command_line import UserError
from run_directory.manifests import sha256
from run_directory.models import find_model, find_step

CODE = "from pathlib import Path\nPath({!r}).touch()\n"


@pytest.fixture
def run(finished, tmp_path):
    """As anybody's model, without a manifest."""
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "manifest.json").unlink()
    return run


def flip_a_bit(file):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def change(file, **entries):
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def refused(path):
    with pytest.raises(UserError) as refusal:
        find_model(str(path)).load()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_checkpoint_that_its_manifest_contradicts_is_never_loaded(run, name):
    flip_a_bit(run / "checkpoint-10" / name)
    assert f"is damaged: {name} is not as its manifest says" in refused(run / "checkpoint-10")
    with pytest.raises(UserError, match="is damaged"):
        find_step(str(run), 10).load()
    find_step(str(run), 20).load()


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"files": []}'])
def test_nor_one_whose_manifest_is_none(run, text):
    (run / "checkpoint-10" / "manifest.json").write_text(text)
    assert "is damaged: manifest.json" in refused(run / "checkpoint-10")


def test_a_published_revision_is_held_to_its_manifest_but_for_its_card(run):
    names = ("model.safetensors", "config.json", "tokenizer.json", "metrics.jsonl")
    files = {name: sha256((run / name).read_bytes()) for name in names} | {"README.md": sha256(b"the card")}
    (run / "manifest.json").write_text(json.dumps({"files": files, "revisions": {}}))
    (run / "README.md").write_text("another card")
    find_model(str(run)).load()
    flip_a_bit(run / "model.safetensors")
    assert "is damaged: model.safetensors" in refused(run)


def bert(run):
    config = json.loads((run / "config.json").read_text())
    sizes = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "intermediate_size": 8}
    BertForMaskedLM(BertConfig(vocab_size=config["vocab_size"], **sizes)).save_pretrained(run)


def without_a_layer(run):
    tensors = load_file(run / "model.safetensors")
    tensors.pop("transformer.h.0.mlp.c_fc.weight")
    save_file(tensors, run / "model.safetensors", {"format": "pt"})


def more_tokens(run):
    words = json.loads((run / "tokenizer.json").read_text())
    vocabulary = words["model"]["vocab"]
    vocabulary |= {f"other{number}": len(vocabulary) + number for number in range(500)}
    (run / "tokenizer.json").write_text(json.dumps(words))


def cut(name):
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[:100])


FOREIGN = {
    "bert": (bert, "holds a BertForMaskedLM, no causal language model"),
    "no tokenizer": (lambda run: (run / "tokenizer.json").unlink(), "it has no tokenizer.json"),
    "another tokenizer": (more_tokens, "has the tokenizer of another model"),
    "without a layer": (without_a_layer, "lacks transformer.h.0.mlp.c_fc.weight"),
    "cut weights": (cut("model.safetensors"), "cannot load"),
    "cut config": (cut("config.json"), "cannot load"),
    "cut tokenizer": (cut("tokenizer.json"), "cannot load"),
    "unknown kind": (lambda run: change(run / "config.json", model_type="mine"), "cannot load"),
    "a list": (lambda run: (run / "config.json").write_text("[]"), "cannot load"),
    "a pickle": (lambda run: (run / "model.safetensors").rename(run / "pytorch_model.bin"), "holds no final model"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_model_of_ours_is_one_line(run, what):
    damage, message = FOREIGN[what]
    damage(run)
    assert message in refused(run)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"])
def test_an_adapter_that_lies_beside_a_model_is_not_let_in(run, name):
    (run / name).write_text("{}")
    assert f"{name} would alter its weights" in refused(run)


def test_a_model_that_would_never_be_built_is_refused_at_once(run):
    change(run / "config.json", n_layer=10**9)
    assert "config.json says 1,000,000,000 layers" in refused(run)


@pytest.mark.parametrize("known", [True, False])
def test_code_of_a_model_is_never_run_and_nobody_is_asked(run, tmp_path, monkeypatch, known):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr("sys.stdin", (tmp_path / "yes").open("w+"))
    for name in ("configuration_evil.py", "modeling_evil.py", "tokenization_evil.py"):
        (run / name).write_text(CODE.format(str(tmp_path / "ran")))
    names = {"AutoConfig": "configuration_evil.Evil", "AutoModelForCausalLM": "modeling_evil.Evil"}
    change(run / "config.json", auto_map=names, **({} if known else {"model_type": "evil"}))
    change(run / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "tokenization_evil.Evil"]})
    if known:
        assert type(find_model(str(run)).load()[0]).__name__ == "GPT2LMHeadModel"
    else:
        assert "cannot load" in refused(run)
    assert not Path(tmp_path / "ran").exists()
