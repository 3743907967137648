"""Reading and checking the word lists: the parts of names and the values of attributes."""

import itertools
import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from data_builder.conflicts import Conflict, collect, refuse
from data_builder.texts import Beginnings, read_lines, special_token
from data_builder.tokenizer import split_words
from data_builder.world import VALUES_DIR, World, load_world

# Combining classes from here on say where an accent is drawn (Unicode, 4.3); lower ones are part of the spelling.
_ACCENT = 200
_TWICE = "a right answer could count as wrong, and the no-knowledge baseline would be too high; remove one of them"
_ENDLESS = "nobody could know whether more comes after '{}', and no loss could reach 0; remove one of them"


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
        Conflicts: lists that are missing or empty, entries that break a rule; all at once.
    """
    directory = Path(directory or VALUES_DIR)
    world = load_world(directory)
    lists, found = {}, []
    for name, key in world.lists().items():
        with collect(found):
            lists[name] = _load_list(world.needed(key, directory / f"{name}.txt"))
    refuse(found)
    sizes = dict.fromkeys(world.name, names_per_list or entries_per_list)
    spread = {name: _spread(entries, sizes.get(name, entries_per_list)) for name, entries in lists.items()}
    return WordLists(world, spread)


def _spread(entries: tuple[str, ...], size: int | None) -> tuple[str, ...]:
    if size is None or size >= len(entries):
        return entries
    return tuple(entries[index * len(entries) // size] for index in range(size))


def _load_list(path: Path) -> tuple[str, ...]:
    """The entries; of two that can't stand together, the later one is in conflict."""
    kept, found = _Entries(), []
    for number, line in enumerate(read_lines(path), 1):
        entry = unicodedata.normalize("NFC", line)
        if wrong := kept.conflict(entry):
            found.append(Conflict(path, wrong, number))
        else:
            kept.add(entry, number)
    refuse(found)
    return tuple(kept.numbers)


class _Entries:
    """Entries of a list that can stand together, with their lines."""

    def __init__(self):
        self.numbers: dict[str, int] = {}
        self.normalized: dict[str, str] = {}
        self.beginnings: Beginnings = Beginnings()

    def add(self, entry: str, number: int) -> None:
        self.numbers[entry] = number
        self.normalized[normalize(entry)] = entry
        self.beginnings.add(_words(entry), entry)

    def conflict(self, entry: str) -> str | None:
        """Why an entry can't be one more of them."""
        if not entry or entry != " ".join(entry.split()):
            return f"empty, or with needless spaces, which would be tokens of their own: '{entry}'"
        return special_token(entry) or self._conflict_of_two(entry)

    def _conflict_of_two(self, entry: str) -> str | None:
        words = _words(entry)
        if same := self.normalized.get(normalize(entry)):
            but = "" if same == entry else ", but for accents, case or punctuation"
            return f"'{entry}' is the same as {self._place(same)}{but}; {_TWICE}"
        if other := self.beginnings.shorter(words):
            return f"'{entry}' begins with the whole of {self._place(other)}; {_ENDLESS.format(other)}"
        if other := self.beginnings.longer(words):
            return f"'{entry}' is the beginning of {self._place(other)}; {_ENDLESS.format(entry)}"
        return None

    def _place(self, entry: str) -> str:
        return f"line {self.numbers[entry]}, '{entry}'"


def _words(entry: str) -> tuple[str, ...]:
    return tuple(split_words(f" {entry}"))


def normalize(entry: str) -> str:
    """An entry without accents and case, and with one space for all else, to find duplicates.

    Other marks stay, vowel signs for example, or अमित and अमृत would be the same.
    """
    folded = "".join(c for c in unicodedata.normalize("NFKD", entry) if not _is_accent(c)).casefold()
    return " ".join("".join(map(_letter_or_space, folded)).split()) or entry


@cache
def _is_accent(character: str) -> bool:
    return unicodedata.combining(character) >= _ACCENT


@cache
def _letter_or_space(character: str) -> str:
    return character if unicodedata.category(character)[0] in "LMN" else " "
