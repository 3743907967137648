"""How tests fine-tune, as a user does."""

import pytest

import run_finetune
from run_directory.records import load_run
from tests.helpers.pretraining import ROOT, pretrain

SCRIPT = ROOT / "run_finetune.py"
FAST = {"max_steps": 12, "per_device_train_batch_size": 8, "eval_steps": 6, "eval_individuals": 16, "num_threads": 1,
        "learning_rate": 1e-3, "draw_figures": False}  # fmt: skip


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "trained"
    pretrain(run, "--n_new", 16)
    return run


def arguments(run, **settings):
    given = FAST | {"output_dir": run} | settings
    words = ((f"--{key}", *(value if isinstance(value, list) else [value])) for key, value in given.items())
    return [str(word) for option in words for word in option]


def finetune(run, model, **settings):
    run_finetune.main(arguments(run, model=model, **settings))
    return load_run(run)
