"""The table of what was reproduced, generated from the claims of experiments."""

import json
from collections.abc import Iterable
from pathlib import Path

from analysis.statistics import markdown
from command_line import UserError
from run_directory.layout import replace_text
from sweeps.results import CLAIMS
from sweeps.sweep import ROOT

EXPERIMENTS = ROOT / "experiments"
BEGIN, END = "<!-- claims -->", "<!-- /claims -->"
_HOLDS = {True: "yes", False: "**no**", None: "inconclusive"}
_COLUMNS = ("experiment", "claim", "scale", "measured (95% interval)", "paper", "seeds", "holds")


def update_page(page: Path, folders: Iterable[Path]) -> None:
    """Put the table of now between the markers of a page."""
    replace_text(page, _updated(page, folders))


def is_up_to_date(page: Path, folders: Iterable[Path]) -> bool:
    """Whether the table in a page is what the claims give."""
    return page.read_text(encoding="utf-8") == _updated(page, folders)


def find_experiments() -> list[Path]:
    """All experiments of this project that have claims, by name."""
    return [file.parents[1] for file in sorted(EXPERIMENTS.glob(f"*/results/{CLAIMS}"))]


def claims_table(folders: Iterable[Path]) -> str:
    """The claims of experiments as Markdown."""
    files = {folder.name: folder / "results" / CLAIMS for folder in folders}
    if missing := next((file for file in files.values() if not file.is_file()), None):
        raise UserError(f"there is no {missing}; python -m sweeps plot writes it")
    rows = [row for name, file in files.items() for row in _rows(name, file)]
    return markdown(_COLUMNS, rows) + "\n"


def _updated(page: Path, folders: Iterable[Path]) -> str:
    """A page with the table of now.

    Raises:
        UserError: the markers are missing.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"{page} needs the lines {BEGIN} and {END}, between which the table goes")
    return f"{before}{BEGIN}\n{claims_table(folders)}{END}{after}"


def _rows(experiment: str, file: Path) -> list[list[str]]:
    try:
        return [_row(experiment, claim) for claim in json.loads(file.read_text("utf-8"))]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{file} holds no claims; write it again: python -m sweeps plot {file.parents[1]}") from None


def _row(experiment: str, claim: dict) -> list[str]:
    link = f"[{experiment}](experiments/{experiment}/README.md)"
    paper = "–" if claim["paper"] is None else _number(claim["paper"])
    cells = (link, claim["claim"], claim["scale"], _measured(claim), paper, claim["seeds"], _HOLDS[claim["holds"]])
    return [str(cell).replace("|", "&#124;") for cell in cells]


def _measured(claim: dict) -> str:
    interval = f" [{', '.join(map(_number, claim['interval']))}]" if claim["interval"] else ""
    return f"{_number(claim['value'])}{interval} {claim['unit']}".strip()


def _number(value: float | str) -> str:
    """Three significant digits; a text as it is."""
    return value if isinstance(value, str) else f"{float(f'{value:.3g}'):,.10g}"
