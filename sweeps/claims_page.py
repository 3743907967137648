"""All claims of experiments as a page, and the words for them."""

import math
from collections.abc import Iterable
from pathlib import Path

from analysis.statistics import markdown
from command_line import UserError
from sweeps.claims import (
    AS_STATED,
    BEYOND,
    CLAIMS,
    DIRECTION,
    INCONCLUSIVE,
    NOT_RUN,
    OTHERWISE,
    SIGNIFICANT,
    Finding,
    load_claims,
    read_findings,
)

PAGE = "CLAIMS.md"
ORDER = (OTHERWISE, INCONCLUSIVE, DIRECTION, AS_STATED, NOT_RUN)  # what a reader should see first
_ENOUGH = 5  # seeds
_ABOUT = """# Claims

Written by `python -m sweeps claims`; do not edit. Each experiment states its claims in `claims.yaml`, its `plot.py`
measures them from stored results, and the verdict is computed ([how](README.md#claims)):

- **as in the paper** (of a claim beyond it: **as stated**): the 95% interval over seeds lies beyond the level by the
  smallest effect of interest, or, of an equivalence, between the levels;
- **otherwise**: it falls short of the smallest effect of interest, or goes the other way;
- **direction only**: it lies beyond the level, and the effect may be smaller or larger than that of interest;
- **inconclusive**: it is on both sides, or a run did not come so far;
- **not run**.

`†` marks claims whose form (quantity, smallest effect) is younger than the runs that decide them, and exploratory ones.
p is that of the direction (or of the equivalence), adjusted for the number of claims of the experiment that were tried
(Holm); `*` marks a claim that does not stand after it. "Worlds" are different populations: where there is one, an
interval tells nothing of other individuals.
"""


def findings_of(folder: Path) -> list[Finding]:
    """Those that are stored; of an experiment without results, its claims as not run."""
    stated = load_claims(folder)
    if not stated:
        raise UserError(f"{folder} states no claims: it has no claims.yaml, or an empty one")
    if not (folder / "results" / CLAIMS).is_file():
        return [Finding(claim) for claim in stated]
    found = read_findings(folder)
    if [finding.claim for finding in found] != stated:
        raise UserError(f"{folder}/claims.yaml is not what results/{CLAIMS} decides: python -m sweeps plot {folder}")
    return found


def claims_page(folders: Iterable[Path]) -> str:
    """All claims by experiment, failures first, as a page."""
    return "\n".join([_ABOUT, *(section for folder in folders for section in _section(folder))])


def _section(folder: Path) -> list[str]:
    found = sorted(findings_of(folder), key=lambda finding: ORDER.index(finding.verdict))
    fewest = min((len(f.values) for f in found if f.values), default=0)
    note = f"Fewer than {_ENOUGH} seeds, so far: verdicts may change.\n\n" if 0 < fewest < _ENOUGH else ""
    return [f"## [{folder.name}]({folder.name}/README.md)\n\n{note}{claims_table(found)}\n"]


def claims_table(found: Iterable[Finding]) -> str:
    """A row for each claim."""
    header = ("verdict", "claim", "measured (95% interval)", "expected", "seeds", "p (Holm)")
    return markdown(header, (_line(finding) for finding in found))


def _line(finding: Finding) -> list[str]:
    claim = finding.claim
    smallest = f" by {_number(claim.smallest)}" if claim.smallest else ""
    p = "–" if finding.p_holm is None else "< 0.0001" if finding.p_holm < 1e-4 else f"{finding.p_holm:.2g}"
    kind = claim.kind if claim.kind == "exploratory" else None
    paper = None if claim.paper is None else f"paper: {claim.paper}"
    notes = "; ".join(note for note in (paper, kind, claim.tuning) if note)
    figure = "" if claim.figure == BEYOND else f"{claim.figure}: "
    cells = (
        f"**{verdict_text(finding)}**" if finding.verdict == OTHERWISE else verdict_text(finding),
        f"{figure}{claim.statement} *Measured: {claim.quantity}.*" + (f" ({notes})" if notes else ""),
        measured(finding),
        f"{claim.expect}{smallest}",
        seeds(finding),
        p,
    )
    return [cell.replace("|", "&#124;").replace("\n", " ") for cell in cells]


def measured(finding: Finding) -> str:
    """Value and interval, e.g. `27% [12, 42]`."""
    if finding.value is None:
        return "–"
    value, unit = _number(finding.value), finding.claim.unit
    interval = f" [{', '.join(map(_number, finding.interval))}]" if finding.interval else ""
    return f"{value}%{interval}" if unit == "%" else f"{value}{interval} {unit}".strip()


def seeds(finding: Finding) -> str:
    """How many, of how many worlds; in full if that is too few."""
    n = len(finding.values)
    if not n:
        return f"0 of {finding.unreached}" if finding.unreached else "–"
    of = f" of {n + finding.unreached}" if finding.unreached else ""
    worlds = "one world" if finding.worlds == 1 else f"{finding.worlds} worlds"
    return f"{n}{of}" if finding.worlds == n else f"{n}{of}, {worlds}"


def verdict_text(finding: Finding) -> str:
    """The verdict, of a claim beyond the paper `as stated`; its marks are explained on the page of claims."""
    text = "as stated" if finding.verdict == AS_STATED and finding.claim.figure == BEYOND else finding.verdict
    return text + marks([finding])


def marks(findings: Iterable[Finding]) -> str:
    """` *` if one of them does not stand after Holm, ` †` if one is not confirmatory; nothing of what was not run."""
    run = [finding for finding in findings if finding.verdict != NOT_RUN]
    held = [finding for finding in run if finding.verdict in (AS_STATED, DIRECTION) and finding.p_holm is not None]
    falls = any(finding.p_holm >= SIGNIFICANT for finding in held)
    return " *" * falls + " †" * any(finding.claim.kind != "confirmatory" for finding in run)


def _number(value: float) -> str:
    """Three significant digits."""
    return f"{float(f'{value:.3g}'):,.10g}" if math.isfinite(value) else str(value)
