"""Every section, appendix and figure of the paper (arXiv 2503.21676) that is cited anywhere exists."""

import re

import pytest

from tests.helpers.pretraining import ROOT
from tests.test_floor_plan import FLOORS

VALID = {
    # Setup, metrics; dynamics: phases, patching; distributions, warm-up; fine-tuning: forgetting; discussion.
    "Sec": {"1", "1.3", "2", "2.1", "2.2", "3", "3.2", "4", "4.2", "5"},
    # Related work; setup; robustness; mechanism: signatures; distributions: control; fine-tuning: setup, confidence,
    # rare people and attention, toy memory, switching; hyper-parameters. Letters beyond are figures.
    "App": {"A", "B", "C", "D", "D.2", "E", "E.2", "F", "F.1", "F.2", "F.3", "F.4", "F.5", "G"},
    # Those of the text have numbers, those of the appendices letters.
    "Fig": {*"12345", *"ABCDEFGHIJKLMNOPQRSTUVWX"},
}
PLACE = r"(?:[A-Z]|\d+)(?:\.\d+)*(?!\w)"
LIST = rf"{PLACE}(?:(?:, (?:and )?| and | or | to |[-–]){PLACE})*"
CITED = re.compile(rf"\b(?P<kind>App|Sec|Fig)s?\.\s*(?P<places>{LIST})")
# In words a citation would not be looked at; and another paper's has its author before it.
IN_WORDS = re.compile(rf"\b(?:Appendi(?:x|ces)|Sections?|Figures?) {PLACE}")
OTHERS = re.compile(r"(?!Zucchet)\b[A-Z]\w+ (?:et al\.|& [A-Z]\w+),? \(?\d{4},? *$")

FOLDERS = sorted({*set().union(*FLOORS), "docs", "notebooks", "recipes", "tests"})
SUFFIXES = {".py", ".md", ".yaml", ".j2", ".toml", ".cff", ".ipynb"}


def pages():
    found = [path for path in ROOT.iterdir() if path.is_file()]
    found += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    return sorted(path for path in found if path.suffix in SUFFIXES and path.name != "test_citations.py")


def running(text):
    """Text without the ends of its lines, and without what begins a line of a comment."""
    return re.sub(r"\s*\n\s*(?:# ?)?", " ", text)


def cited(text):
    """All that is cited of the paper, as ("App", "F.2")."""
    text = running(text)
    for found in CITED.finditer(text):
        if not OTHERS.search(text[: found.start()][-60:]):
            yield from ((found["kind"], place) for place in re.findall(PLACE, found["places"]))


def wrong(text):
    unknown = [f"{kind}. {place}" for kind, place in cited(text) if place not in VALID[kind]]
    return unknown + IN_WORDS.findall(running(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(paper, Sec. 1 and App. B: so)", []),
        ("Sec. 4.2, App. F.1, Fig. 5 right, Figs. N and P", []),
        ("(paper, Figs. S–V). Fig. 2 right, AdamW; App. E.2", []),
        ("(paper, Sec. 4 and App. S-V)", ["App. S", "App. V"]),
        ("App. B and H", ["App. H"]),
        ("see Sec. 3.2, 4.7 and 6", ["Sec. 4.7", "Sec. 6"]),
        ("Figs. 5, 6 or Y", ["Fig. 6", "Fig. Y"]),
        ("(paper,\n    # Fig. M, App.\n    # F.9)", ["App. F.9"]),
        ("Kaplan et al. 2020, Sec. 7.1; Zucchet et al. 2025, Sec. 7.2", ["Sec. 7.2"]),
        ("Appendix F of the paper, Figure 5, figures of a run", ["Appendix F", "Figure 5"]),
    ],
)
def test_a_wrong_citation_is_found(text, expected):
    assert wrong(text) == expected


def test_every_citation_exists():
    found = {path.relative_to(ROOT).as_posix(): wrong(path.read_text(encoding="utf-8")) for path in pages()}
    assert {path: places for path, places in found.items() if places} == {}


def test_the_table_is_in_use():
    """Citations are found at all, in code, pages, recipes and sweeps."""
    kinds = {path.suffix for path in pages() if any(cited(path.read_text(encoding="utf-8")))}
    assert {".py", ".md", ".yaml"} <= kinds
