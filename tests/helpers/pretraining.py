"""How tests pre-train, as a user does, and read the run directory that comes of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import run_pretrain
from data_builder.schedules import Plan, Uniform
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tokenizer import train_tokenizer
from run_directory.records import load_run

ROOT = Path(__file__).parents[2]
NANO = str(ROOT / "recipes" / "nano.yaml")
SEEN = "seen_attribute_loss"
TWO = ("accelerate", "launch", "--quiet", "--multi_gpu", "--num_processes", "2")
TIMES = ("seconds", "evaluation_seconds", "predicted_seconds")


def pretrain(run, *options, draw_figures=False):
    """A run of the nano recipe in this process; without figures, which take longer than all else."""
    figures = ("--draw_figures", draw_figures)
    run_pretrain.main([NANO, "--output_dir", str(run), *map(str, (*figures, *options))])
    return load_run(run)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run of the nano recipe, for all tests to read."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    pretrain(run, draw_figures=True)
    return run


def command(run, *options, launcher=(sys.executable,), script=ROOT / "run_pretrain.py", recipe=(NANO,)):
    words = ("--output_dir", str(run), "--draw_figures", "false", *map(str, options))
    return [*launcher, str(script), *recipe, *words]


def weights(run):
    return load_file(Path(run) / "model.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def records(run, *without):
    lines = (Path(run) / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in without} for line in lines]


def two_processes(run, *options, **how):
    """Train with two processes on this machine; gives what they print."""
    two, environment = command(run, *options, launcher=TWO, **how), launcher_environment()
    return subprocess.run(two, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)


def launcher_environment():
    """For `accelerate`, beside this Python, and a script that lies elsewhere."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}


def world_of(run):
    """Tokenizer and stream of a run with the uniform schedule and seed 0."""
    source = Source.load(run / "dataset")
    tokenizer, everybody = train_tokenizer(source.pieces()), Uniform(Plan(source.population.groups["seen"]))
    return tokenizer, BiographyStream(source, tokenizer, everybody, seed=0)
