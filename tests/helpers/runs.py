"""Runs as analysis reads them, made from numbers."""

import json
from pathlib import Path

import yaml

from run_directory.records import Run

BASELINE = 5.0


def a_run(schedule, seed, losses=(9.0, 5.0, 1.0), individuals=None, **config):
    records = [
        {"step": 100 * i, "tokens": 5000 * i, "biographies": 320 * i, "seconds": 3.0 * i, "evaluation_seconds": 1.0 * i,
         "no_knowledge_baseline": BASELINE, "seen_attribute_loss": loss, "seen_attribute_accuracy": 1 - loss / 10}
        for i, loss in enumerate(losses)
    ]  # fmt: skip
    path = Path("runs") / f"{schedule}-{seed}"
    return Run(path, {"schedule": schedule, "seed": seed, "n_individuals": 64} | config, records, individuals)


def write(run, folder):
    run_dir = Path(folder) / run.path.name
    run_dir.mkdir(parents=True)
    (run_dir / "config.yaml").write_text(yaml.safe_dump(run.config))
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in run.records))
    if run.individuals:
        (run_dir / "individuals.json").write_text(json.dumps(run.individuals))
    return str(run_dir)
