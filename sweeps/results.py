"""What an experiment's plot.py reads and writes: stored results, intervals over seeds, claims."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.statistics import interval_text, markdown, mean_interval
from command_line import UserError
from run_directory.layout import REPORTS, replace_text
from run_directory.records import Run
from settings import today

CLAIMS = "claims.json"


@dataclass(frozen=True)
class Result:
    """A finished run of a sweep.

    Attributes:
        name: of the run.
        variant: of the sweep.
        seed: of the run.
        settings: what the sweep set beside the seed.
        run: config, evaluations and individuals, for all functions of `analysis`.
    """

    name: str
    variant: str
    seed: int
    settings: dict
    run: Run


def results_file(folder: Path) -> Path:
    """Where an experiment's results are stored."""
    return Path(folder) / "results" / "runs.jsonl"


def read_lines(folder: Path) -> list[dict]:
    """The stored results, by the names that settings have today; none before the first run is finished."""
    file = results_file(folder)
    texts = file.read_text(encoding="utf-8").split("\n") if file.exists() else []
    lines = [_line(file, number, text) for number, text in enumerate(texts, 1) if text]
    return [line | {key: today(line[key]) for key in ("settings", "config")} for line in lines]


def _line(file: Path, number: int, text: str) -> dict:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict) or not {"name", "seed", "settings", "config", "records"} <= line.keys():
        raise UserError(f"{file}, line {number}: no result of a run; restore the file, or delete the line")
    return line


def load_results(folder: str | Path) -> list[Result]:
    """The results of an experiment, by name.

    Raises:
        UserError: there are none yet.
    """
    lines = read_lines(Path(folder))
    if not lines:
        raise UserError(f"{folder} has no results yet: python -m sweeps run {folder}")
    return [_result(Path(folder), **line) for line in lines]


def _result(folder: Path, config: dict, records: dict[str, list], **others) -> Result:
    reports = {name: others.pop(name, None) for name in REPORTS}
    records = [dict(zip(records, values, strict=True)) for values in zip(*records.values(), strict=True)]
    return Result(run=Run(folder / "results" / others["name"], config, records, **reports), **others)


def by_seed(results: Iterable[Result], measure: Callable[[Result], float]) -> dict[int, float]:
    """A number of each result, by its seed.

    Raises:
        UserError: a seed is there twice, so that it is not clear which one is meant.
    """
    values: dict[int, float] = {}
    for result in results:
        if result.seed in values:
            raise UserError(f"two results with seed {result.seed}, the second one is {result.name}; choose one variant")
        values[result.seed] = measure(result)
    return values


def differences(a: Mapping[int, float], b: Mapping[int, float]) -> dict[int, float]:
    """a - b for each seed that both have."""
    return {seed: a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())}


def interval_table(
    corner: str, groups: Mapping[str, list[Result]], columns: Mapping[str, tuple[Callable[[Result], float | None], str]]
) -> str:
    """A row for each group of results, as Markdown: means and 95% intervals over seeds.

    Args:
        corner: what the groups are.
        groups: by label.
        columns: by label, a number of each result and how it is written, e.g. `{:.1f}%`.
    """
    rows = [
        [label, *(interval_text([measure(result) for result in group], form) for measure, form in columns.values())]
        for label, group in groups.items()
    ]
    return markdown([corner, *columns], rows)


def verdict(low: float, high: float, expected: str = "positive") -> bool | None:
    """Whether an interval shows the expected sign: True, False if the other one, None if inconclusive."""
    if expected == "negative":
        low, high = -high, -low
    return True if low > 0 else False if high < 0 else None


def claim(
    id: str,
    text: str,
    values: Iterable[float] | Mapping[int, float],
    unit: str,
    holds: bool | None,
    paper: float | str | None = None,
    interval: tuple[float, float, float] | None = None,
    scale: str = "cpu",
) -> dict:
    """A claim and what was measured, for claims.json.

    Args:
        id: unique in the experiment, e.g. `fig4-left`.
        text: the claim.
        values: one for each seed.
        unit: of the values.
        holds: None where the data is inconclusive; see `verdict`.
        paper: the paper's value, if it gives one.
        interval: (value, low, high), if it is not the mean of the values.
        scale: `cpu` (a small world) or `paper`.

    Raises:
        UserError: there are no values.
    """
    numbers = _numbers(values)
    if not numbers:
        raise UserError(f"claim {id}: no seed has all the runs that it compares; finish the sweep first")
    value, *bounds = map(float, interval or mean_interval(numbers))
    known = all(map(math.isfinite, bounds))
    return {
        "id": id,
        "claim": text,
        "scale": scale,
        "value": value,
        "interval": bounds if known else None,
        "unit": unit,
        "seeds": len(numbers),
        "holds": None if holds is None else bool(holds),
        "paper": paper,
    }


def claim_above(
    id: str, text: str, values: Mapping[int, float], unit: str = "points", paper: str | None = None, above: float = 0.0
) -> dict:
    """A claim that holds if the whole 95% interval over seeds is above a value, and not if it is below."""
    _, low, high = mean_interval(_numbers(values))
    return claim(id, text, values, unit, verdict(low - above, high - above), paper)


def claim_within(
    id: str, text: str, values: Mapping[int, float], low: float, high: float, unit: str, paper: float | None = None
) -> dict:
    """A claim of equivalence: it holds if the whole 95% interval lies between two values, not if it lies outside."""
    _, bottom, top = mean_interval(_numbers(values))
    inside, outside = low < bottom and top < high, top < low or high < bottom
    return claim(id, text, values, unit, True if inside else False if outside else None, paper)


def publish(folder: str | Path, figures: Mapping, table: str, claims: list[dict]) -> None:
    """Write `<name>.png` of each figure, table.md and claims.json into an experiment's results; print the table."""
    from analysis.drawing import save_all

    results = results_file(folder).parent
    save_all(results, figures, table)
    replace_text(results / CLAIMS, json.dumps(claims, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _numbers(values: Iterable[float] | Mapping[int, float]) -> list[float]:
    return list(values.values() if isinstance(values, Mapping) else values)
