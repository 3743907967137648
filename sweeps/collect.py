"""Stores what finished runs recorded in `results/runs.jsonl`: small enough to commit, enough to draw every figure."""

import json
import re
from fnmatch import fnmatch

from command_line import ENVIRONMENT_KEY
from run_directory.layout import REPORTS, replace_text
from run_directory.records import load_run
from settings import public
from sweeps.directories import is_finished
from sweeps.results import read_lines, results_file
from sweeps.sweep import Sweep, SweepRun

_DIGITS = 5
_OF_INDIVIDUALS = ("times_drawn", "attribute_accuracy")
_ALWAYS = ("step", "no_knowledge_baseline")


def collect_results(sweep: Sweep) -> None:
    """Write one line for each finished run of the sweep.

    A result whose run directory is elsewhere (or deleted) stays, as long as the sweep has that run.
    """
    stored = {line["name"]: line for line in read_lines(sweep.folder)}
    lines = []
    for run in sorted(sweep.runs, key=lambda run: run.name):
        if is_finished(run.path):
            lines.append(_result(run))
        elif _of_run(stored.get(run.name), run):
            lines.append(stored[run.name])
    file = results_file(sweep.folder)
    file.parent.mkdir(exist_ok=True)
    replace_text(file, "".join(json.dumps(_kept(line, sweep.keep), ensure_ascii=False) + "\n" for line in lines))


def _kept(line: dict, patterns: list[str]) -> dict:
    """A result without the metrics and reports that the sweep does not keep."""

    def matches(name: str) -> bool:
        return name in _ALWAYS or any(fnmatch(name, pattern) for pattern in patterns)

    records = {key: values for key, values in line["records"].items() if matches(key)}
    return line | {"records": records} | {name: line.get(name) if matches(name) else None for name in REPORTS}


def _of_run(line: dict | None, run: SweepRun) -> bool:
    return line is not None and (line["settings"], line["seed"]) == (run.settings, run.seed)


def _result(run: SweepRun) -> dict:
    recorded = load_run(run.path)
    return {
        "name": run.name,
        "variant": run.variant,
        "seed": run.seed,
        "settings": run.settings,
        "config": _public_config(recorded.config),
        "records": columns([_short(record) for record in recorded.records if any(map(_is_evaluation, record))]),
        "individuals": recorded.individuals and {key: recorded.individuals[key] for key in _OF_INDIVIDUALS},
        "hallucination": recorded.hallucination,
        "interpolation": recorded.interpolation and [_short(row) for row in recorded.interpolation],
        "ablation": recorded.ablation,
    }


def columns(records: list[dict]) -> dict[str, list]:
    """Each key once, with a value for each record: a quarter of the size."""
    keys = dict.fromkeys(key for record in records for key in record)
    return {key: [record.get(key) for record in records] for key in keys}


def _public_config(config: dict) -> dict:
    """config.yaml without what is true on this machine only."""
    environment = {key: value for key, value in config[ENVIRONMENT_KEY].items() if key != "command"}
    return public(config) | {ENVIRONMENT_KEY: environment}


def _is_evaluation(key: str) -> bool:
    """`seen_attribute_loss`, or another group's; training's own is recorded more often."""
    return key.endswith("_attribute_loss") and not key.startswith("train_")


def _short(record: dict) -> dict:
    """A record without the values of single attributes, rounded."""
    single = re.compile("_attribute_(loss|accuracy)_.")
    return {key: _rounded(value) for key, value in record.items() if not single.search(key)}


def _rounded(value):
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
