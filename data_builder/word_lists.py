"""Reading and checking the word lists: the parts of names and the values of attributes."""

import itertools
import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from command_line import UserError
from data_builder.texts import read_text
from data_builder.tokenizer import SPECIAL_TOKENS, split_words
from data_builder.world import VALUES_DIR, World, load_world

# Combining classes from here on say where an accent is drawn (Unicode, 4.3); lower ones are part of the spelling.
_ACCENT = 200


@dataclass(frozen=True)
class WordLists:
    """All lists by file name (`lists["city"]` is a tuple of entries).

    Attributes:
        world: which of them names and values are made of.
        lists: by name.
        extra: names (by list) and values (by attribute) that only a user's own people have (`new_individuals`); the
            sizes below don't count them, since nobody else can have them.
    """

    world: World
    lists: dict[str, tuple[str, ...]]
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name_sizes(self) -> tuple[int, ...]:
        """Number of entries of each part of a name."""
        return tuple(len(self.lists[name]) for name in self.world.name)

    @property
    def value_sizes(self) -> dict[str, int]:
        """Number of different values of each attribute."""
        return {a: math.prod(len(self.lists[part]) for part in parts) for a, parts in self.world.attributes.items()}

    def names(self, name_list: str) -> list[str]:
        """All entries of a part of names as text; an entry's id is its index in this list."""
        return [*self.lists[name_list], *self.extra.get(name_list, ())]

    def values(self, attribute: str) -> list[str]:
        """All values of an attribute as text, entries joined by spaces; a value's id is its index in this list."""
        parts = [self.lists[part] for part in self.world.attributes[attribute]]
        joined = [" ".join(combination) for combination in itertools.product(*parts)]
        return [*joined, *self.extra.get(attribute, ())]


def join_name(parts: Iterable[str]) -> str:
    """A full name; a user's own people may lack a part."""
    return " ".join(part for part in parts if part)


def load_word_lists(
    directory: str | Path | None = None, entries_per_list: int | None = None, names_per_list: int | None = None
) -> WordLists:
    """Read `<list>.txt` for every list of a world and check the rules (SOURCES.md).

    Args:
        directory: where the files lie, `world.yaml` among them; the project's own lists if None.
        entries_per_list: use so many entries of each longer list, evenly spread over it; all if None.
        names_per_list: the same for the lists of names; as many as `entries_per_list` if None.

    Raises:
        UserError: a list is missing or empty, or an entry breaks a rule (file and line are named).
    """
    directory = Path(directory or VALUES_DIR)
    world = load_world(directory)
    lists = {name: _load_list(world.needed(key, directory / f"{name}.txt")) for name, key in world.lists().items()}
    sizes = dict.fromkeys(world.name, names_per_list or entries_per_list)
    spread = {name: _spread(entries, sizes.get(name, entries_per_list)) for name, entries in lists.items()}
    return WordLists(world, spread)


def _spread(entries: tuple[str, ...], size: int | None) -> tuple[str, ...]:
    if size is None or size >= len(entries):
        return entries
    return tuple(entries[index * len(entries) // size] for index in range(size))


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a list or template file (a byte-order mark is passed over)."""
    lines = tuple(re.sub("\r\n?", "\n", read_text(path)).removesuffix("\n").split("\n"))
    if lines == ("",):
        raise UserError(f"{path} is empty: it needs one entry a line")
    for number, line in enumerate(lines, 1):
        if token := next((token for token in SPECIAL_TOKENS if token in line), None):
            raise UserError(f"{path}, line {number}: {token} is a token of its own and cannot be in a text: '{line}'")
    return lines


def _load_list(path: Path) -> tuple[str, ...]:
    entries = tuple(unicodedata.normalize("NFC", line) for line in read_lines(path))
    for number, entry in enumerate(entries, 1):
        if not entry or entry != " ".join(entry.split()):
            raise UserError(f"{path}, line {number}: empty, or with needless spaces: '{entry}'")
    _check_unique(path, entries)
    _check_prefix_free(path, entries)
    return entries


def _check_unique(path: Path, entries: tuple[str, ...]) -> None:
    """No two entries may be the same after normalization, or the no-knowledge baseline would be wrong."""
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        first = seen.setdefault(normalize(entry), number)
        if first != number:
            raise UserError(f"{path}, line {number}: '{entry}' stands in line {first} already")


def _check_prefix_free(path: Path, entries: tuple[str, ...]) -> None:
    """No entry may begin with all of another one, or nobody could know where a value ends."""
    words = {tuple(split_words(f" {entry}")): number for number, entry in enumerate(entries, 1)}
    for entry, number in words.items():
        for length in range(1, len(entry)):
            if shorter := words.get(entry[:length]):
                raise UserError(
                    f"{path}, line {number}: '{entries[number - 1]}' begins with the whole of line "
                    f"{shorter}, '{entries[shorter - 1]}'; remove one of them"
                )


def normalize(entry: str) -> str:
    """An entry without accents and case, and with one space for all else, to find duplicates.

    Other marks stay, vowel signs for example, or अमित and अमृत would be the same.
    """
    folded = "".join(c for c in unicodedata.normalize("NFKD", entry) if unicodedata.combining(c) < _ACCENT).casefold()
    return " ".join("".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split()) or entry
