"""The README's table of what was reproduced, generated from the claims of all experiments."""

import json
from pathlib import Path

from analysis.statistics import markdown
from command_line import UserError
from run_directory.layout import replace_text
from sweeps.results import CLAIMS
from sweeps.sweep import ROOT

README = ROOT / "README.md"
EXPERIMENTS = ROOT / "experiments"
BEGIN, END = "<!-- claims -->", "<!-- /claims -->"
_HOLDS = {True: "yes", False: "**no**", None: "inconclusive"}
_COLUMNS = ("experiment", "claim", "scale", "measured (95% interval)", "paper", "seeds", "holds")


def update_readme(readme: Path = README, experiments: Path = EXPERIMENTS) -> None:
    """Put the table of now between the markers."""
    replace_text(readme, _updated(readme, experiments))


def is_up_to_date(readme: Path = README, experiments: Path = EXPERIMENTS) -> bool:
    """Whether the table in the README is what the claims give."""
    return readme.read_text(encoding="utf-8") == _updated(readme, experiments)


def claims_table(experiments: Path = EXPERIMENTS) -> str:
    """All claims, experiment by experiment, as Markdown."""
    files = sorted(experiments.glob(f"*/results/{CLAIMS}"))
    rows = [_row(file.parents[1].name, claim) for file in files for claim in json.loads(file.read_text("utf-8"))]
    return markdown(_COLUMNS, rows) + "\n"


def _updated(readme: Path, experiments: Path) -> str:
    """The README with the table of now.

    Raises:
        UserError: the markers are missing.
    """
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"{readme} needs the lines {BEGIN} and {END}, between which the table goes")
    return f"{before}{BEGIN}\n{claims_table(experiments)}{END}{after}"


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
