"""Every command of README and tutorial, in the order given, in a shell that knows only what the page tells it."""

import re
import shlex

import pytest
import yaml

from tests.helpers.clean_shell import clean_shell
from tests.helpers.hub_server import HubServer
from tests.helpers.pages import blocks
from tests.helpers.pretraining import ROOT

# Seconds in place of minutes: the clone's recipes with these values, where they set them.
SMALL = {
    "preset": "nano", "n_layer": 2, "n_individuals": 64, "n_unseen": 32, "n_new": 16, "entries_per_list": 12,
    "names_per_list": 12, "max_steps": 4, "per_device_train_batch_size": 8, "eval_steps": 2, "eval_individuals": 8,
    "save_steps": 2, "reference_patching": 2, "mixed_precision": "no", "epochs_warmup": 0.1,
}  # fmt: skip
# All that is run otherwise than a page says it: a pattern, and what stands in its place.
INSTEAD = {
    # The runs are shorter, and their world is smaller.
    r"\bcheckpoint-\d+": "checkpoint-2",
    r"--reference_patching \d+": "--reference_patching 2",
    r"--(n_individuals_finetune|indiv_warmup) \d+": r"--\1 4",
    r"--n_individuals \d+": "--n_individuals 64",
    r"--max_steps \d+": "--max_steps 4",
}
PAGES = ["README.md", "docs/TUTORIAL.md", "docs/YOUR_FACTS.md"]


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    with HubServer() as hub, clean_shell(tmp_path_factory.mktemp("readme"), hub, "hf_write") as shell:
        for recipe in (shell.clone / "recipes").glob("*.yaml"):
            settings = yaml.safe_load(recipe.read_text(encoding="utf-8"))
            small = {name: value for name, value in SMALL.items() if name in settings} | {"num_threads": 1}
            recipe.write_text(yaml.safe_dump(settings | small), encoding="utf-8")
        yield shell


def script(page):
    """A page's blocks as one script of bash; a block of Python knows what those before it have defined."""
    python, lines = "", []
    for block in blocks(ROOT / page):
        if block.language == "bash":
            lines.append(block.text)
        elif block.language == "python":
            python += block.text
            lines.append(f"python -c {shlex.quote(python)}\n")
    return "".join(lines)


def shortened(text):
    for pattern, instead in INSTEAD.items():
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text


@pytest.mark.timeout(900)  # on a busy machine; alone it takes half a minute
@pytest.mark.parametrize("page", PAGES)
def test_every_command_works_in_the_order_given(shell, page):
    done = shell.run(shortened(script(page)), timeout=800)
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_shell_without_the_environment_of_the_project_has_no_python_of_it(shell):
    done = shell.run("cd .\naccelerate --help", timeout=100)
    assert done.returncode == 127
    assert "accelerate: command not found" in done.stdout


def test_each_substitution_is_needed():
    text = "".join(map(script, PAGES))
    assert [pattern for pattern in INSTEAD if not re.search(pattern, text, re.MULTILINE)] == []
