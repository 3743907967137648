"""One run of a sweep: how far it is, how it is started, and what it left."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from command_line import UserError
from experiments.sweep import ROOT, Job, Sweep
from manifests import checkpoints

FINISHED, CUT_OFF, NEW = "finished", "cut off", "new"


@dataclass(frozen=True)
class Stand:
    """How far a run is.

    Attributes:
        step: updates recorded so far.
        max_steps: updates in all; None while unknown.
        last: its last line of metrics.
        knowledge: its last evaluation.
    """

    step: int
    max_steps: int | None
    last: dict
    knowledge: dict


def stand(job: Job) -> Stand:
    """Read it from the run's directory, which may not be there yet."""
    records = _records(ROOT / job.run / "metrics.jsonl")
    last = records[-1] if records else {}
    evaluations = [record for record in records if "no_knowledge_baseline" in record]
    return Stand(last.get("step", 0), _config(job).get("max_steps"), last, evaluations[-1] if evaluations else {})


def state(job: Job) -> str:
    """Whether a run is finished, cut off or new."""
    if not _config(job):
        return NEW
    now = stand(job)
    done = now.step == now.max_steps and (ROOT / job.run / "model.safetensors").exists()
    return FINISHED if done else CUT_OFF


def check_settings(job: Job) -> None:
    """Check that what is there was made with the sweep's settings.

    Raises:
        UserError: a setting is another now.
    """
    config = _config(job)
    for key, value in (job.settings | {"seed": job.seed}).items():
        if config and not _same(config.get(key), value):
            raise UserError(
                f"{job.run} was made with {key} {config.get(key)}, the sweep says {value}; "
                "delete that directory or choose another output_dir"
            )


def command(job: Job, sweep: Sweep, n_threads: int | None) -> list[str]:
    """The command that begins a run or goes on with it."""
    settings = job.settings | {"seed": job.seed, "output_dir": str(job.run)}
    if n_threads:
        settings["num_threads"] = n_threads
    options = [f"--{key}={value}" for key, value in settings.items()]
    if _config(job):
        has_checkpoint = bool(checkpoints(ROOT / job.run))
        options += ["--resume_from_checkpoint=latest"] if has_checkpoint else ["--overwrite_output_dir"]
    return [sys.executable, sweep.script, sweep.recipe, *options]


def execute(arguments: list[str], log: str) -> None:
    """Run a command in the project's root with its output in a log; what submitit calls.

    Raises:
        RuntimeError: it failed; the message is the last line of the log.
    """
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
    with (ROOT / log).open("w") as file:
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env=environment)
        try:
            code = process.wait()
        except BaseException:  # a cancelled job takes its run with it
            process.terminate()
            process.wait()
            raise
    if code:
        raise RuntimeError(last_line(ROOT / log))


def last_line(log: Path) -> str:
    """What a failed run said last."""
    lines = log.read_text(errors="replace").replace("\r", "\n").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"


def _config(job: Job) -> dict:
    path = ROOT / job.run / "config.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def _records(path: Path) -> list[dict]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]  # the last may be half written


def _same(saved, wanted) -> bool:
    try:
        return float(saved) == float(wanted)
    except (TypeError, ValueError):
        return str(saved) == str(wanted)
