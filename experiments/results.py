"""What an experiment keeps of its runs, and the statistics that its figures and claims need."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from analysis.runs import Run, load_run
from command_line import ENVIRONMENT_KEY, UserError
from data_builder.word_lists import ATTRIBUTES
from experiments.jobs import FINISHED, state
from experiments.sweep import ROOT, Job

RESULTS = "results/runs.jsonl"
CLAIMS = "results/claims.json"
# Where a run was made, which says nothing about it.
_PLACES = ("output_dir", "dataset", "values_dir", "templates_dir")


@dataclass(frozen=True)
class Result:
    """What is kept of a run.

    Attributes:
        name: of the run.
        variant: what is compared.
        seed: of the run.
        settings: what the sweep set.
        run: its config and evaluations, for `analysis`.
        individuals: columns of `individuals.json`, if the run has them.
    """

    name: str
    variant: str
    seed: int
    settings: dict
    run: Run
    individuals: dict | None


def collect(folder: Path, jobs: list[Job]) -> None:
    """Write `results/runs.jsonl`: a line for each finished run of the sweep, by name.

    Lines of runs whose directories are not here (made elsewhere, or deleted since) are kept.
    """
    path = folder / RESULTS
    kept = {line["name"]: line for line in _lines(path)}
    found = {job.name: _line(job) for job in jobs if state(job) == FINISHED}
    wanted = {job.name for job in jobs}
    lines = [line for name, line in sorted((kept | found).items()) if name in wanted]
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    os.replace(temporary, path)


def load_results(folder: Path) -> list[Result]:
    """Read them again.

    Raises:
        UserError: there are none.
    """
    lines = _lines(folder / RESULTS)
    if not lines:
        raise UserError(f"{folder} has no results yet; begin with: python -m experiments run {folder}")
    return [
        Result(
            **{key: line[key] for key in ("name", "variant", "seed", "settings")},
            run=Run(Path(line["name"]), line["config"], line["records"]),
            individuals=line.get("individuals"),
        )
        for line in lines
    ]


def _lines(path: Path) -> list[dict]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def _line(job: Job) -> dict:
    run = load_run(ROOT / job.run)
    environment = {key: value for key, value in run.config[ENVIRONMENT_KEY].items() if key != "command"}
    config = {key: value for key, value in run.config.items() if key not in _PLACES}
    line = {"name": job.name, "variant": job.variant, "seed": job.seed, "settings": job.settings}
    line |= {"config": config | {ENVIRONMENT_KEY: environment}}
    line |= {"records": [_rounded(record) for record in run.records if "no_knowledge_baseline" in record]}
    individuals = ROOT / job.run / "individuals.json"
    return line | ({"individuals": json.loads(individuals.read_text())} if individuals.exists() else {})


def _rounded(record: dict) -> dict:
    """Five digits, and not each attribute: what is kept should stay small."""
    short = {key: value for key, value in record.items() if not key.endswith(tuple(f"_{a}" for a in ATTRIBUTES))}
    return {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in short.items()}


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95% interval (Student's t); (mean, low, high)."""
    values = np.asarray(values, dtype=float)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def paired_interval(results: list[Result], first: str, second: str, measure) -> tuple[float, float, float, int]:
    """How much larger `measure(result)` is for the first variant than for the second, by seed.

    Returns:
        Mean difference, low, high (95%), number of pairs.
    """
    by_seed = [{r.seed: measure(r) for r in results if r.variant == variant} for variant in (first, second)]
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    return *mean_interval([by_seed[0][seed] - by_seed[1][seed] for seed in seeds]), len(seeds)


def verdict(low: float, high: float) -> bool | None:
    """Whether a difference that was expected to be above zero is: no, if below; None if that can't be told."""
    return True if low > 0 else False if high < 0 else None


def claim(name: str, text: str, numbers: tuple[float, float, float, int], unit: str, holds, paper=None) -> dict:
    """One entry of claims.json.

    Args:
        name: which claim, e.g. `fig4-left`.
        text: the claim in words.
        numbers: value, low and high end of its 95% interval, number of seeds.
        unit: of the value.
        holds: True, False, or None where the data can't tell.
        paper: the paper's value, if it gives one.
    """
    value, low, high, seeds = numbers
    interval = [float(f"{end:.4g}") for end in (low, high)]
    return {
        "id": name, "claim": text, "scale": "cpu", "value": float(f"{value:.4g}"), "interval": interval,
        "unit": unit, "seeds": seeds, "holds": holds, "paper": paper,
    }  # fmt: skip


def write_claims(folder: Path, claims: list[dict]) -> None:
    """Write `results/claims.json`."""
    (folder / CLAIMS).write_text(json.dumps(claims, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
