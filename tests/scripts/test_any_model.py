"""Teaching models that are not of this project: any directory or repository that stock transformers loads."""

import json
import re
import shutil

import pytest
import torch
from huggingface_hub import HfApi
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma2Config, MambaConfig, OPTConfig

import evaluation.__main__ as quiz
import run_finetune
import run_pretrain
from command_line import UserError
from data_builder.source import Source
from hub_cards.cards import model_card
from run_directory.records import load_run
from settings.data import DataSettings
from tests.helpers.finetuning import arguments, finetune
from tests.helpers.foreign import foreign_model, foreign_tokenizer
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import NANO, records, same, weights

LANDS = [f"{first}{last}" for first in ("Ber", "Cor", "Dal", "Fen") for last in ("lin", "mark", "via", "sk", "ora")]
GPT_2, LLAMA_2 = "byte-level BPE (GPT-2, GPT-NeoX)", "SentencePiece BPE as a normalizer (Llama 2)"


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Facts to learn, facts known before, a text, and two models with tokenizers of their own."""
    root = tmp_path_factory.mktemp("foreign")
    for name, lands in (("facts", LANDS), ("old", LANDS[:4])):
        rows = [f"{land},{land[::-1].title()},{3 * number}" for number, land in enumerate(lands)]
        (root / f"{name}.csv").write_text("\n".join(["name,capital,code", *rows]))
    (root / "text.txt").write_text("Once upon a time there was a land without a name. " * 30)
    source = Source.build(DataSettings(facts=str(root / "facts.csv")))
    texts = [template.text for ts in source.templates.values() for template in ts]
    texts += [entry for entries in source.word_lists.lists.values() for entry in entries]
    foreign_model(root / "neox", foreign_tokenizer(GPT_2, texts), "gpt_neox")
    foreign_model(root / "llama", foreign_tokenizer(LLAMA_2, [*texts, "Once upon a time."]))
    return root


def teach(run, places, model="neox", **settings):
    given = {"facts": places / "facts.csv", "learning_rate": 1e-2} | settings
    return finetune(run, places / model, **{key: value for key, value in given.items() if value is not None})


@pytest.fixture(scope="module", params=["neox", "llama"])
def taught(request, places, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / request.param
    probes = {"probe_facts": places / "old.csv", "probe_text": places / "text.txt"}
    return teach(run, places, request.param, **probes, share_unseen=0.2, save_steps=6, draw_figures=True)


def test_it_learns_the_facts_and_old_knowledge_is_measured_beside_them(taught):
    first, last = taught.records[0], taught.records[-1]
    assert last["seen_attribute_loss"] < first["seen_attribute_loss"]
    for key in ("unseen_entropy", "unseen_auroc_entropy", "old_attribute_loss", "old_text_loss", "layer_1_sharpness"):
        assert first[key] != last[key]
    assert last["old_attribute_loss"] < first["old_attribute_loss"]  # they are among the facts that are taught
    assert 0 <= last["old_attribute_accuracy"] <= 1
    assert taught.config["individuals_finetune"] is None
    assert taught.config["environment"]["base_model_sha256"]
    report = json.loads((taught.path / "hallucination.json").read_text())
    assert report["detectors"]["entropy"]["auroc"]
    for name in ("individuals.json", "ablation.json", "figures/learning_curve.png", "figures/hallucination.png"):
        assert (taught.path / name).exists(), name


def test_it_holds_on_to_what_it_was_by_what_it_writes_itself(places, tmp_path):
    held = {"share_generated": 0.25, "n_generated": 8, "weight_ewc": 1, "weight_l2_start": 1, "old_attention": True}
    run = teach(tmp_path / "run", places, "llama", **held)
    assert run.generated == {"texts": 8}  # what is true of them nobody knows
    assert run.own_attention["seen_attribute_loss"] > 0


def test_its_card_says_what_it_began_as(taught):
    card = model_card(taught, "me/lands")
    assert "which began as another model and was then taught facts about 16 entries of a table" in card
    assert "The facts are those of a table that its author wrote." in card
    assert "invented entries" not in card


def test_what_is_measured_is_what_stock_transformers_computes(taught, places):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(taught.path), AutoTokenizer.from_pretrained(taught.path)
    ids = tokenizer((places / "text.txt").read_text(), return_tensors="pt").input_ids
    windows = [window for window in ids.split(256, dim=1) if window.shape[1] > 1]
    with torch.no_grad():
        losses = [model(window, labels=window).loss.item() * (window.shape[1] - 1) for window in windows]
    expected = sum(losses) / sum(window.shape[1] - 1 for window in windows)
    assert taught.records[-1]["old_text_loss"] == pytest.approx(expected, rel=1e-4)
    assert tokenizer.get_vocab() == AutoTokenizer.from_pretrained(places / taught.path.name).get_vocab()


def test_the_quiz_asks_in_its_own_tokens(taught, capsys):
    quiz.main([str(taught.path), "--people", "1"])
    said = capsys.readouterr().out
    assert said.count("truth:") + said.count("right  ") == 4


def test_it_is_looked_into_as_any_other(taught, tmp_path, capsys):
    for command, file in (("probe", "probing"), ("trace", "tracing"), ("knockout", "knockout"), ("gradients",) * 2):
        quiz.main([command, str(taught.path), "--steps", "12", "--output_dir", str(tmp_path)])
        (entry,) = json.loads((tmp_path / f"{file}.json").read_text())["steps"].values()
        assert len(entry["weights"]) == 64
        assert (tmp_path / f"{file}_12.png").exists()
    assert "probing.json" in capsys.readouterr().out


def test_cut_off_and_resumed_it_ends_the_same(taught, places, tmp_path):
    cut = shutil.copytree(taught.path, tmp_path / "cut")
    shutil.rmtree(cut / "checkpoint-12")
    probes = {"probe_facts": places / "old.csv", "probe_text": places / "text.txt"}
    more = {"share_unseen": 0.2, "save_steps": 6, "resume_from_checkpoint": "latest"}
    teach(cut, places, taught.path.name, **probes, **more)
    assert same(weights(cut), weights(taught.path))
    (tmp_path / "text.txt").write_text("Another text.")
    with pytest.raises(UserError, match="cannot resume .*: probe_text_sha256 is"):
        teach(cut, places, taught.path.name, **probes | {"probe_text": tmp_path / "text.txt"}, **more)


def test_with_lora_and_a_large_model_in_several_files(places, tmp_path):
    whole = AutoModelForCausalLM.from_pretrained(places / "llama")
    whole.save_pretrained(tmp_path / "sharded", max_shard_size="20KB")
    AutoTokenizer.from_pretrained(places / "llama").save_pretrained(tmp_path / "sharded")
    assert not (tmp_path / "sharded" / "model.safetensors").exists()
    run = finetune(tmp_path / "run", tmp_path / "sharded", facts=places / "facts.csv", trainable="lora", max_steps=2)
    before, after = whole.state_dict(), weights(run.path)
    assert {name for name in after if not torch.equal(after[name], before[name])} == {
        name for name in after if "proj" in name
    }


def test_pretraining_goes_on_from_it_on_any_population(places, tmp_path):
    tokenizer = foreign_tokenizer(GPT_2, (Source.build(DataSettings(60, 0, 0)).pieces()))
    start = foreign_model(tmp_path / "start", tokenizer, n_positions=512)
    run_pretrain.main([NANO, "--output_dir", str(tmp_path / "run"), "--init_from", str(start)])
    run = load_run(tmp_path / "run")
    assert run.records[-1]["seen_attribute_loss"] < run.records[0]["seen_attribute_loss"]
    config = AutoModelForCausalLM.from_pretrained(run.path).config
    assert (config.model_type, config.hidden_size) == ("llama", 32)
    with pytest.raises(UserError, match="--n_layer would change nothing: the model is"):
        run_pretrain.main([NANO, "--output_dir", str(tmp_path / "b"), "--init_from", str(start), "--n_layer", "3"])
    with pytest.raises(UserError, match="--n_individuals would change nothing: the rows of .* are all there is"):
        run_pretrain.main(["--facts", str(places / "facts.csv"), "--n_individuals", "3"])


def saved(config, folder, tokenizer):
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def short(places, root, tokenizer):
    return {"model": foreign_model(root / "short", tokenizer, n_positions=16)}


def soft_caps(places, root, tokenizer):
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    caps = {"final_logit_softcapping": 0.01, "num_key_value_heads": 1, "head_dim": 16}
    return {"model": saved(Gemma2Config(vocab_size=len(tokenizer), **sizes, **caps), root / "capped", tokenizer)}


def other_blocks(places, root, tokenizer):
    sizes = {"hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 16}
    sizes |= {"num_hidden_layers": 1, "num_attention_heads": 1}
    return {"model": saved(OPTConfig(vocab_size=len(tokenizer), **sizes), root / "opt", tokenizer)}


def no_attention(places, root, tokenizer):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "state_size": 4}
    return {"model": saved(MambaConfig(vocab_size=len(tokenizer), **sizes), root / "mamba", tokenizer)}


def contradiction(places, root, tokenizer):
    (root / "facts.csv").write_text(f"{(places / 'facts.csv').read_text()}\nBerlin,Paris,7\n")
    return {"facts": root / "facts.csv"}


def lower_case(root):
    """A model whose tokenizer reads capital letters as small ones."""
    texts = [2 * "abcdefghijklmnopqrstuvwxyz", 2 * "0123456789", ": . , ' ? ;"]
    return foreign_model(root / "lower", foreign_tokenizer("WordPiece, lower case", texts))


def names_alike(places, root, tokenizer):
    (root / "facts.csv").write_text("name,capital\nUS,Paris\nus,Rome\nIT,Oslo\nFR,Bern\n")
    return {"model": lower_case(root), "facts": root / "facts.csv"}


def alike(places, root, tokenizer):
    (root / "facts.csv").write_text("name,capital\nBerlin,us\nDalvia,US\nCormark,Fr\n")
    return {"model": lower_case(root), "facts": root / "facts.csv"}


MISTAKES = {
    "nothing to learn": (lambda *_: {"facts": None}, r"what is .*neox to learn\? A table, --facts facts.csv, or"),
    "rare": (lambda *_: {"individuals_finetune": "rare"}, "has read of nobody here, so that all are new to it"),
    "replay": (lambda *_: {"weight_replay_finetune": 1}, "schedule replay has nobody to replay here"),
    "invented": (lambda *_: {"share_invented": 0.5}, "share_invented invents names from word lists, and a table"),
    "no begin": (lambda *_: {"share_generated": 0.5}, "the model's tokenizer has no token for the beginning of a text"),
    "short": (short, "the longest biography .*has .* tokens, the model reads 16|the biography of .* reads 16"),
    "soft caps": (soft_caps, "Gemma2ForCausalLM cannot be taught here: it caps its logits"),
    "other blocks": (other_blocks, "OPTForCausalLM cannot be taught here, since its blocks or attention are others"),
    "no attention": (no_attention, "MambaForCausalLM cannot be taught here: its attention cannot be recorded"),
    "contradiction": (contradiction, "line 22: capital of Berlin is Paris here and Nilreb in line 2; keep one of them"),
    "names alike": (names_alike, "name: the model's tokenizer reads 'US' and 'us' alike; leave out one"),
    "alike": (alike, "capital: the model's tokenizer reads 'us' and 'US' alike; leave out one"),
    "no text": (lambda p, root, _: {"probe_text": root / "none"}, "cannot read .*none"),
    "slow tokenizer": (None, "it has no tokenizer.json, of which a fast tokenizer is made"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_before_anything_is_trained(places, tmp_path, change, message):
    tokenizer = AutoTokenizer.from_pretrained(places / "neox")
    if change is None:
        slow = shutil.copytree(places / "neox", tmp_path / "slow")
        (slow / "tokenizer.json").unlink()
        change = lambda *_: {"model": slow}  # noqa: E731
    given = {"model": places / "neox", "facts": places / "facts.csv"} | change(places, tmp_path, tokenizer)
    with pytest.raises(UserError, match=message) as error:
        run_finetune.main(arguments(tmp_path / "run", **{k: v for k, v in given.items() if v is not None}))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_nothing_of_the_old_is_measured_unless_asked(places, tmp_path):
    teach(tmp_path / "run", places, max_steps=1)
    assert not [key for key in records(tmp_path / "run")[0] if key.startswith("old_")]


def test_what_a_tokenizer_loses_is_told_before_anything_is_trained(places, tmp_path, capsys):
    teach(tmp_path / "run", places, lower_case(tmp_path), max_steps=1)
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: the model's tokenizer")]
    assert len(notes) == 1
    first, second = re.search("reads '(.*)' as '(.*)'; what it leaves out cannot be learned$", notes[0]).groups()
    assert first != second == first.lower()


def test_it_begins_with_a_repository_of_the_hub_and_its_adapter_names_it(places, hub, tmp_path):
    client = Client(hub, tmp_path / "home")

    def publish_and_teach(words):
        HfApi().create_repo("me/llama")
        HfApi().upload_folder(repo_id="me/llama", folder_path=places / "llama")
        how = {"facts": places / "facts.csv", "trainable": "lora", "gradient_checkpointing": True, "max_steps": 4}
        run_finetune.main(arguments(tmp_path / "run", model="me/llama", learning_rate=1e-2, **how))
        adapted = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "run" / "adapter")
        ids = torch.arange(3, 30)[None]
        taught = AutoModelForCausalLM.from_pretrained(tmp_path / "run")
        assert torch.allclose(adapted(ids).logits, taught(ids).logits, atol=1e-5)

    client.call(publish_and_teach)
    environment = load_run(tmp_path / "run").config["environment"]
    assert environment["base_model"] == "me/llama"
    client.hub_cards("publish", tmp_path / "run", "--repo", "me/lands", "--with_own_people")
    files = hub.repo("me/lands").files("main")
    assert json.loads(files["adapter/adapter_config.json"])["base_model_name_or_path"] == "me/llama"
    assert (
        files["adapter/adapter_model.safetensors"] == (tmp_path / "run/adapter/adapter_model.safetensors").read_bytes()
    )
    assert 'PeftModel.from_pretrained(base, "me/lands", subfolder="adapter")' in files["README.md"].decode()
    assert client.hub_cards("verify", "me/lands").stdout
