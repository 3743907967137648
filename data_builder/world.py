"""Which facts exist: the attributes of a world and what a name is made of, read from `world.yaml` beside the lists."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from command_line import UserError, read_yaml, unknown
from data_builder.conflicts import Conflict, Conflicts, refuse

VALUES_DIR = Path(__file__).parent / "values"
WORLD = "world.yaml"
_KEYS = ("entities", "name", "attributes", "attribution")
_WORD = re.compile(r"[a-z][a-z0-9_]*")  # becomes a file name, a column and the end of a metric's name
_LISTS_RULE = "needs the names of word lists (small letters, digits and _), as in `[day, month, year]`"
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
            Conflicts: it is not there.
        """
        if not path.exists():
            raise Conflicts([Conflict(self.file, f"{key}: needs the file {path}, which is not there")])
        return path


def load_world(directory: str | Path | None = None) -> World:
    """Read the `world.yaml` of a directory of lists, or the bundled one: older datasets have none.

    Raises:
        UserError: it can't be read.
        Conflicts: it breaks rules (worlds/README.md); file and key are named.
    """
    file = world_file(directory)
    if directory and not Path(directory).is_dir():
        raise UserError(f"there is no directory {directory}: it should have the word lists of a world")
    given = read_yaml(file)
    name, attributes = given.get("name"), given.get("attributes")
    wrong = [unknown("key", str(key), "", _KEYS) for key in given if key not in _KEYS]
    refuse([Conflict(file, what) for what in [*wrong, *_wrong_name(name), *_wrong_attributes(attributes, name)]])
    values = {attribute: tuple(parts) for attribute, parts in attributes.items()}
    return World(tuple(name), values, *(str(given.get(key) or "") for key in ("entities", "attribution")), file)


def world_file(directory: str | Path | None) -> Path:
    """The `world.yaml` that holds for a directory of lists."""
    own = Path(directory or VALUES_DIR) / WORLD
    return own if own.exists() else VALUES_DIR / WORLD


def world_of_columns(name: str, columns: list[str], file: Path) -> World:
    """The world of a table: names of one part, and an attribute for each column.

    Raises:
        Conflicts: columns that can't be attributes; file and column are named.
    """
    attributes = {column: (column,) for column in columns}
    wrong = [column for column in columns if not _WORD.fullmatch(column) or column in _COLUMNS]
    rule = f"needs a name of small letters, digits and _, other than {', '.join(_COLUMNS)}"
    refuse([Conflict(file, f"column '{column}': {rule}, as in birth_date", 1) for column in wrong])
    if not columns:
        raise Conflicts([Conflict(file, f"has no column beside {name}, so that there is nothing to learn", 1)])
    return World((name,), attributes, "entries of a table", "", file)


def _wrong_name(name) -> list[str]:
    if not _are_lists(name):
        return [f"name: {_LISTS_RULE}"]
    return ["name: each list can be only one part of a name"] if len(set(name)) < len(name) else []


def _wrong_attributes(attributes, name) -> list[str]:
    if not isinstance(attributes, dict) or not attributes:
        return ["attributes: there must be one at least, as in `birth_date: [day, month, year]`"]
    taken = (*_COLUMNS, *(name if _are_lists(name) else ()))
    rule = f"needs a name of small letters, digits and _, other than {', '.join(taken)}"
    named = [f"attributes.{a}: {rule}" for a in attributes if not _WORD.fullmatch(str(a)) or a in taken]
    return named + [f"attributes.{a}: {_LISTS_RULE}" for a, parts in attributes.items() if not _are_lists(parts)]


def _are_lists(given) -> bool:
    return isinstance(given, list) and bool(given) and all(isinstance(p, str) and _WORD.fullmatch(p) for p in given)
