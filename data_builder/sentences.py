"""Reading and checking the sentence templates."""

import re
from dataclasses import dataclass
from pathlib import Path

from command_line import UserError
from data_builder.conflicts import Conflict, collect, refuse
from data_builder.texts import Beginnings, read_lines, special_token
from data_builder.tokenizer import split_words
from data_builder.world import World

TEMPLATES_DIR = Path(__file__).parent / "templates"

MAX_TEMPLATES = 255  # template ids are stored in a byte

_FORM = re.compile(r"(|[^{}]* )\{name\}((?:|[ .,;:'!?][^{}]*) )\{value\}((?:[ .,;:'!?][^{}]*)?)")
_FORM_RULE = (
    "needs exactly one {name} and then one {value}, each after a space (or, for the name, at the "
    "beginning) and before a space or one of . , ; : ' ! ?, so that names and values are the same tokens everywhere"
)
_UNCERTAIN = "what comes next would be uncertain, and no loss could reach 0; reword or remove one of them"


@dataclass(frozen=True)
class Template:
    """One sentence as the text around its two placeholders: head NAME middle VALUE tail.

    Every piece holds the spaces before its words and none after them, so that pieces of text and
    pieces of tokens are cut at the same places.
    """

    head: str
    middle: str
    tail: str

    @property
    def text(self) -> str:
        """The line of the file."""
        return f"{self.head} {{name}}{self.middle} {{value}}{self.tail}".lstrip()


def load_templates(world: World, directory: str | Path | None = None, n_heldout: int = 5) -> dict[str, list[Template]]:
    """Read `<attribute>.txt` for each attribute and check the rules (templates/README.md).

    Args:
        world: whose attributes.
        directory: where the files lie; the project's own templates if None.
        n_heldout: templates kept for evaluation; each file must have more than that.

    Raises:
        Conflicts: attributes without templates, or with too few, templates that break a rule; all at once.
    """
    directory = Path(directory or TEMPLATES_DIR)
    if not directory.is_dir():
        raise UserError(f"there is no directory {directory}: it should have the templates of a world")
    templates: dict[str, list[Template]] = {}
    kept: Beginnings = Beginnings()
    found: list[Conflict] = []
    for attribute in world.attributes:
        with collect(found):
            path = world.needed(f"attributes.{attribute}", directory / f"{attribute}.txt")
            templates[attribute] = _load_file(path, n_heldout, kept)
    refuse(found)
    return templates


def _load_file(path: Path, n_heldout: int, kept: Beginnings) -> list[Template]:
    """The templates of a file; of two that can't stand together, the later one is in conflict.

    Args:
        path: which file.
        n_heldout: of `load_templates`.
        kept: beginnings of all templates so far, with their places; those of this file are added.
    """
    found, lines = [], read_lines(path)
    if len(lines) <= n_heldout:
        needed = f"with {n_heldout} held out for evaluation it needs at least {n_heldout + 1}"
        found.append(Conflict(path, f"has {len(lines)} templates; {needed}"))
    templates = add_templates([(path, number, line) for number, line in enumerate(lines, 1)], kept, found)
    refuse(found)
    return templates


def add_templates(lines: list[tuple[Path, int, str]], kept: Beginnings, found: list[Conflict]) -> list[Template]:
    """The templates of an attribute, from file, number and text of each line; adds to beginnings and conflicts."""
    templates: list[Template] = []
    for path, number, line in lines:
        template = _parse(line)
        if wrong := _conflict(line, template, len(templates), kept):
            found.append(Conflict(path, wrong, number))
        else:
            kept.add(_beginning(template), f"{path}, line {number}")
            templates.append(template)
    return templates


def _parse(line: str) -> Template | None:
    match = _FORM.fullmatch(line)
    if match is None or line != " ".join(line.split()):
        return None
    head, middle, tail = match.groups()
    return Template(f" {head}".rstrip(), middle.rstrip(), tail)


def _conflict(line: str, template: Template | None, n_templates: int, kept: Beginnings) -> str | None:
    """Why a template can't be one more of those kept.

    What stands before a value must tell that a value comes next, and of which attribute. Paper, Sec. 1: otherwise no
    model could reach zero attribute loss. So no template, cut before its value, may be the beginning of another one.
    """
    if template is None:
        return f"{_FORM_RULE}: '{line}'"
    if n_templates == MAX_TEMPLATES:
        return f"one more than the {MAX_TEMPLATES} templates that an attribute can have"
    words = _beginning(template)
    if same := kept.same(words):
        return f"reads the same up to its value as {same}; {_UNCERTAIN}: '{line}'"
    if shorter := kept.shorter(words):
        return f"begins like {shorter} up to where that has its value; {_UNCERTAIN}: '{line}'"
    if longer := kept.longer(words):
        return f"has its value where {longer} goes on, which begins like it; {_UNCERTAIN}: '{line}'"
    return special_token(line)


def _beginning(template: Template) -> tuple[str, ...]:
    return (*split_words(template.head), "{name}", *split_words(template.middle))
