"""Cards say what was measured, and nothing else."""

import json
import shutil
from types import SimpleNamespace

import pytest
import yaml
from huggingface_hub import DatasetCard

import hub_cards.__main__ as command
import run_pretrain
from command_line import UserError
from hub_cards.cards import MISSING, dataset_card, model_card
from hub_cards.datasets import population_name
from hub_cards.revisions import checkpoint_revision, main_revision, sound_checkpoints
from run_directory.layout import MANIFEST
from run_directory.records import load_run


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def rewrite(path, change):
    lines = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_numbers_of_the_card_are_those_of_the_run(finished):
    card = model_card(load_run(finished), "me/facts", "me/people")
    last = json.loads((finished / "metrics.jsonl").read_text().splitlines()[-1])
    for group in ("seen", "unseen"):
        loss, accuracy, top, entropy = (
            last[f"{group}_{metric}"]
            for metric in ("attribute_loss", "attribute_accuracy", "top_probability", "entropy")
        )
        assert f"| {group} | {loss:.3f} | {accuracy:.1%} | {top:.3f} | {entropy:.3f} |" in card
    value, low, high = json.loads((finished / "hallucination.json").read_text())["detectors"]["top_probability"][
        "auroc"
    ]
    assert f"AUROC of {value:.3f} (95% bootstrap\ninterval over people {low:.3f} to {high:.3f})" in card
    assert f"No-knowledge baseline: {last['no_knowledge_baseline']:.3f} nats" in card
    assert f"{last['tokens']:,} tokens" in card
    assert "One run, seed 0, 20 steps" in card
    assert "Plateau: begin not reached, end not reached" in card
    assert MISSING not in card


def test_the_recipe_of_a_card_makes_the_run_again(finished, tmp_path):
    card = model_card(load_run(finished), "me/facts")
    (tmp_path / "recipe.yaml").write_text(card.split("```yaml\n")[1].split("```")[0])
    run_pretrain.main(
        [str(tmp_path / "recipe.yaml"), "--output_dir", str(tmp_path / "again"), "--draw_figures", "false"]
    )
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (finished / "model.safetensors").read_bytes()


def test_what_was_not_recorded_is_said_to_be_missing(copy):
    config = yaml.safe_load((copy / "config.yaml").read_text())
    del config["environment"], config["seed"]
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    kept = ("step", "tokens", "seen_attribute_loss", "seen_attribute_accuracy", "no_knowledge_baseline")
    rewrite(copy / "metrics.jsonl", lambda line: {key: line[key] for key in kept})
    shutil.rmtree(copy / "figures")
    for checkpoint in copy.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    card = model_card(load_run(copy), "me/facts")
    missing = (
        "One run, seed {}",
        "Commit: {}",
        "Versions: {}",
        "{} of wall-clock time on: {}, {} cores",
        "{} biographies",
    )
    said = [sentence.replace("{}", MISSING) for sentence in missing]
    for sentence in (*said, "No learning curve was drawn", "no step revisions"):
        assert sentence.replace("{}", MISSING) in card
    assert card.count(f"| {MISSING}") == 4 + 2  # unseen people: everything; seen people: confidence
    assert "![" not in card
    assert 'revision="' not in card


def test_a_revision_lists_each_of_its_files_and_damaged_checkpoints_are_not_published(copy, finished):
    (copy / "checkpoint-10" / "config.json").write_text("{}")
    assert list(sound_checkpoints(copy)) == [20]
    assert "step-000010" not in model_card(load_run(copy), "me/facts")
    revision = main_revision(load_run(finished), "the card", {})
    assert revision.manifest()["files"].keys() | {"manifest.json"} == revision.files.keys()
    assert {"model.safetensors", "README.md", "dataset/source/values/city.txt"} <= revision.files.keys()
    assert not [path for path in revision.files if path.startswith("checkpoint-")]


def test_what_lies_beside_the_files_of_a_run_is_not_published(copy):
    checkpoint = copy / "checkpoint-10"
    before = checkpoint_revision(load_run(copy), 10, checkpoint), main_revision(load_run(copy), "the card", {})
    for folder in (copy, checkpoint, copy / "figures", copy / "dataset" / "source"):
        (folder / ".DS_Store").write_bytes(b"secret")
    for folder in (copy, checkpoint):
        for name in ("notes.json", "other.safetensors", "mine.jsonl", "Thumbs.db"):
            (folder / name).write_text("secret")
    (copy / "manifest.json").write_text("{}")
    (checkpoint / "mine").mkdir()
    assert list(sound_checkpoints(copy)) == [10, 20]
    after = checkpoint_revision(load_run(copy), 10, checkpoint), main_revision(load_run(copy), "the card", {})
    assert after == before
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= after[0].files.keys()


def test_preview_names_the_damaged_checkpoints_that_are_left_out(copy, capsys):
    command.main(["preview", str(copy)])
    assert capsys.readouterr().err == ""
    (copy / "checkpoint-20" / "config.json").write_text("{}")
    (copy / "checkpoint-10" / "manifest.json").write_text("3")
    command.main(["preview", str(copy)])
    said = capsys.readouterr()
    assert said.err == "left out, damaged (not as their manifests say): checkpoint-10, checkpoint-20\n"
    assert said.out.startswith("---\n")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("kept", [0, 100])
@pytest.mark.parametrize(("told", "by"), [(f"{MANIFEST} says", "its manifest"), ("cannot be read", "the file")])
def test_a_damaged_final_model_is_one_line(copy, name, kept, told, by):
    (copy / name).write_bytes((copy / name).read_bytes()[:kept])
    if by == "the file":
        (copy / MANIFEST).unlink()  # of an older run
    with pytest.raises(UserError, match=f"is damaged: .* {told}"):
        command.main(["preview", str(copy)])


def test_the_dataset_card_lists_every_population_by_its_name():
    sources = [SimpleNamespace(settings=SimpleNamespace(n_individuals=n), added=[]) for n in (64_000, 1000, 1024, 500)]
    assert [population_name(source) for source in sources] == ["64k", "1k", "1024", "500"]
    settings = {"n_individuals": 64000, "n_unseen": 16000, "n_new": 0, "entries_per_list": None, "population_seed": 3}
    configs = [{"config_name": "64k-biographies", "data_files": [{"split": "train", "path": "64k/x.parquet"}]}]
    card = dataset_card("me/people", configs, {"64k": settings})
    assert "| `64k` | 64000 | 16000 | 0 | all | 3 | `64k/source/` |" in card
    assert DatasetCard(card).data.to_dict()["configs"] == configs


def test_preview_needs_no_network_and_writes_nothing(copy, capsys):
    before = sorted(copy.rglob("*"))
    command.main(["preview", str(copy), "--repo", "me/facts", "--dataset_repo", "me/people"])
    said = capsys.readouterr().out
    assert said.startswith("---\n")
    assert "# facts\n" in said
    assert "# people\n" in said
    assert "64/biographies/biographies-validation*.parquet" in said
    assert sorted(copy.rglob("*")) == before


@pytest.mark.parametrize("what", ["preview", "publish", "publish-dataset"])
def test_what_is_no_run_or_dataset_is_one_clear_line(what):
    data = what == "publish-dataset"
    message = "holds no dataset" if data else "is no run: it needs config.yaml and metrics.jsonl"
    with pytest.raises(UserError, match=f"nowhere {message}"):
        command.main([what, "nowhere", "--repo", "me/facts"])
