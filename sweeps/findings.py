"""What was found, in a minute: the README's tables, and each of their rows as a row of a forest plot."""

import fnmatch
import math
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from analysis.statistics import markdown
from command_line import UserError
from run_directory.layout import replace_text
from sweeps.claims import AS_STATED, BEYOND, DIRECTION, INCONCLUSIVE, NOT_RUN, OTHERWISE, Finding
from sweeps.claims_page import ORDER, PAGE, claims_page, findings_of, marks, measured, seeds, verdict_text
from sweeps.sweep import ROOT

EXPERIMENTS = ROOT / "experiments"
_COLORS = {AS_STATED: "#0072B2", DIRECTION: "#56B4E9", INCONCLUSIVE: "#808080", OTHERWISE: "#D55E00"}
_LABELS = {AS_STATED: "as in the paper, or as stated"}
BEGIN, END = "<!-- findings -->", "<!-- /findings -->"


@dataclass(frozen=True)
class Row:
    """A row of the README's tables, from experiments/findings.yaml.

    Attributes:
        says: what the paper says, or what is asked beyond it.
        figure: of the paper; `beyond`.
        claim: `<experiment>/<id>`, or a pattern for many; None if nobody has run it.
        here: what was measured, in words around `{value}`; of many claims, {value} counts their verdicts.
        world: in which it was measured.
        paper: what the paper found.
    """

    says: str
    figure: str = BEYOND
    claim: str | None = None
    here: str = "{value}"
    world: str = "–"
    paper: str = "–"


def find_experiments() -> list[Path]:
    """All experiments of this project that state claims, by name."""
    return [file.parent for file in sorted(EXPERIMENTS.glob("*/claims.yaml"))]


def load_rows() -> list[Row]:
    """The rows of experiments/findings.yaml."""
    return [Row(**row) for row in yaml.safe_load((EXPERIMENTS / "findings.yaml").read_text(encoding="utf-8"))]


def findings_tables(rows: Iterable[Row]) -> str:
    """The README's two tables, the paper's findings and what is beyond it, and a line of what nobody has run."""
    rows = list(rows)
    of_paper, beyond = (
        [row for row in rows if (row.figure == BEYOND) is kind and _was_run(row)] for kind in (False, True)
    )
    first = markdown(
        ("figure", "the paper says", "paper", "here (95% interval)", "world", "seeds", "verdict"),
        ([row.figure, row.says, row.paper, *_cells(row)] for row in of_paper),
    )
    second = markdown(
        ("beyond the paper", "here (95% interval)", "world", "seeds", "verdict"),
        ([row.says, *_cells(row)] for row in beyond),
    )
    return f"{first}\n\n{second}\n{_missing([row for row in rows if not _was_run(row)])}"


def _missing(rows: list[Row]) -> str:
    """A line that names them, each once."""
    if not rows:
        return ""
    names = (row.says if row.figure == BEYOND else row.figure for row in rows)
    linked = (f"[{name}]({_page(row)})" if row.claim else name for name, row in zip(names, rows, strict=True))
    return f"\n**Not run yet** (linked where it is stated): {'; '.join(dict.fromkeys(linked))}.\n"


def _findings(row: Row) -> list[Finding]:
    """What was found of the claims of a row."""
    if row.claim is None:
        return []
    experiment, pattern = row.claim.split("/")
    found = [f for f in findings_of(EXPERIMENTS / experiment) if fnmatch.fnmatchcase(f.claim.id, pattern)]
    if not found:
        raise UserError(f"experiments/findings.yaml: there is no claim {row.claim}")
    return found


def _was_run(row: Row) -> bool:
    return any(finding.verdict != NOT_RUN for finding in _findings(row))


def _page(row: Row) -> str:
    return f"experiments/{row.claim.split('/')[0]}/README.md"


def _cells(row: Row) -> tuple[str, str, str, str]:
    found, link = _findings(row), f"[{{}}]({_page(row)})"
    if len(found) == 1:
        (one,) = found
        here = row.here.replace("{value}", measured(one)) if one.value is not None else "–"
        return here, row.world, seeds(one), link.format(verdict_text(one))
    counts = Counter(f.verdict for f in found)
    text = ", ".join(f"{verdict} {counts[verdict]}" for verdict in reversed(ORDER) if counts[verdict])
    most = max(found, key=lambda finding: len(finding.values))
    return row.here.replace("{value}", f"{len(found)}"), row.world, seeds(most), link.format(text + marks(found))


def write_all() -> None:
    """Write experiments/CLAIMS.md and forest.png, and the tables of the project's README."""
    from analysis.drawing import save

    rows = load_rows()
    replace_text(EXPERIMENTS / PAGE, claims_page(find_experiments()))
    replace_text(ROOT / "README.md", updated(ROOT / "README.md", rows))
    save(forest(rows), EXPERIMENTS / "forest.png")


def updated(page: Path, rows: Iterable[Row]) -> str:
    """A page with the tables of now.

    Raises:
        UserError: the markers are missing.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"{page} needs the lines {BEGIN} and {END}, between which the tables go")
    return f"{before}{BEGIN}\n{findings_tables(rows)}{END}{after}"


def forest(rows: Iterable[Row]):
    """Each finding of the README in units of its smallest effect of interest: a dot for each seed, a 95% interval."""
    from analysis.drawing import legend, panels

    shown = [(row, finding) for row in rows if row.claim for finding in _single(row)]
    figure, axes = panels(1, 1, 0.25 * len(shown) + 0.6)
    for place, (_, finding) in enumerate(reversed(shown)):
        color, equal = _COLORS[finding.verdict], all(map(math.isfinite, finding.claim.levels))
        how = {"color": color, "markersize": 4, "mfc": "none", "label": _LABELS.get(finding.verdict, finding.verdict)}
        where = [_scaled(finding, value) for value in finding.values.values()]
        axes.plot(where, [place] * len(where), "D" if equal else "o", **how)
        if finding.interval:
            axes.plot([_scaled(finding, end) for end in finding.interval], [place] * 2, color=color, linewidth=1.5)
    axes.set_yticks(range(len(shown)), [_label(*one) for one in reversed(shown)])
    for level, line in ((0, "-"), (1, ":"), (-1, ":")):
        axes.axvline(level, color="gray", linewidth=1, linestyle=line, zorder=0)
    axes.set_xscale("symlog", linthresh=2)
    axes.set_xticks([-10, -1, 0, 1, 10], ["−10", "−1", "0", "1", "10"])
    axes.set_ylim(-1, len(shown))
    axes.set_xlabel("effect / smallest effect of interest")
    legend(
        figure, "a mark for each seed, a line for the 95% interval; diamonds: equivalence, which holds between −1 and 1"
    )
    return figure


def _single(row: Row) -> list[Finding]:
    experiment, id = row.claim.split("/")
    return [f for f in findings_of(EXPERIMENTS / experiment) if f.claim.id == id and f.values]


def _scaled(finding: Finding, value: float) -> float:
    """Distance from the level, in smallest effects; of an equivalence, from its middle, 1 at its levels."""
    low, high = finding.claim.levels
    if math.isfinite(low) and math.isfinite(high):
        return 2 * (value - (low + high) / 2) / (high - low)
    effect = value - low if math.isfinite(low) else high - value
    return effect / (finding.claim.smallest or 1)


def _label(row: Row, finding: Finding) -> str:
    return f"{textwrap.shorten(row.says, 78, placeholder=' …')}  ({row.figure})"
