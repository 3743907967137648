"""Patched runs, as a user starts them."""

import run_patching
from run_directory.records import load_run
from tests.helpers.pretraining import ROOT, pretrain

SCRIPT = ROOT / "run_patching.py"


def reference_in(folder):
    """A run to patch, saved at steps 10 and 20."""
    pretrain(folder / "reference", "--seed", 3, "--learning_rate", 0.01, "--eval_steps", 5)
    return folder / "reference"


def arguments(run, reference, **settings):
    """The command line; None leaves a setting out, words are several values."""
    given = {
        "output_dir": run,
        "reference": reference,
        "reference_patching": 20,
        "num_threads": 1,
        "draw_figures": False,
    }
    given |= settings
    return [
        str(word) for key, value in given.items() if value is not None for word in (f"--{key}", *str(value).split())
    ]


def patch(run, reference, **settings):
    """Train, and load what came of it."""
    run_patching.main(arguments(run, reference, **settings))
    return load_run(run)
