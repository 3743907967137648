"""What docs and recipes promise is read here, so that it cannot drift."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM

from data_builder.new_individuals import read_individuals
from data_builder.tokenizer import train_tokenizer
from data_builder.world import load_world
from modeling.patching import blocks
from modeling.presets import PRESETS, SIZES, build_config
from settings import FINETUNING, PATCHING, PRETRAINING
from settings.model import ModelSettings
from settings.read import parse_settings
from tests.helpers.pages import commands

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


# README and tutorial are run (test_readme.py).
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.stem != "TUTORIAL"]
MADE = {"my_run.py"}  # by the reader
SCRIPTS = {"run_pretrain.py": PRETRAINING, "run_finetune.py": FINETUNING, "run_patching.py": PATCHING}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_read(recipe):
    kinds = {"finetune": FINETUNING, "patching": PATCHING}.get(recipe.stem.split("_")[0], PRETRAINING)
    settings = parse_settings(kinds, [str(recipe)], "")
    assert len(settings) == len(kinds)


def test_the_papers_recipe_is_the_default_of_every_setting_it_names():
    """paper.yaml says what the defaults are; bf16 and the cadences are its own. The control differs in its facts."""
    tiny, control = (yaml.safe_load((ROOT / "recipes" / f"{n}.yaml").read_text()) for n in ("tiny", "shuffled_facts"))
    assert control == {k: v for k, v in tiny.items() if k != "save_steps"} | {"redraw_values": True}
    own = {"mixed_precision", "eval_steps", "eval_individuals", "save_steps"}
    defaults = vars_of(parse_settings(PRETRAINING, [], ""))
    for key, value in yaml.safe_load((ROOT / "recipes" / "paper.yaml").read_text()).items():
        assert key in own or defaults[key] == value, key


def vars_of(settings):
    return {key: value for item in settings for key, value in vars(item).items()}


def test_parameter_counts_in_the_docs_are_true(full_source):
    text = (ROOT / "docs" / "DEFINITIONS.md").read_text()
    tokenizer = train_tokenizer(full_source.pieces())
    assert f"({len(tokenizer):,} entries" in text
    rows = {name: row for row, name in re.findall(r"^(\| `([\w-]+)` \|.*)$", text, re.MULTILINE) if name in PRESETS}
    assert rows.keys() == {*SIZES, "llama-44m", "qwen3-44m", "hawk-44m"}
    for preset, row in rows.items():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        config = build_config(ModelSettings(preset=preset), tokenizer)
        shape = [config.num_hidden_layers, config.hidden_size, config.num_attention_heads]
        mlp = getattr(config, "intermediate_size", 4 * config.hidden_size)
        n_positions = getattr(config, "max_position_embeddings", "any")
        assert cells[1:6] == [*map(str, [*shape, mlp // 2 if preset == "hawk-44m" else mlp, n_positions])]
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        n_weights = sum(p.numel() for p in blocks(model).parameters())
        assert cells[6:8] == [f"{n_weights:,}", f"{model.num_parameters():,}"]


def test_the_example_table_of_own_people_can_be_read(tmp_path):
    (table,) = re.findall(r"```\n(name,.*?)```", (ROOT / "docs" / "FINETUNING.md").read_text(), re.DOTALL)
    (tmp_path / "people.csv").write_text(table)
    (person,) = read_individuals(tmp_path / "people.csv", load_world())
    assert person["company"] == "Babbage, Inc."


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_names_modules_settings_and_files_that_exist(page):
    for line in commands(page):
        words = line.split()
        script = next((SCRIPTS[word] for word in words if word in SCRIPTS), None)
        if script:
            known, options = vars_of(parse_settings(script, [], "")), re.findall(r" --(\w+)", line.partition(".py ")[2])
            assert [option for option in options if option not in known] == []
        if "-m" in words:
            assert find_spec(words[words.index("-m") + 1]), line
        files = [word for word in words if word.endswith((".yaml", ".py")) and word not in MADE]
        assert [file for file in files if not (ROOT / file).exists()] == []


def test_pages_have_commands():
    assert {page.stem for page in PAGES if commands(page)} >= {"SCHEDULES", "FINETUNING", "PATCHING", "EXTENDING"}
