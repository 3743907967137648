"""Reading and checking the sentence templates."""

import re
from dataclasses import dataclass
from pathlib import Path

from command_line import UserError
from data_builder.tokenizer import split_words
from data_builder.word_lists import read_lines
from data_builder.world import World

TEMPLATES_DIR = Path(__file__).parent / "templates"

MAX_TEMPLATES = 255  # template ids are stored in a byte

_FORM = re.compile(r"(|[^{}]* )\{name\}((?:|[ .,;:'!?][^{}]*) )\{value\}((?:[ .,;:'!?][^{}]*)?)")
_FORM_RULE = (
    "needs exactly one {name} and then one {value}, each after a space (or, for the name, at the "
    "beginning) and before a space or one of . , ; : ' ! ?"
)


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
        UserError: an attribute has no templates, or one breaks a rule; file and line are named.
    """
    directory = Path(directory or TEMPLATES_DIR)
    templates, places = {}, {}
    for attribute in world.attributes:
        path = world.needed(f"attributes.{attribute}", directory / f"{attribute}.txt")
        lines = read_lines(path)
        if not n_heldout < len(lines) <= MAX_TEMPLATES:
            raise UserError(
                f"{path} has {len(lines)} templates; with {n_heldout} held out for evaluation it needs "
                f"at least {n_heldout + 1}, and {MAX_TEMPLATES} at most"
            )
        for number, line in enumerate(lines, 1):
            templates.setdefault(attribute, []).append(_parse(line, f"{path}, line {number}"))
            places[f"{path}, line {number}"] = templates[attribute][-1]
    _check_determinate(places)
    return templates


def _parse(line: str, place: str) -> Template:
    match = _FORM.fullmatch(line)
    if match is None or line != " ".join(line.split()):
        raise UserError(f"{place}: {_FORM_RULE}: '{line}'")
    head, middle, tail = match.groups()
    return Template(f" {head}".rstrip(), middle.rstrip(), tail)


def _check_determinate(places: dict[str, Template]) -> None:
    """What stands before a value must tell that a value comes next, and of which attribute.

    Paper, Sec. 1: otherwise no model could reach zero attribute loss. So no template, cut before
    its value, may be the beginning of another one.
    """
    beginnings = {
        place: (*split_words(template.head), "{name}", *split_words(template.middle))
        for place, template in places.items()
    }
    owners = {}
    for place, words in beginnings.items():
        if words in owners:
            raise UserError(f"{place}: reads the same up to its value as {owners[words]}")
        owners[words] = place
    for place, words in beginnings.items():
        for length in range(1, len(words)):
            if shorter := owners.get(words[:length]):
                raise UserError(
                    f"{place}: begins like {shorter} up to where that has its value, so that "
                    "what comes next would be uncertain; reword one of them"
                )
