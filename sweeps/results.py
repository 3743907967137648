"""What an experiment's plot.py reads and writes: stored results, intervals over seeds, claims."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.statistics import Bounds, interval_text, markdown
from command_line import UserError
from run_directory.layout import REPORTS
from run_directory.records import Run
from settings import today
from sweeps.claims import Values, judge, load_claims, write_findings


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


def by_seed(results: Iterable[Result], measure: Callable[[Result], float | None]) -> dict[int, float | None]:
    """A number of each result, by its seed.

    Raises:
        UserError: a seed is there twice, so that it is not clear which one is meant.
    """
    values: dict[int, float | None] = {}
    for result in results:
        if result.seed in values:
            raise UserError(f"two results with seed {result.seed}, the second one is {result.name}; choose one variant")
        values[result.seed] = measure(result)
    return values


def differences(a: Values, b: Values) -> dict[int, float | None]:
    """a - b for each seed that both have; None where one has none."""
    return _paired(a, b, lambda x, y: x - y)


def ratios(a: Values, b: Values) -> dict[int, float | None]:
    """a / b for each seed that both have; None where one has none."""
    return _paired(a, b, lambda x, y: x / y)


def _paired(a: Values, b: Values, of: Callable[[float, float], float]) -> dict[int, float | None]:
    pairs = {seed: (a[seed], b[seed]) for seed in sorted(a.keys() & b.keys())}
    return {seed: None if None in pair else of(*pair) for seed, pair in pairs.items()}


# A number of each result, how it is written, and what it can be at all, if that is bounded.
Column = tuple[Callable[[Result], float | None], str] | tuple[Callable[[Result], float | None], str, Bounds]


def interval_table(corner: str, groups: Mapping[str, list[Result]], columns: Mapping[str, Column]) -> str:
    """A row for each group of results, as Markdown: means and 95% intervals over seeds.

    Args:
        corner: what the groups are.
        groups: by label.
        columns: by label, e.g. `(accuracy, "{:.1f}%", PERCENT)`.
    """
    rows = [
        [label, *(interval_text([measure(result) for result in group], *how) for measure, *how in columns.values())]
        for label, group in groups.items()
    ]
    return markdown([corner, *columns], rows)


def publish(
    folder: str | Path, figures: Mapping, table: str, measured: Mapping[str, Values],
    elsewhere: Mapping[str, Path] | None = None,
) -> None:  # fmt: skip
    """Write `<name>.png` of each figure, table.md and claims.json into an experiment's results; print the table.

    Args:
        folder: of the experiment, with its claims.yaml.
        figures: by name.
        table: Markdown.
        measured: by the id of a claim, its quantity for each seed; a claim that is left out was not run.
        elsewhere: the experiment whose runs a claim is measured in, by its id, where it is another one.
    """
    from analysis.drawing import save_all

    others = {claim: _worlds(other) for claim, other in (elsewhere or {}).items()}
    findings = judge(load_claims(folder), measured, _worlds(folder), others)
    save_all(results_file(folder).parent, figures, table)
    write_findings(folder, findings)


def _worlds(folder: str | Path) -> dict[int, tuple]:
    """The populations of each seed: one, unless variants differ in it; 0, the default, where a config has none."""
    worlds: dict[int, set] = {}
    for line in read_lines(Path(folder)):
        worlds.setdefault(line["seed"], set()).add(line["config"].get("population_seed", 0))
    return {seed: tuple(sorted(populations, key=str)) for seed, populations in worlds.items()}
