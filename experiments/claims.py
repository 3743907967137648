"""The README's table of what was reproduced, from the experiments' claims."""

import json
from pathlib import Path

from command_line import UserError
from experiments.results import CLAIMS
from experiments.sweep import ROOT

BEGIN, END = "<!-- claims -->", "<!-- /claims -->"
_VERDICTS = {True: "yes", False: "**no**", None: "can't tell"}


def claims_table(root: Path = ROOT) -> str:
    """All claims of all experiments as a Markdown table."""
    rows = ["| claim | measured (95% interval) | seeds | scale | paper | holds |", "|---|---|---|---|---|---|"]
    for path in sorted((root / "experiments").glob(f"*/{CLAIMS}")):
        folder = path.parents[1].relative_to(root)
        rows += [_row(claim, folder) for claim in json.loads(path.read_text(encoding="utf-8"))]
    return "\n".join(rows)


def _row(claim: dict, folder: Path) -> str:
    low, high = claim["interval"]
    measured = f"{claim['value']:g} ({low:g} to {high:g}) {claim['unit']}"
    paper = "–" if claim["paper"] is None else claim["paper"]
    text = f"[{claim['claim']}]({folder}/README.md)"
    return f"| {text} | {measured} | {claim['seeds']} | {claim['scale']} | {paper} | {_VERDICTS[claim['holds']]} |"


def with_table(readme: str, table: str) -> str:
    """A README with the table between its markers.

    Raises:
        UserError: it has no markers.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"README.md lacks the lines {BEGIN} and {END}, between which the table belongs")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def update_readme() -> None:
    """Write the table into README.md."""
    path = ROOT / "README.md"
    path.write_text(with_table(path.read_text(encoding="utf-8"), claims_table()), encoding="utf-8")
