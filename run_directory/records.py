"""The record of a run, and the one way to load a run."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from command_line import UserError
from run_directory.config import read_config
from run_directory.layout import LOOKED_INTO, REPORTS, metrics_file, replace_text, report_file

# What a report has at least, if it is not a list of rows.
_KEYS = {
    "individuals": {"times_drawn", "attribute_accuracy"},
    "hallucination": {"detectors", "risk_coverage"},
    "ablation": {"none"},
    "generated": {"texts"},
    "own_attention": {"seen_attribute_loss"},
} | {name: {"settings", "axes", "steps"} for name in LOOKED_INTO}


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
        generated: generated.json, of a fine-tuning that began with texts of the old model: what is true of them.
        own_attention: own_attention.json, of a fine-tuning with the old model's attention: what is known without it.
    """

    path: Path
    config: dict
    records: list[dict]
    individuals: dict[str, list] | None = None
    hallucination: dict | None = None
    interpolation: list[dict] | None = None
    ablation: dict[str, dict[str, float]] | None = None
    generated: dict[str, float] | None = None
    own_attention: dict[str, float] | None = None

    @property
    def finetune_group(self) -> str | None:
        """Whom a fine-tuning trains on, `new` or `rare`; None for pre-training."""
        return self.config.get("individuals_finetune")

    @property
    def has_phases(self) -> bool:
        """Whether the three phases can be looked for: not where a model knows already, or learns groups in turn."""
        return not self.finetune_group and self.config.get("schedule") != "sequential"

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
    return Run(path, config, records, *(read_report(path, name) for name in REPORTS))


def read_report(run: Path, name: str) -> dict | list | None:
    """One of REPORTS or LOOKED_INTO; None if it is not there.

    Raises:
        UserError: it is damaged.
    """
    file = report_file(run, name)
    if not file.exists():
        return None
    try:
        report, wrong = json.loads(file.read_bytes()), "another form than a run gives it"
        if _KEYS[name] <= report.keys() if name in _KEYS else isinstance(report, list):
            return report
    except (ValueError, RecursionError, AttributeError) as error:
        wrong = error
    cure = "and measure again" if name in LOOKED_INTO else "or resume the run, which writes it again"
    raise UserError(f"{file} is damaged ({wrong}); delete it, {cure}")


def read_records(path: Path) -> list[dict]:
    """The lines of metrics.jsonl of a run directory, without one that is only half written."""
    lines = metrics_file(path).read_bytes().splitlines(keepends=True)
    records = [_record(line) for line in lines if line.endswith(b"\n")]
    if None in records:
        raise UserError(
            f"{metrics_file(path)} is damaged in line {records.index(None) + 1}; resuming the run leaves it out, "
            "or delete it yourself"
        )
    return records


def baseline(run: Run) -> float:
    """The no-knowledge baseline of a run in nats."""
    return float(run.curve("no_knowledge_baseline")[1][0])


def last(run: Run, key: str) -> float:
    """The last value of a metric."""
    return float(run.curve(key)[1][-1])


def append_record(run: Path, record: dict) -> None:
    """Write one more line of metrics.jsonl, to the disk; numbers that JSON lacks (nan, infinities) become null."""
    with metrics_file(run).open("a", encoding="utf-8") as file:
        file.write(json.dumps({key: _json_number(value) for key, value in record.items()}) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _json_number(value):
    return value if value is None or math.isfinite(value) else None


def truncate_records(run: Path, step: int, report: Callable[[str], None] = print) -> bool:
    """Keep the records up to `step`, when a run goes back to a checkpoint; leave out lines that are damaged, and say so
    (but of a last one that was cut in half).

    Returns:
        Whether any is left.
    """
    path = metrics_file(run)
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    records = [(line, _record(line)) for line in lines]
    if damaged := sum(record is None for line, record in records if line.endswith(b"\n")):
        report(f"{damaged} of {len(lines)} lines of {path} are damaged; left out")
    kept = [line.decode() for line, record in records if record and record["step"] <= step]
    replace_text(path, "".join(line if line.endswith("\n") else line + "\n" for line in kept))
    return bool(kept)


def _record(line: bytes) -> dict | None:
    """A line of metrics.jsonl; None if it is damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # no UTF-8, too
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None
