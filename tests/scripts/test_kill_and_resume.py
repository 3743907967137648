"""One real kill and resume of each script: at any moment, and the end is bit for bit the same."""

import random
import signal
import subprocess
import sys
import time
from importlib import import_module

import pytest

from tests.helpers.finetuning import FAST
from tests.helpers.pretraining import NANO, ROOT, TIMES, records, same, weights

DENSE = {"save_steps": 2, "num_threads": 1}
SCRIPTS = {  # settings, and how often it is killed
    "run_pretrain": ({"optim": "muon", "max_steps": 60, "eval_steps": 20, "save_steps": 4}, 2),
    "run_finetune": (FAST | DENSE | {"weight_replay_finetune": 0.5, "max_steps": 40}, 1),
    "run_patching": (DENSE | {"reference_patching": 10}, 1),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_killed_at_any_moment_and_resumed_ends_bit_for_bit_the_same(trained, tmp_path, script):
    settings, kills = SCRIPTS[script]
    made_from = {"run_finetune": {"model": trained}, "run_patching": {"reference": trained}}.get(script, {})
    words = [NANO] if script == "run_pretrain" else []
    words += [str(word) for key, value in (settings | made_from).items() for word in (f"--{key}", value)]
    cut, main, moments = tmp_path / "cut", import_module(script).main, random.Random(script)
    main([*words, "--output_dir", str(tmp_path / "whole")])
    words += ["--output_dir", str(cut)]
    for kill in range(kills):
        resume = ["--resume_from_checkpoint", "latest"] if kill else []
        process = subprocess.Popen([sys.executable, f"{script}.py", *words, *resume], cwd=ROOT, stderr=subprocess.PIPE)
        before = set(cut.glob("checkpoint-*"))
        while process.poll() is None and set(cut.glob("checkpoint-*")) <= before:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.stderr.read().decode()
    assert not (cut / "model.safetensors").exists()
    main([*words, "--resume_from_checkpoint", "latest"])
    assert same(weights(tmp_path / "whole"), weights(cut))
    assert records(tmp_path / "whole", *TIMES) == records(cut, *TIMES)
