"""A run made by version 85bf28b of 2026-11-25 (tests/data/old_run): read, continued and used as before."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

import run_finetune
import run_pretrain
from command_line import UserError
from data_builder.source import Source
from run_directory.records import load_run
from tests.helpers.pretraining import weights

OLD = Path(__file__).parents[1] / "data" / "old_run"
# Of which it was made; newer settings have their defaults.
SETTINGS = {key: value for key, value in yaml.safe_load((OLD / "config.yaml").read_text()).items() if value is not None}


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def recipe(path, **changes):
    path.write_text(yaml.safe_dump({k: v for k, v in SETTINGS.items() if k != "environment"} | changes))
    return str(path)


def test_it_is_read_fine_tuned_and_goes_on_to_the_same_model(old, tmp_path):
    assert load_run(old).records[-1]["step"] == 12
    assert (
        Source.load(old / "dataset").digest()
        == yaml.safe_load((old / "dataset/source/settings.yaml").read_text())["digest"]
    )
    few = ("--individuals_finetune", "rare", "--n_individuals_finetune", "4", "--max_steps", "2", "--num_threads", "1")
    options = ("--per_device_train_batch_size", "4", "--eval_individuals", "8")
    run_finetune.main(["--model", str(old), "--output_dir", str(tmp_path / "tuned"), *few, *options])
    assert load_run(tmp_path / "tuned").records[-1]["step"] == 2
    expected = weights(old)
    again = recipe(tmp_path / "again.yaml", output_dir=str(old), resume_from_checkpoint=str(old / "checkpoint-6"))
    run_pretrain.main([again])
    assert weights(old).keys() == expected.keys()
    for name, tensor in weights(old).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("config.yaml", b"\xff\xfe: 1", "cannot read .*config.yaml"),
        ("config.yaml", b"", "config.yaml is damaged: it holds no settings"),
        ("config.yaml", b"- a\n- b\n", "config.yaml is damaged: it holds no settings"),
        ("config.yaml", b"a: \0", "cannot read .*config.yaml"),
        ("metrics.jsonl", b"{,\n", "metrics.jsonl is damaged"),
        *(
            (f"{name}.json", damage, f"{name}.json is damaged .*, or resume the run, which writes it again")
            for name in ("individuals", "hallucination", "ablation", "interpolation")
            for damage in (b"", b"[1, 2", b"3", b"\xff", b'{"a": 1}', b"[" * 100_000)
        ),
    ],
)
def test_a_damaged_file_of_it_is_one_line(old, name, damage, message):
    (old / name).write_bytes(damage)
    with pytest.raises(UserError, match=message) as error:
        load_run(old)
    assert "\n" not in str(error.value)


def test_its_config_is_a_recipe_still(tmp_path):
    run_pretrain.main([recipe(tmp_path / "same.yaml", output_dir=str(tmp_path / "same"))])
    for name, tensor in weights(tmp_path / "same").items():
        torch.testing.assert_close(tensor, weights(OLD)[name], rtol=1e-4, atol=1e-5)


def test_as_a_recipe_it_deletes_and_pushes_nothing(old, tmp_path):
    config = old / "config.yaml"
    done = {"overwrite_output_dir": True, "push_to_hub": True, "resume_from_checkpoint": "latest"}
    config.write_text(yaml.safe_dump(SETTINGS | done | {"output_dir": str(old)}))
    with pytest.raises(UserError, match="holds a run already"):
        run_pretrain.main([str(config)])
    run_pretrain.main([str(config), "--output_dir", str(tmp_path / "new"), "--overwrite_output_dir", "true"])
    assert not done.keys() & yaml.safe_load((tmp_path / "new" / "config.yaml").read_text()).keys()
