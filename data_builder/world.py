"""Which facts exist: the attributes of a world and what a name is made of, read from `world.yaml` beside the lists."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from command_line import UserError, read_yaml, unknown

VALUES_DIR = Path(__file__).parent / "values"
WORLD = "world.yaml"
_KEYS = ("entities", "name", "attributes", "attribution")
_WORD = re.compile(r"[a-z][a-z0-9_]*")  # becomes a file name, a column and the end of a metric's name
_COLUMNS = ("name", "individual_id", "heldout_template_ids")  # of tables, beside attributes and parts of names


@dataclass(frozen=True)
class World:
    """What there is to know about whom.

    Attributes:
        name: the lists that a name is made of, one entry of each, in order.
        attributes: for each attribute, in order, the lists that a value is made of, one entry of each.
        entities: what individuals are, in a word for cards.
        attribution: what cards say of where the lists are from.
        file: where it was read.
    """

    name: tuple[str, ...]
    attributes: dict[str, tuple[str, ...]]
    entities: str
    attribution: str
    file: Path = field(compare=False)

    def facts(self) -> dict:
        """What biographies depend on."""
        return {"name": list(self.name), "attributes": {a: list(parts) for a, parts in self.attributes.items()}}

    def text(self) -> str:
        """A `world.yaml` that reads the same."""
        everything = {"entities": self.entities} | self.facts() | {"attribution": self.attribution}
        return yaml.safe_dump(everything, sort_keys=False, allow_unicode=True, default_flow_style=None)

    def for_cards(self) -> dict:
        """What cards say of it."""
        return {"entities": self.entities, "attributes": list(self.attributes), "attribution": self.attribution}

    def lists(self) -> dict[str, str]:
        """Every list that is needed, in order, and the key that names it first."""
        found = dict.fromkeys(self.name, "name")
        for attribute, parts in self.attributes.items():
            for part in parts:
                found.setdefault(part, f"attributes.{attribute}")
        return found

    def needed(self, key: str, path: Path) -> Path:
        """The file of lines that a key asks for.

        Raises:
            UserError: it is not there.
        """
        if not path.exists():
            raise UserError(f"{self.file}: {key}: needs the file {path}, which is not there")
        return path


def load_world(directory: str | Path | None = None) -> World:
    """Read the `world.yaml` of a directory of lists, or the bundled one: older datasets have none.

    Raises:
        UserError: it can't be read, or breaks a rule (worlds/README.md); file and key are named.
    """
    file = world_file(directory)
    if directory and not Path(directory).is_dir():
        raise UserError(f"there is no directory {directory}: it should have the word lists of a world")
    given = read_yaml(file)
    for key in given:
        if key not in _KEYS:
            raise UserError(unknown("key", str(key), str(file), _KEYS))
    name, attributes = _lists(file, "name", given.get("name")), given.get("attributes")
    if len(set(name)) < len(name):
        raise UserError(f"{file}: name: each list can be only one part of a name")
    if not isinstance(attributes, dict) or not attributes:
        raise UserError(f"{file}: attributes: there must be one at least, as in `birth_date: [day, month, year]`")
    for attribute in attributes:
        if not _WORD.fullmatch(str(attribute)) or attribute in (*_COLUMNS, *name):
            taken = f"other than {', '.join((*_COLUMNS, *name))}"
            raise UserError(f"{file}: attributes.{attribute}: needs a name of small letters, digits and _, {taken}")
    values = {attribute: _lists(file, f"attributes.{attribute}", parts) for attribute, parts in attributes.items()}
    return World(name, values, *(str(given.get(key) or "") for key in ("entities", "attribution")), file)


def world_file(directory: str | Path | None) -> Path:
    """The `world.yaml` that holds for a directory of lists."""
    own = Path(directory or VALUES_DIR) / WORLD
    return own if own.exists() else VALUES_DIR / WORLD


def _lists(file: Path, key: str, given) -> tuple[str, ...]:
    if isinstance(given, list) and given and all(isinstance(part, str) and _WORD.fullmatch(part) for part in given):
        return tuple(given)
    raise UserError(
        f"{file}: {key}: needs the names of word lists (small letters, digits and _), as in `[day, month, year]`"
    )
