"""What docs and recipes say of launchers, schedulers and services: read by their own parsers, run as far as can be."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

from settings import PRETRAINING
from settings.read import parse_settings
from tests.helpers.pages import blocks
from tests.helpers.pretraining import ROOT

PAGE, CLOUD, ACCELERATE = ROOT / "docs" / "CLUSTERS.md", ROOT / "recipes" / "cloud", ROOT / "recipes" / "accelerate"
FILES = [PAGE, *CLOUD.iterdir(), *ACCELERATE.iterdir()]
# A run on a machine that is taken away: at first it saves when it is asked to end, then it goes on.
RUN = """\
import pathlib, signal, sys, time
saved = pathlib.Path("runs/mine/saved")
if saved.exists():
    saved.with_name("done").touch()
    sys.exit()
def save(*_):
    time.sleep(0.5)
    saved.touch()
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
saved.parent.mkdir()
saved.with_name("begun").touch()
time.sleep(100)
"""


def shell(text, folder, **environment):
    words = ["bash", "-euo", "pipefail", "-c", text]
    return subprocess.run(
        words, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout


@pytest.mark.parametrize(("name", "n_machines", "n"), [("1_gpu", 1, 1), ("8_gpus", 1, 8), ("2_nodes", 2, 16)])
def test_accelerate_reads_its_configs(name, n_machines, n):
    config = load_config_from_file(str(ACCELERATE / f"{name}.yaml"))
    assert (config.num_machines, config.num_processes, config.use_cpu) == (n_machines, n, False)
    assert config.distributed_type == ("NO" if n == 1 else "MULTI_GPU")
    told = ["--machine_rank", "1", "--main_process_ip", "10.0.0.1"] if n_machines > 1 else []
    words = ["--config_file", str(ACCELERATE / f"{name}.yaml"), *told, "run_pretrain.py"]
    arguments, *_ = _validate_launch_command(launch_command_parser().parse_args(words))
    assert (arguments.num_machines, arguments.num_processes, arguments.multi_gpu) == (n_machines, n, n > 1)
    assert arguments.mixed_precision == "no"  # so that the recipe decides
    assert arguments.machine_rank == (1 if n_machines > 1 else 0)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_run_that_is_written_there_has_settings_that_exist(file):
    text = re.sub(r"\n#  +", " ", file.read_text(encoding="utf-8"))  # a comment's further lines
    runs = re.findall(r"run_pretrain\.py ([^'\"\n]*)", text)
    assert runs
    for words in runs:
        assert parse_settings(PRETRAINING, shlex.split(words), "")


def test_every_script_of_a_page_is_one_to_bash():
    for text in [block.text for block in blocks(PAGE) if block.language == "bash"] + [(CLOUD / "keep.sh").read_text()]:
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_hugging_face_jobs_take_the_command():
    (command,) = (block.text for block in blocks(PAGE) if block.text.startswith("hf jobs run "))
    words = shlex.split(command)
    hf = [str(Path(sys.executable).with_name("hf")), "jobs", "run", "--dry-run", *words[3:]]
    done = subprocess.run(hf, capture_output=True, text=True, check=True)
    assert "Job not submitted" in done.stdout + done.stderr
    assert "hf://buckets/me/runs:/bucket" in done.stdout + done.stderr


def test_a_line_of_commands_is_run_by_array_and_side_by_side(tmp_path):
    array, side_by_side = re.findall(r"^(?:sbatch|xargs) .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    (tmp_path / "commands.txt").write_text("echo \"it's\" 1\necho 'a  b'\n")
    script = shlex.split(array.replace("$(wc -l < commands.txt)", "2"))[-1]
    assert shell(script, tmp_path, SLURM_ARRAY_TASK_ID="2") == "a  b\n"
    assert sorted(shell(side_by_side, tmp_path).splitlines()) == ["a  b", "it's 1"]


def test_a_machine_that_goes_away_leaves_its_run_to_the_next_one(tmp_path):
    """As SkyPilot's file starts it."""
    task = yaml.safe_load((CLOUD / "skypilot.yaml").read_text(encoding="utf-8"))
    assert {*task} == {"name", "workdir", "resources", "envs", "file_mounts", "setup", "run"}
    (mounted,) = task["file_mounts"]
    (tmp_path / "run.py").write_text(RUN)
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    line = task["run"].replace(f" {mounted} ", f" {bucket} ").replace("recipes/", f"{ROOT}/recipes/")
    environment = os.environ | {"COMMAND": f"{sys.executable} {tmp_path}/run.py", "KEEP_SECONDS": "0.2"}
    codes = []
    for machine in (tmp_path / "first", tmp_path / "second"):
        machine.mkdir()
        job = subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=machine, env=environment)
        if machine.name == "first":
            until = time.time() + 60
            while not (bucket / "mine" / "begun").exists():  # copied while it goes on
                assert time.time() < until
                time.sleep(0.05)
            job.send_signal(signal.SIGTERM)
        codes.append(job.wait(timeout=60))
    assert codes == [75, 0]
    assert {file.name for file in (bucket / "mine").iterdir()} == {"begun", "saved", "done"}
