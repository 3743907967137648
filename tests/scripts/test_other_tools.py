"""Every snippet of docs/OTHER_TOOLS.md, with the real libraries, on a run; and what it should give."""

import copy
import logging
import runpy
import shlex
import sys
import warnings

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

import data_builder.__main__ as data_builder
import hub_cards.__main__ as hub_cards
from tests.helpers.families import NANO
from tests.helpers.families import nano as fresh
from tests.helpers.finetuning import finetune
from tests.helpers.pages import blocks, commands
from tests.helpers.pretraining import ROOT
from training.checkpoints import save_final

PAGE = ROOT / "docs" / "OTHER_TOOLS.md"
SNIPPETS = [block.text for block in blocks(PAGE) if block.language == "python"]
PROMPT = "Rudolf Ladislav Singh was born in"


@pytest.fixture(scope="module")
def here(trained, tmp_path_factory):
    """A directory with the runs that the page speaks of."""
    root = tmp_path_factory.mktemp("tools")
    (root / "runs").mkdir()
    (root / "runs" / "mine").symlink_to(trained, target_is_directory=True)
    finetune(root / "runs" / "lora", trained, trainable="lora", learning_rate=1e-2)
    return root


def snippet(here, imports, monkeypatch):
    """What a snippet leaves behind, by what it imports; it runs as a file."""
    library = imports.split()[1].split(".")[0]
    pytest.importorskip(library, reason=f"pip install {library}")
    (text,) = (text for text in SNIPPETS if imports in text)
    (here / "snippet.py").write_text(text)
    monkeypatch.chdir(here)
    return runpy.run_path("snippet.py")


def logits_of(folder):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return model(**tokenizer(PROMPT, return_tensors="pt")).logits


def test_transformer_lens(here, monkeypatch):
    there = snippet(here, "from transformer_lens.model_bridge", monkeypatch)
    expected = logits_of(here / "runs" / "mine")
    assert torch.allclose(there["logits"], expected, atol=1e-4)
    pattern = there["cache"]["blocks.0.attn.hook_pattern"]
    assert pattern.shape == (1, 2, expected.shape[1], expected.shape[1])
    assert torch.allclose(pattern.sum(-1), torch.ones(pattern.shape[:-1]))


def test_nnsight(here, monkeypatch):
    there = snippet(here, "from nnsight", monkeypatch)
    expected = logits_of(here / "runs" / "mine")
    assert torch.allclose(there["logits"], expected, atol=1e-5)
    assert there["states"].shape == (*expected.shape[:2], 32)


def test_peft(here, monkeypatch):
    there = snippet(here, "from peft", monkeypatch)
    adapted = there["PeftModel"].from_pretrained(
        AutoModelForCausalLM.from_pretrained(here / "runs" / "mine"), here / "runs" / "lora" / "adapter"
    )
    ids = AutoTokenizer.from_pretrained(here / "runs" / "lora")(PROMPT, return_tensors="pt").input_ids
    tuned, plain = (logits_of(here / "runs" / name) for name in ("lora", "mine"))
    assert torch.allclose(adapted(ids).logits, tuned, atol=1e-5)
    assert not torch.allclose(plain, tuned, atol=1e-3)


def test_evaluate_and_lm_eval(here, monkeypatch, capsys):
    said = commands(PAGE)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    mains = {"data_builder": data_builder.main, "hub_cards": hub_cards.main}
    for words in map(shlex.split, said):
        if words[:2] == ["python", "-m"]:
            mains[words[2]](words[3:])
        elif words[0] == "lm_eval" and "pretrained=runs/mine/checkpoint-10" in words:
            module = pytest.importorskip("lm_eval.__main__", reason="pip install lm_eval[hf]")
            monkeypatch.setattr(sys, "argv", words)
            module.cli_evaluate()
            assert "|fact_learning_seen|" in capsys.readouterr().out
    snippet(here, "import evaluate", monkeypatch)


@pytest.fixture
def heard():
    """What transformers logs as a warning, and what is warned of."""
    found, handler = [], logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())
    logger, before = logging.getLogger("transformers"), transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_warning()
    logger.addHandler(handler)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield lambda: found + [str(warning.message) for warning in warned]
    logger.removeHandler(handler)
    transformers.logging.set_verbosity(before)


@pytest.mark.parametrize("preset", NANO)
def test_pipelines_of_all_families_say_nothing_and_stop(preset, tokenizer, tmp_path, heard):
    saved = copy.deepcopy(tokenizer)
    saved.model_max_length = 10**30  # as made; saving says how many tokens the model reads
    save_final(tmp_path, fresh(tokenizer, preset=preset), saved)
    write = pipeline("text-generation", model=str(tmp_path))
    write.model.generate(**write.tokenizer(PROMPT, return_tensors="pt"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        write([PROMPT, f"It is {PROMPT}"], batch_size=2)
    (said,) = write(" ".join(["Singh"] * 40), do_sample=False, return_tensors=True)  # untrained, it may not end it
    assert 121 < len(said["generated_token_ids"]) <= 121 + 128
    assert write(PROMPT, max_new_tokens=3, return_full_text=False)
    assert heard() == []
    assert write.tokenizer.model_max_length == getattr(write.model.config, "max_position_embeddings", 10**30)
    ids = write.model.generation_config
    assert (ids.bos_token_id, ids.eos_token_id, ids.pad_token_id) == (1, 2, 0)


def test_the_snippet_for_transformers(here, monkeypatch, heard):
    assert snippet(here, "from transformers import pipeline", monkeypatch)
    assert heard() == []
