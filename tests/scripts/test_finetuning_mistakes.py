"""What fine-tuning refuses, in one line each, before anything is written or lost."""

import shutil

import pytest

import run_finetune
from command_line import UserError
from data_builder.biographies import Renderer
from data_builder.source import Source
from tests.helpers.finetuning import arguments, finetune
from tests.helpers.pretraining import pretrain, same, weights
from tests.helpers.toys import ADA, table

MISTAKES = {
    "no model": ({"model": None}, "no model: say which one to fine-tune, e.g. --model runs/mine"),
    "no such model": ({"model": "nowhere"}, "nowhere is no directory and cannot be fetched from the Hub"),
    "revision of a directory": ({"revision": "main"}, "is a directory and has no revisions; name one of"),
    "too many": ({"n_individuals_finetune": 17}, "n_individuals_finetune is 17; it must be from 1 to 16"),
    "none": ({"n_individuals_finetune": 0}, "n_individuals_finetune is 0; it must be from 1"),
    "rare without number": ({"individuals_finetune": "rare"}, "say how many of the seen individuals are rare"),
    "all rare": ({"individuals_finetune": "rare", "n_individuals_finetune": 64}, "it must be from 1 to 63"),
    "another preset": ({"preset": "tiny"}, "preset tiny has hidden_size 128, but .* has 32; leave out --preset"),
    "unknown preset": ({"preset": "big"}, "unknown preset 'big'; there is nano, tiny"),
    "rank": ({"preset": "nano", "lora_r": 0, "trainable": "lora"}, "lora_r is 0; it must be at least 1"),
    "people twice": ({"dataset": "data/x"}, "brings the people it was trained on; leave out --dataset"),
    "shares": ({"share_random_words": 1}, "share_random_words 1.0: each must be"),
    "all generated": ({"share_generated": 0.95}, "share_generated 0.95: a batch of 8 must have a row of each"),
    "nothing generated": ({"share_generated": 0.5, "n_generated": 0}, "n_generated is 0; it must be at least 1"),
    "written for nothing": ({"n_generated": 50}, "--n_generated would change nothing: the old model writes"),
    "held, but not trained": (
        {"weight_ewc": 1, "trainable": "lora"}, "hold the old model's weights, which trainable lora leaves as they are",
    ),
    "held by some tokens": (
        {"weight_ewc": 1, "template_share": 0.5}, "of which template_share leaves out some; use template_weight",
    ),
    "held by less than nothing": ({"weight_l2_start": -1}, "weight_l2_start is -1.0; it must be at least 0"),
    "warm-up": ({"warmup_steps": 12}, "warmup_steps is 12; it must be below max_steps 12"),
    "replay under another schedule": (
        {"schedule": "uniform", "weight_replay_finetune": 1}, "weight_replay_finetune is for --schedule replay",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_leaves_no_run(trained, tmp_path, settings, message):
    given = {"model": trained} | settings
    with pytest.raises(UserError, match=message) as error:
        run_finetune.main(arguments(tmp_path / "run", **{k: v for k, v in given.items() if v is not None}))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_model_without_its_people_or_not_finished_says_what_to_do(trained, tmp_path):
    bare = shutil.copytree(trained, tmp_path / "bare", ignore=shutil.ignore_patterns("dataset"))
    with pytest.raises(UserError, match="comes without the people it was trained on; name them: --dataset"):
        finetune(tmp_path / "run", bare)
    run = finetune(tmp_path / "run", bare, dataset=trained / "dataset", max_steps=2)
    other = finetune(tmp_path / "other", trained, max_steps=2)
    assert same(weights(run.path), weights(other.path))
    (bare / "model.safetensors").unlink()
    with pytest.raises(UserError, match="holds no final model; name a checkpoint in it: checkpoint-10, checkpoint-20"):
        finetune(tmp_path / "third", bare)


def test_rare_people_are_not_celebrities_and_the_model_is_not_overwritten(trained, tmp_path):
    for part in (".", "checkpoint-20"):
        with pytest.raises(UserError, match="lies in .*, where this run would be written; choose another"):
            finetune(trained, trained / part, overwrite_output_dir="true")
    assert (trained / "model.safetensors").exists()
    pretrain(tmp_path / "stars", "--schedule", "celebrities", "--n_celebrities", 10, "--max_steps", 2)
    options = {"individuals_finetune": "rare", "max_steps": 1}
    with pytest.raises(UserError, match="n_individuals_finetune is 55; it must be from 1 to 54"):
        finetune(tmp_path / "run", tmp_path / "stars", **options, n_individuals_finetune=55)
    finetune(tmp_path / "run", tmp_path / "stars", **options, n_individuals_finetune=54)


def test_a_name_that_exists_is_one_line(trained, tmp_path):
    source = Source.load(trained / "dataset")
    name = Renderer(source).name(source.population.names[70])
    path = table(tmp_path / "mine.csv", ADA | {"name": name})
    with pytest.raises(
        UserError, match=f"^{path}, line 2: {name} exists already in this population; give another name$"
    ):
        finetune(tmp_path / "run", trained, new_individuals=path)
