"""Claims: stated before the runs in an experiment's claims.yaml, decided by its results."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import yaml

from analysis.statistics import UNBOUNDED, Bounds, holm, mean_interval, p_above
from command_line import UserError
from run_directory.layout import replace_text

CLAIMS = "claims.json"
# Verdicts. Of what the paper does not say, the first reads "as stated".
AS_STATED, DIRECTION, INCONCLUSIVE, OTHERWISE, NOT_RUN = (
    "as in the paper", "direction only", "inconclusive", "otherwise", "not run",
)  # fmt: skip
BEYOND = "beyond"  # the figure of claims that the paper does not make
KINDS = ("confirmatory", "post hoc", "exploratory")
SIGNIFICANT = 0.05

Values = Mapping[int, float | None]  # by seed; None is what a run did not come to


@dataclass(frozen=True)
class Claim:
    """A line of claims.yaml.

    Attributes:
        id: unique in the experiment.
        figure: of the paper, e.g. `Fig. 2 right`, or `beyond`.
        statement: one sentence that is understood without others.
        quantity: what is measured, by its definition.
        expect: `above 0`, `below 50` or `between -10 and 10` (equivalence), in the unit of the quantity.
        smallest: the smallest effect of interest, counted from the level of `expect`; None if it is `between`.
        unit: of the quantity.
        kind: `confirmatory`: stated before the runs; `post hoc`: its form (quantity, smallest effect) is younger than
            the runs that decide it; `exploratory`: found in the data.
        paper: what the paper finds, in words or as a number.
        bounds: what the quantity can be at all; `analysis.statistics.mean_interval`.
        tuning: what was chosen on which seeds, and how many trials each side got.
    """

    id: str
    figure: str
    statement: str
    quantity: str
    expect: str
    unit: str = ""
    smallest: float | None = None
    kind: str = "confirmatory"
    paper: str | float | None = None
    bounds: Bounds = UNBOUNDED
    tuning: str | None = None

    @property
    def levels(self) -> Bounds:
        """What is expected as (low, high), one of them infinite if it is a direction."""
        match self.expect.split():
            case ["above", low]:
                return float(low), math.inf
            case ["below", high]:
                return -math.inf, float(high)
            case ["between", low, "and", high]:
                return float(low), float(high)
        raise ValueError(self.expect)


@dataclass(frozen=True)
class Finding:
    """A claim and what was measured.

    Attributes:
        claim: as it was stated.
        values: of each seed.
        value: their mean (`mean_interval`); None if not run.
        interval: 95%; None of one seed, or of values that are all the same.
        unreached: seeds of which the quantity does not exist, since a run did not come so far.
        worlds: how many different populations the seeds had.
        p: that it is so by chance: twice Student's one-sided p, of equivalence the larger of two (TOST).
        p_holm: the same, adjusted for the number of claims of the experiment that are not exploratory and were tried.
        verdict: `decide`.
    """

    claim: Claim
    values: dict[int, float] = field(default_factory=dict)
    value: float | None = None
    interval: tuple[float, float] | None = None
    unreached: int = 0
    worlds: int = 0
    p: float | None = None
    p_holm: float | None = None
    verdict: str = NOT_RUN


def load_claims(folder: Path) -> list[Claim]:
    """The claims of an experiment, as stated; none without a file.

    A claim with `each: [a, b]` stands for one claim each, with `{each}` replaced in its texts.

    Raises:
        UserError: a claim that is not understood.
    """
    file = Path(folder) / "claims.yaml"
    try:
        stated = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else []
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(stated or [], list):
        raise UserError(f"{file} is no list of claims: each begins with `- id:`")
    claims = [_claim(file, number, one) for number, line in enumerate(stated or [], 1) for one in _each(line)]
    ids = [claim.id for claim in claims]
    if doubled := next((id for id in ids if ids.count(id) > 1), None):
        raise UserError(f"{file}: two claims have the id {doubled}")
    return claims


def _each(line) -> list:
    if not (isinstance(line, dict) and isinstance(line.get("each"), list) and line["each"]):
        return [line]
    shared = {key: value for key, value in line.items() if key != "each"}
    return [
        {key: value.replace("{each}", one) if isinstance(value, str) else value for key, value in shared.items()}
        for one in map(str, line["each"])
    ]


def _claim(file: Path, number: int, line: dict) -> Claim:
    try:
        claim = Claim(**line)
        claim = replace(claim, bounds=tuple(float(bound) for bound in claim.bounds))
        if _is_sound(claim):
            return claim
    except (TypeError, ValueError, AttributeError):
        pass
    raise UserError(
        f"{file}, claim {number}: each needs id, figure, statement, quantity and expect (above A, below A, or between A"
        f" and B), and, if not between, smallest; it may have unit, kind ({', '.join(KINDS)}), paper, bounds [a, b] "
        "around the levels, tuning, each [a, b]"
    )


def _is_sound(claim: Claim) -> bool:
    texts = (claim.id, claim.figure, claim.statement, claim.quantity, claim.unit, claim.tuning or "")
    if not all(isinstance(text, str) for text in texts) or not isinstance(claim.paper, str | float | int | None):
        return False
    levels, (least, most) = [level for level in claim.levels if math.isfinite(level)], claim.bounds
    if not levels or sorted(set(levels)) != levels or not all(least < level < most for level in levels):
        return False
    if (math.isinf(least) and math.isfinite(most)) or claim.kind not in KINDS:
        return False
    number = isinstance(claim.smallest, int | float) and 0 <= claim.smallest < math.inf
    return claim.smallest is None if len(levels) == 2 else number


def judge(
    claims: Iterable[Claim], measured: Mapping[str, Values], worlds: Mapping[int, object],
    elsewhere: Mapping[str, Mapping[int, object]] | None = None,
) -> list[Finding]:  # fmt: skip
    """Decide claims.

    Args:
        claims: as they were stated.
        measured: by the id of a claim, its quantity for each seed.
        worlds: the population of each seed.
        elsewhere: the same for claims about other runs, by their ids.

    Raises:
        UserError: something was measured that no claim is about.
    """
    claims = list(claims)
    if unknown := next(iter(measured.keys() - {claim.id for claim in claims}), None):
        raise UserError(f"claim {unknown} is measured, but not stated; put it into claims.yaml")
    findings = [_find(claim, measured.get(claim.id) or {}, (elsewhere or {}).get(claim.id, worlds)) for claim in claims]
    adjusted = holm([_counted(finding) for finding in findings])
    return [
        replace(finding, p_holm=None if math.isnan(p) or finding.p is None else p)
        for finding, p in zip(findings, adjusted, strict=True)
    ]


def _counted(finding: Finding) -> float:
    """What counts for Holm: p; 1 where it was tried and there is none; nan of what was not tried, or exploratory."""
    if finding.verdict == NOT_RUN or finding.claim.kind == "exploratory":
        return math.nan
    return 1.0 if finding.p is None else finding.p


def _find(claim: Claim, values: Values, worlds: Mapping[int, object]) -> Finding:
    known = {seed: float(value) for seed, value in values.items() if value is not None and math.isfinite(value)}
    unreached = len(values) - len(known)
    if not known:
        return Finding(claim, unreached=unreached, verdict=INCONCLUSIVE if values else NOT_RUN)
    numbers = list(known.values())
    least, most = claim.bounds
    if outside := next((number for number in numbers if not least <= number <= most), None):
        raise UserError(f"claim {claim.id} is measured as {outside}, beyond its bounds")
    value, low, high = mean_interval(numbers, claim.bounds)
    one_value = math.isnan(low) or low == high  # one seed, or the same number in all: no interval
    p = _p(numbers, claim)
    return Finding(
        claim, known, value, None if one_value else (low, high), unreached,
        len({worlds.get(seed, seed) for seed in known}), None if math.isnan(p) else p,
        # A seed that did not come so far has no number: the others are a choice, and decide nothing.
        verdict=INCONCLUSIVE if unreached or one_value else decide(claim, low, high),
    )  # fmt: skip


def decide(claim: Claim, low: float, high: float) -> str:
    """The verdict of a 95% interval.

    Of a direction: as stated, if the whole interval is beyond the level by the smallest effect of interest; otherwise,
    if all of it falls short of that; direction only, if it is beyond the level at least; else inconclusive.
    Of an equivalence (TOST, each side at 2.5%): as stated, if it lies between the levels; otherwise, if outside.
    """
    bottom, top = claim.levels
    if math.isfinite(bottom) and math.isfinite(top):
        return AS_STATED if bottom < low and high < top else OTHERWISE if top < low or high < bottom else INCONCLUSIVE
    low, high = (low - bottom, high - bottom) if math.isfinite(bottom) else (top - high, top - low)
    if low > 0 and low >= claim.smallest:
        return AS_STATED
    return OTHERWISE if high < claim.smallest else DIRECTION if low > 0 else INCONCLUSIVE


def _p(numbers: list[float], claim: Claim) -> float:
    low, high = claim.levels
    above = p_above(numbers, low, claim.bounds) if math.isfinite(low) else 0.0
    below = 1 - p_above(numbers, high, claim.bounds) if math.isfinite(high) else 0.0
    return min(1.0, 2 * max(above, below))


def write_findings(folder: Path, findings: Iterable[Finding]) -> None:
    """Write an experiment's results/claims.json."""
    texts = [
        {**asdict(f.claim), **{key: value for key, value in asdict(f).items() if key != "claim"}} for f in findings
    ]
    for text in texts:
        text["bounds"] = [None if math.isinf(bound) else bound for bound in text["bounds"]]
    text = json.dumps(texts, indent=1, ensure_ascii=False, allow_nan=False)
    replace_text(Path(folder) / "results" / CLAIMS, text + "\n")


def read_findings(folder: Path) -> list[Finding]:
    """What `write_findings` wrote.

    Raises:
        UserError: there is nothing, or something else.
    """
    file = Path(folder) / "results" / CLAIMS
    if not file.is_file():
        raise UserError(f"there is no {file}; python -m sweeps plot {folder} writes it")
    try:
        return [_finding(dict(text)) for text in json.loads(file.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{file} holds no claims; write it again: python -m sweeps plot {folder}") from None


def _finding(text: dict) -> Finding:
    low, high = text.pop("bounds")
    measured = {field.name: text.pop(field.name) for field in fields(Finding) if field.name != "claim"}
    measured["values"] = {int(seed): value for seed, value in measured["values"].items()}
    measured["interval"] = measured["interval"] and tuple(measured["interval"])
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    return Finding(Claim(**text, bounds=bounds), **measured)
