"""Stores what finished runs recorded in `results/runs.jsonl`: small enough to commit, enough to draw every figure.

What is stored stays, wherever its run directory is now, until somebody drops it.
"""

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from command_line import ENVIRONMENT_KEY, UserError
from run_directory.layout import REPORTS, replace_text
from run_directory.records import load_run
from settings import public
from sweeps.directories import is_finished
from sweeps.results import read_lines, results_file
from sweeps.sweep import Sweep, SweepRun, select

_DIGITS = 5
_OF_INDIVIDUALS = ("times_drawn", "attribute_accuracy")
_ALWAYS = ("step", "no_knowledge_baseline")


def collect_results(sweep: Sweep, runs: Iterable[SweepRun] | None = None) -> list[str]:
    """Store each finished run, in place of what was stored of it before; the rest stays.

    Args:
        sweep: where they belong.
        runs: those that may be finished; all if None.

    Returns:
        Their names.
    """
    finished = [run for run in (sweep.runs if runs is None else runs) if is_finished(run.path)]
    stored = {line["name"]: line for line in read_lines(sweep.folder)}
    _write(sweep.folder, stored | {run.name: _kept(_result(run), sweep.keep) for run in finished})
    return [run.name for run in finished]


def drop_results(folder: Path, patterns: list[str]) -> list[str]:
    """Delete stored results by name, e.g. `small-*`; returns their names.

    Raises:
        UserError: a pattern names none.
    """
    stored = {line["name"]: line for line in read_lines(folder)}
    dropped = select(stored, patterns)
    _write(folder, {name: line for name, line in stored.items() if name not in dropped})
    return dropped


def stored_names(sweep: Sweep) -> set[str]:
    """The runs of a sweep whose results are stored."""
    return {line["name"] for line in read_lines(sweep.folder)} & {run.name for run in sweep.runs}


def check_results(sweep: Sweep) -> None:
    """Check that what is stored under the name of a run was made with the settings that it has now.

    Raises:
        UserError: it was not.
    """
    runs = {run.name: run for run in sweep.runs}
    for line in read_lines(sweep.folder):
        run = runs.get(line["name"])
        if run and (line["settings"], line["seed"]) != (run.settings, run.seed):
            raise UserError(
                f"{results_file(sweep.folder)} has {run.name} with other settings; rename the variant, or drop what is "
                f"stored: python -m sweeps drop {sweep.folder} {run.name}"
            )


def _write(folder: Path, lines: dict[str, dict]) -> None:
    file = results_file(folder)
    file.parent.mkdir(exist_ok=True)
    texts = (json.dumps(lines[name], ensure_ascii=False) + "\n" for name in sorted(lines))
    replace_text(file, "".join(texts))


def _kept(line: dict, patterns: list[str]) -> dict:
    """A result without the metrics and reports that the sweep does not keep."""

    def matches(name: str) -> bool:
        return name in _ALWAYS or any(fnmatch(name, pattern) for pattern in patterns)

    records = {key: values for key, values in line["records"].items() if matches(key)}
    return line | {"records": records} | {name: line.get(name) if matches(name) else None for name in REPORTS}


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
        "generated": recorded.generated,
        "own_attention": recorded.own_attention and _short(recorded.own_attention),
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
