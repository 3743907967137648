"""What a shell and a reader are told of the scripts: `--help` in groups, and completion by argcomplete."""

import io
import os
import re
import subprocess
import sys

import argcomplete
import pytest

import analysis.__main__
import data_builder.__main__
import evaluation.__main__
import evaluation.attention_map
import hub_cards.__main__
import run_finetune
import run_patching
import run_pretrain
import sweeps.__main__
from data_builder.schedules import SCHEDULES
from modeling.presets import PRESETS
from settings import FINETUNING, PATCHING, PRETRAINING
from tests.helpers.pretraining import ROOT
from training.optimizers import DECAYS, OPTIMIZERS

SCRIPTS = {run_pretrain: PRETRAINING, run_finetune: FINETUNING, run_patching: PATCHING}
# What is completed by a command, and what must be offered.
COMPLETIONS = [
    (run_pretrain, "recipes/tiny.yaml --sched", {"--schedule "}),
    (run_pretrain, "recipes/tiny.yaml --max_steps 20 --schedule w", {"warm_up "}),
    (run_pretrain, "--preset llama-", {name for name in PRESETS if name.startswith("llama-")}),
    (run_pretrain, "--mixed_precision ", {"no", "bf16"}),
    (run_pretrain, "--save_", {"--save_steps", "--save_at", "--save_total_limit"}),  # each once
    (run_pretrain, "recipes/tin", {"recipes/tiny.yaml "}),
    (run_finetune, "--optim ", set(OPTIMIZERS)),
    (run_patching, "--reference_p", {"--reference_patching "}),
    (data_builder.__main__, "recipes/tiny.yaml --popul", {"--population_seed "}),
    (analysis.__main__, "compare --out", {"--output_dir "}),
    (analysis.__main__, "compare runs/a --x ", {"steps", "tokens", "exposures", "seconds"}),
    (sweeps.__main__, "plot experiments/schedules --also ", {"pdf", "svg"}),
    (evaluation.__main__, "runs/mine --peo", {"--people "}),
    (evaluation.__main__, "trace runs/mine --comp", {"--components "}),
    (evaluation.attention_map, "runs/mine --ind", {"--individual "}),
    (hub_cards.__main__, "publish-", {"publish-dataset", "publish-metrics", "publish-space"}),
    (sweeps.__main__, "run experiments/schedules --cluster ", {"local", "slurm"}),
]


class Finder(argcomplete.CompletionFinder):
    def _init_debug_stream(self):
        """Not into a file of pytest, as argcomplete's note on this says."""
        argcomplete.io.debug_stream = io.StringIO()


def offered(monkeypatch, module, line):
    """What a command's `main` answers, in this process, when a shell asks it."""
    line, answer = f"script {line}", io.StringIO()
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)

    def autocomplete(parser, **how):
        Finder()(parser, exit_method=sys.exit, output_stream=answer, **how)

    monkeypatch.setattr(argcomplete, "autocomplete", autocomplete)
    with pytest.raises(SystemExit) as end:
        module.main([])
    assert not end.value.code
    return {choice for choice in answer.getvalue().split("\n") if choice}


@pytest.mark.parametrize(("module", "line", "expected"), COMPLETIONS)
def test_every_command_completes_options_values_and_files(monkeypatch, module, line, expected):
    monkeypatch.chdir(ROOT)
    assert offered(monkeypatch, module, line) == expected


def test_a_shell_is_answered_as_argcomplete_wants_it():
    line = "python run_pretrain.py recipes/tiny.yaml --schedule ad"
    asked = {"_ARGCOMPLETE": "2", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    shell = ["sh", "-c", 'exec "$@" 8>&1 9>&2 1>/dev/null', "sh", sys.executable, "run_pretrain.py"]
    done = subprocess.run(shell, cwd=ROOT, env=os.environ | asked, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "adaptive ", "")


def test_every_command_has_the_mark_that_argcomplete_looks_for():
    commands = list(ROOT.glob("*.py"))
    commands += [path for room in ("analysis", "data_builder", "evaluation", "hub_cards", "sweeps")
                 for path in (ROOT / room).glob("*.py")]  # fmt: skip
    commands = [path for path in commands if re.search(r"^    (command_line\.)?run\(main\)$", path.read_text(), re.M)]
    assert len(commands) == len({module for module, *_ in COMPLETIONS})
    assert [path for path in commands if "PYTHON_ARGCOMPLETE_OK" not in path.read_text()[:1024]] == []
    # Of `python -m room`, it looks into packages only.
    assert [path for path in commands if path.parent != ROOT and not path.with_name("__init__.py").exists()] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_help_has_the_headings_of_the_dataclasses_and_the_names_of_the_tables(script, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        script.main(["--help"])
    said = capsys.readouterr().out
    headings = [kind.__doc__.splitlines()[0].rstrip(".") for kind in SCRIPTS[script]]
    assert max(map(len, headings)) < 80
    assert re.findall(r"^(\w.*):$", said, re.MULTILINE) == ["positional arguments", "options", *headings]
    group = said.split(f"{headings[-1]}:\n")[1]
    assert group.lstrip().startswith("--output_dir")
    tables = {"schedule": SCHEDULES, "preset": PRESETS, "optim": OPTIMIZERS, "lr_scheduler_type": DECAYS}
    for name, table in tables.items():
        (line,) = re.findall(rf"^  --{name} .*(?:\n    .*)?", said, re.MULTILINE)
        assert f"; there is {', '.join(table)} (default: " in line


def test_help_and_completion_do_not_wait_for_torch():
    code = "import sys, run_pretrain\ntry: run_pretrain.main(['--help'])\nfinally: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.stdout.splitlines()[-1] == "False"
