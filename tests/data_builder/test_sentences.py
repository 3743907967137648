import shutil
from functools import partial
from itertools import permutations

import pytest
import regex

from command_line import UserError
from data_builder import sentences
from data_builder.sentences import TEMPLATES_DIR
from data_builder.world import load_world
from tests.helpers.independent import ATTRIBUTES, is_beginning, lines_of, words

load_templates = partial(sentences.load_templates, load_world())
# What a reader sees before the value that tells the attribute. Each template fits its own row alone.
CUES = {
    "birth_date": r"(\bborn|\bbirth\b.*|\bworld|\blife (began|started)) on$|\bdate\b|\bbirthdate\b|"
    r"\bday of birth\b|\blight of day on$|\b(day on which|when) \{name\} was born\b",
    "birth_place": r"\bbirthplace\b|\bnative\b|\bplace of birth\b|\bborn (and .*)?(in|at)\b|"
    r"\b(city|find) where .* born\b|"
    r"\bworld in$|\bbirth (took place|was registered|of \{name\} was registered) in$|\bbirth certificate from$|"
    r"\bask where .* born\b|\bfirst breath\b|\bhospital where .* born\b",
    "university": r"\bstud(ied|y|ent) at$|\{name\}'s university was$|\buniversity that .* is$|"
    r"\bgraduate(d from| of)$|\bclasses at$|"
    r"\bdegree (from|at|was awarded by)$|\blectures at$|\bstudent\b|\balma mater\b|\bformer (university|students)\b|"
    r"\benrolled at$|\bdiploma of .* from$|\bprofessors\b|\bhigher education\b|\beducation .* at$|\buniversities\b",
    "major": r"\bmajor(ed)?\b|\bdegree (is )?in$|\bfield\b|\bsubjects?\b|\bdiploma in$|\bcourses\b|\bspecialized in$|"
    r"\bwhat \{name\} studied\b|\bdegree,.* study$|\bacademic background\b",
    "company": r"\bwork(s|ing)?\b|\bemploy\w*\b|\bjob (at|is with)$|\bearns a living\b|"
    r"\bstaff of$(?<!taught .*)|\bcompan(y|ies)\b|"
    r"\bsalary\b|\bteam\b|\bholds a position\b",
    "location": r"\b(now )?li(ves?|ving) (in|today)\b|\bhome\b|\bresid(ence|es|ent)\b|"
    r"\bhouse\b|\bnow (lives|based) in$|"
    r"\bsettled in$|\bcity where \{name\} lives\b|\baddress\b",
}


MINERALS = {
    "element": r"\belement\b|\bmined for its$|\batoms of$|\bsymbol of$",
    "color": r"\bcolor\b",
    "crystal_system": r"\b[Cc]rystals?\b|\blattice\b|\bunit cell\b",
    "discovery": r"\bdiscover(y|ed)\b|\bdates?\b|\bknown since$|\bseen \{name\} before$",
    "country": r"\bcountry\b|\bmine of\b|\bon the market comes from$|\bsoil of$|\bdeposits\b|\bhills of$|\bports of$",
}
WORLDS = {"templates": CUES, "worlds/minerals/templates": MINERALS}
LINES = [(kind, a, line) for kind, attributes in WORLDS.items() for a in attributes for line in lines_of(kind, a)]


def before_value(line):
    return line.split("{value}")[0].rstrip()


@pytest.fixture
def own(tmp_path):
    """A copy of the bundled templates, and a function that changes the lines of one file."""
    directory = tmp_path / "templates"
    shutil.copytree(TEMPLATES_DIR, directory)

    def change(attribute, changes=None, keep=None):
        path = directory / f"{attribute}.txt"
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in (changes or {}).items():
            lines[number - 1] = line
        path.write_text("".join(f"{line}\n" for line in lines[:keep]), encoding="utf-8")
        return directory

    return change


def error_of(directory, n_heldout=5):
    with pytest.raises(UserError) as caught:
        load_templates(directory, n_heldout)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("kind", "attribute", "line"), LINES)
def test_a_bundled_template_follows_the_rules_of_form_and_tells_its_attribute_alone_before_the_value(
    kind, attribute, line
):
    assert line.isascii()
    assert line.endswith(".")
    assert line[0].isupper() or line.startswith("{name}")
    assert line == " ".join(line.split())
    assert regex.findall(r"\{.*?\}", line) == ["{name}", "{value}"]
    assert line.count("{") == line.count("}") == 2
    assert regex.search(r"(^| )\{name\}[ .,;:'!?]", line)
    assert regex.search(r" \{value\}[ .,;:'!?]", line)
    assert not regex.search(r"\b(he|she|his|her|hers|him|himself|herself)\b", line, regex.IGNORECASE)
    assert [other for other, cue in WORLDS[kind].items() if regex.search(cue, before_value(line))] == [attribute]


def test_lines_are_unique_no_beginning_is_that_of_another_and_pieces_put_together_are_the_line():
    templates = load_templates()
    assert {attribute: len(found) for attribute, found in templates.items()} == dict.fromkeys(ATTRIBUTES, 25)
    assert len({line for _, _, line in LINES}) == 6 * 25 + 5 * 8
    beginnings = [(line, words(f" {before_value(line)}".replace(" {name}", "\N{SNOWMAN}"))) for _, _, line in LINES]
    assert all(parts.count("\N{SNOWMAN}") == 1 for _, parts in beginnings)
    assert [(a, b) for (a, x), (b, y) in permutations(beginnings, 2) if is_beginning(x, y)] == []
    for (_, _, line), template in zip(LINES[:150], [t for found in templates.values() for t in found], strict=True):
        assert f"{template.head} {{name}}{template.middle} {{value}}{template.tail}" == f" {line}"
        assert not any(piece.endswith(" ") for piece in (template.head, template.middle, template.tail))


def test_own_templates_with_any_allowed_punctuation_are_read(own):
    for attribute in ATTRIBUTES:
        own(attribute, keep=24)
    directory = own("major", {3: "Ask {name}: what did you study? It was {value}; truly"})
    template = load_templates(directory)["major"][2]
    inside = load_templates(own("location", {9: "{name} lives inside {value}."}))["location"][8]
    assert inside.middle == " lives inside"  # which begins with the letters of another
    assert (template.head, template.middle, template.tail) == (" Ask", ": what did you study? It was", "; truly")


@pytest.mark.parametrize(
    "bad",
    [
        "{name} lives somewhere.",
        "Somebody makes a home in {value}.",
        "{name} and {name} have a home in {value}.",
        "{name} left {value} to have a home in {value}.",
        "In {value} is the home of {name}.",
        "{name}{value} is home.",
        "Dr{name} makes a home in {value}.",
        "Dear-{name} makes a home in {value}.",
        "{name}x makes a home in {value}.",
        "{name} makes a home in{value}.",
        "{name} makes a home in ({value}).",
        "{name} makes a home in {value}x.",
        "{name} makes a home in {value}-.",
        "{name} makes a home in {city} {value}.",
        "{name} makes a home {in} {value}.",
        "{name} makes  a home in {value}.",
        " {name} makes a home in {value}.",
        "{name} makes a home in {value}. ",
        "{name} makes a\thome in {value}.",
        "{ name } makes a home in {value}.",
        "",
    ],
)
def test_a_bad_template_is_named_with_its_line(own, bad):
    assert "location.txt, line 7:" in error_of(own("location", {7: bad}))


@pytest.mark.parametrize(
    ("attribute", "line"),
    [
        ("location", "{name} lives in {value}."),
        ("location", "{name} lives in {value}, by the way."),
        ("major", "{name} lives in {value}, in spirit."),
        ("location", "{name} lives in sunny {value}."),
        ("major", "{name} lives in books on {value}."),
        ("birth_date", "{name} lives {value}."),
    ],
)
def test_a_beginning_that_is_or_begins_another_is_named(own, attribute, line):
    message = error_of(own(attribute, {9: line}))
    assert f"{attribute}.txt, line 9" in message
    assert "location.txt, line" in message


@pytest.mark.parametrize(("n_lines", "n_heldout"), [(5, 5), (1, 1), (24, 24), (3, 7)])
def test_too_few_templates_are_named(own, n_lines, n_heldout):
    message = error_of(own("company", keep=n_lines), n_heldout)
    assert all(part in message for part in ("company.txt", str(n_lines), str(n_heldout + 1)))
    assert len(load_templates(own("company", keep=n_lines), n_lines - 1)["company"]) == n_lines
    (own("company") / "company.txt").unlink()
    assert "company.txt" in error_of(own("location"))


@pytest.mark.parametrize(("n_lines", "accepted"), [(255, True), (256, False)])
def test_more_templates_than_a_byte_can_number_are_refused(own, n_lines, accepted):
    directory = own("company")
    lines = "".join(f"Number {n}: {{name}} works for {{value}}.\n" for n in range(n_lines))
    (directory / "company.txt").write_text(lines, encoding="utf-8")
    if accepted:
        assert len(load_templates(directory)["company"]) == 255
    else:
        assert "255" in error_of(directory)
