"""The record of a run, and the one way to load a run."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from command_line import UserError
from run_directory.config import read_config
from run_directory.layout import REPORTS, metrics_file, replace_text, report_file


@dataclass(frozen=True)
class Run:
    """What a run recorded.

    Attributes:
        path: the run's directory.
        config: config.yaml.
        records: the lines of metrics.jsonl.
        individuals: columns of individuals.json, written when a run ends; None before.
        hallucination: hallucination.json, of a run that ended and had unseen people; else None.
        interpolation: the rows of interpolation.json, of a fine-tuning that was asked for it; else None.
        ablation: ablation.json, written when a run ends: knowledge under attention knockout of names; None before.
    """

    path: Path
    config: dict
    records: list[dict]
    individuals: dict[str, list] | None = None
    hallucination: dict | None = None
    interpolation: list[dict] | None = None
    ablation: dict[str, dict[str, float]] | None = None

    @property
    def finetune_group(self) -> str | None:
        """Whom a fine-tuning trains on, `new` or `rare`; None for pre-training."""
        return self.config.get("individuals_finetune")

    @property
    def neighbors(self) -> dict[str, dict]:
        """Of hallucination.json; older runs spell it `neighbours`."""
        return self.hallucination.get("neighbors") or self.hallucination["neighbours"]

    def curve(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps at which `key` was recorded, and its values there."""
        points = [(r["step"], r[key]) for r in self.records if r.get(key) is not None]
        steps, values = zip(*points, strict=True) if points else ((), ())
        return np.array(steps), np.array(values, dtype=float)

    def at(self, key: str, step: float) -> float:
        """`key` at a step, between two records by a straight line."""
        return float(np.interp(step, *self.curve(key)))


def load_run(path: str | Path) -> Run:
    """Read a run directory.

    Raises:
        UserError: it is none, or nothing was recorded in it.
    """
    path = Path(path)
    try:
        config, records = read_config(path), read_records(path)
    except OSError:
        raise UserError(f"{path} is no run: it needs config.yaml and metrics.jsonl") from None
    if not any("seen_attribute_loss" in record for record in records):
        raise UserError(f"{path} has no evaluation in metrics.jsonl yet")
    reports = (report_file(path, name) for name in REPORTS)
    return Run(path, config, records, *(json.loads(file.read_text()) if file.exists() else None for file in reports))


def read_records(path: Path) -> list[dict]:
    """The lines of metrics.jsonl of a run directory, without one that is only half written."""
    lines = metrics_file(path).read_text(encoding="utf-8").splitlines(keepends=True)
    try:
        return [json.loads(line) for line in lines if line.endswith("\n")]
    except ValueError as error:
        raise UserError(f"{metrics_file(path)} is damaged: {error}") from None


def baseline(run: Run) -> float:
    """The no-knowledge baseline of a run in nats."""
    return float(run.curve("no_knowledge_baseline")[1][0])


def last(run: Run, key: str) -> float:
    """The last value of a metric."""
    return float(run.curve(key)[1][-1])


def append_record(run: Path, record: dict) -> None:
    """Write one more line of metrics.jsonl; numbers that JSON lacks (nan, infinities) become null."""
    with metrics_file(run).open("a", encoding="utf-8") as file:
        file.write(json.dumps({key: _json_number(value) for key, value in record.items()}) + "\n")


def _json_number(value):
    return value if value is None or math.isfinite(value) else None


def truncate_records(run: Path, step: int) -> None:
    """Keep the records up to `step`, when a run goes back to a checkpoint; drop a line cut in half."""
    kept, path = [], metrics_file(run)
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except ValueError:
            break
    replace_text(path, "".join(kept))
