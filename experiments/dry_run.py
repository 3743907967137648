"""What a sweep would do, and how long it would take."""

import json
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from command_line import UserError
from experiments.jobs import FINISHED, command, stand, state
from experiments.sweep import ROOT, Job, Sweep, expand, load_sweep
from training.forecast import duration

# Settings on which the time of a run depends.
_COSTLY = (
    "preset", "n_layer", "n_head", "n_embd", "optim", "per_device_train_batch_size", "gradient_accumulation_steps",
    "max_steps", "eval_steps", "eval_individuals", "entries_per_list",
)  # fmt: skip


def describe(folder: Path, n_parallel: int, n_threads: int) -> None:
    """List the runs of a sweep, and predict how long those that are left will take."""
    sweep = load_sweep(folder)
    jobs = expand(sweep)
    states = {job.name: state(job) for job in jobs}
    for job in jobs:
        print(f"{states[job.name]:9} {job.run}  {' '.join(f'{key}={value}' for key, value in job.settings.items())}")
    print(", ".join(f"{count} {name}" for name, count in Counter(states.values()).items()))
    left = [job for job in jobs if states[job.name] != FINISHED]
    if left:
        known = {_cost(job): stand(job).last["seconds"] for job in jobs if states[job.name] == FINISHED}
        for job in left:
            known[_cost(job)] = known.get(_cost(job)) or _trial(job, sweep, n_threads)
        seconds = sum(known[_cost(job)] for job in left) / n_parallel
        print(f"about {duration(seconds)} for the {len(left)} that are left, {n_parallel} at once")


def _cost(job: Job) -> tuple:
    return tuple(job.settings.get(key) for key in _COSTLY)


def _trial(job: Job, sweep: Sweep, n_threads: int) -> float:
    """Begin the run elsewhere until it predicts its own time, in seconds."""
    print(f"trying the first steps of {job.name} ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        with (Path(folder) / "log").open("w") as log:
            arguments = command(replace(job, run=run), sweep, n_threads)
            process = subprocess.Popen(arguments, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
            try:
                return _prediction(process, run / "metrics.jsonl")
            finally:
                process.terminate()
                process.wait()


def _prediction(process: subprocess.Popen, metrics: Path) -> float:
    while True:
        ended = process.poll() is not None
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        for line in lines:
            if line.endswith("}") and (seconds := json.loads(line).get("predicted_seconds")):
                return seconds
        if ended:
            raise UserError("the trial run failed or was too short to predict anything; run the sweep to see why")
        time.sleep(0.2)
