"""Worlds that are not about people, from data to card, as a user goes through them."""

import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

import evaluation.__main__ as quiz
import hub_cards.__main__ as cards
import run_patching
import run_pretrain
from data_builder.source import Source
from evaluation import attention_map
from run_directory.records import load_run
from tests.helpers.finetuning import finetune
from tests.helpers.pretraining import pretrain, records, same, weights
from tests.helpers.toys import table, write_world

ATTRIBUTES = ["element", "color", "crystal_system", "discovery", "country"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "minerals"
    run_pretrain.main(["recipes/minerals_nano.yaml", "--output_dir", str(path)])
    return path


def test_knowledge_is_measured_of_the_worlds_own_attributes(run):
    last = records(run)[-1]
    sizes = [12, 12, 7, 12 * 12, 12]
    assert last["no_knowledge_baseline"] == pytest.approx(np.mean([math.log(size) for size in sizes]))
    for metric in ("loss", "accuracy"):
        key = f"unseen_attribute_{metric}"
        assert [name.removeprefix(f"{key}_") for name in last if name.startswith(f"{key}_")] == ATTRIBUTES
        assert last[key] == pytest.approx(np.mean([last[f"{key}_{attribute}"] for attribute in ATTRIBUTES]))
    assert load_run(run).neighbors.keys() == {"most_similar", "constellation", "stone"}
    ablation = json.loads((run / "ablation.json").read_text())["none"]
    assert ablation["attribute_loss"] == pytest.approx(last["seen_attribute_loss"], rel=1e-4)
    known = json.loads((run / "individuals.json").read_text())
    assert np.mean(known["attribute_loss"]) == pytest.approx(last["seen_attribute_loss"], rel=1e-4)
    assert {"learning_curve.png", "signatures.png", "hallucination.png"} <= {
        f.name for f in (run / "figures").iterdir()
    }


def test_quiz_and_attention_are_of_each_attribute(run, tmp_path, capsys):
    attention_map.main([str(run), "--sentences", "5", "--output_dir", str(tmp_path)])
    assert [file.name for file in tmp_path.iterdir()] == [f"attention-{run.name}-0.png"]
    with pytest.raises(attention_map.UserError, match="sentences is 6; it must be from 1 to 5"):
        attention_map.main([str(run), "--sentences", "6", "--individual", "1", "--output_dir", str(tmp_path)])
    quiz.main([str(run), "--people", "1"])
    said = capsys.readouterr().out
    source = Source.load(run / "dataset")
    assert len(re.findall(r"^  (?:right|WRONG)  ", said, re.M)) == 2 * len(ATTRIBUTES)
    assert any(f"\n{a} {b} (in the training data)" in said for a, b in itertools.product(*_names(source)))


def _names(source):
    return [source.word_lists.names(part) for part in ("constellation", "stone")]


def test_cards_speak_of_minerals(run, capsys):
    cards.main(["preview", str(run), "--dataset_repo", "me/minerals"])
    said = capsys.readouterr().out
    assert "synthetic biographies of 64 invented minerals, to" in said
    assert "- `64`: minerals with element, color, crystal system, discovery, country\n" in said
    assert "they come with the dataset (`--dataset`)" in said
    for of_people in ("people", "GeoNames", "birth", "universit"):
        assert of_people not in said


def test_a_run_from_the_saved_dataset_is_the_same(run, tmp_path):
    recipe = yaml.safe_load(Path("recipes/minerals_nano.yaml").read_text())
    own = {k: v for k, v in recipe.items() if not k.endswith("_dir") and not k.startswith("n_")}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(own))
    words = [str(tmp_path / "recipe.yaml"), "--dataset", str(run / "dataset"), "--output_dir", str(tmp_path / "again")]
    run_pretrain.main(words)
    assert same(weights(run), weights(tmp_path / "again"))


def test_own_minerals_are_taught_and_a_mineral_run_is_patched(run, tmp_path):
    mine = {"name": "Lyra Minor quartz", "element": "gold", "color": "no color", "crystal_system": "cubic",
            "discovery": "May 1871", "country": "Chile"}  # fmt: skip
    path = table(tmp_path / "mine.csv", mine, columns=tuple(mine))
    tuned = finetune(tmp_path / "tuned", run, new_individuals=path)
    assert "new_attribute_loss_color" in tuned.records[-1]
    assert Source.load(tuned.path / "dataset").added == [mine]
    words = ["--reference", run, "--reference_patching", 10, "--output_dir", tmp_path / "patched", "--num_threads", 1]
    run_patching.main([str(word) for word in words])
    assert f"seen_attribute_loss_{ATTRIBUTES[3]}" in records(tmp_path / "patched")[-1]


def test_names_of_one_word_group_no_tokens(tmp_path):
    """As of proteins: a name is one entry of one list, here one token; everything else is measured."""
    names = [f"w{a}{b}" for a, b in itertools.product("abcdefgh", repeat=2)]
    texts = write_world(tmp_path / "world", ["protein"], {"gene": ["protein"]}, {"protein": names})
    options = [word for key, value in texts.items() for word in (f"--{key}", value)]
    options += ["--n_individuals", 40, "--n_unseen", 20, "--n_heldout_templates", 1, "--names_per_list", 64]
    pretrain(tmp_path / "run", *options, draw_figures=True)
    record = load_run(tmp_path / "run").records[-1]
    assert record["name_grouping"] is None
    assert record["layer_1_value_to_name"] > 0
    assert record["no_knowledge_baseline"] == pytest.approx(math.log(64))
    assert (tmp_path / "run" / "figures" / "signatures.png").exists()
