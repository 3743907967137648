"""A user's own people: a CSV table of names and attributes, checked."""

import csv
import unicodedata
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from command_line import unknown
from data_builder.conflicts import Conflict, Conflicts, collect, refuse
from data_builder.population import who_has
from data_builder.texts import read_text, special_token, split_lines
from data_builder.word_lists import WordLists
from data_builder.world import World

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_individuals(path: str | Path, world: World, taken: Container[str] = ()) -> list[dict[str, str]]:
    """Read a table of a world's people with the columns `name` and the attributes, a line for each individual.

    Args:
        path: a CSV file.
        world: whose people.
        taken: names that others have.

    Returns:
        A dict of these columns for each individual, in NFC and without needless spaces.

    Raises:
        Conflicts: unreadable, columns that are missing or unknown; cells that cannot be used, names that stand there
            twice or are taken, all at once.
    """
    path, columns = Path(path), ("name", *world.attributes)
    people: dict[str, dict[str, str]] = {}
    places: dict[str, int] = {}
    found: list[Conflict] = []
    with collect(found):
        for line, n_lines, cells in _rows(path, columns):
            person = {c: " ".join(unicodedata.normalize("NFC", cells.get(c) or "").split()) for c in columns}
            name = person["name"]
            wrong = [*_wrong_cells(cells, person), *_wrong_name(person, people, places, taken)]
            if not wrong:
                people[name], places[name] = person, line
            found += [Conflict(path, what, line, n_lines) for what in wrong]
    refuse(found)
    return list(people.values())


class NamesOfOthers(Container):
    """The names of the individuals that a population drew; millions of them take no memory.

    Args:
        lists: of the names' parts.
        n: how many individuals.
        seed: of the population.
    """

    def __init__(self, lists: WordLists, n: int, seed: int):
        self._numbers = [{text: number for number, text in enumerate(lists.lists[name])} for name in lists.world.name]
        self._sizes, self._n, self._seed = lists.name_sizes, n, seed

    def __contains__(self, name) -> bool:
        return self.individual(name) is not None

    def individual(self, name: str) -> int | None:
        """Who has a name; None if nobody has."""
        names = np.array([*self._read(name.split(" "), self._numbers)], dtype=np.int64).reshape(-1, len(self._sizes))
        numbers = who_has(names, self._sizes, self._seed)
        return next((int(number) for number in numbers if number < self._n), None)

    def _read(self, words: list[str], parts: list[dict[str, int]]) -> Iterator[tuple[int, ...]]:
        """All ways to read words as an entry of each part, which may have several words."""
        first, *rest = parts
        for end in range(1, 1 + len(words) - len(rest)) if rest else [len(words)]:
            number = first.get(" ".join(words[:end]))
            if number is not None:
                yield from ((number, *more) for more in (self._read(words[end:], rest) if rest else [()]))


def read_header(path: str | Path) -> list[str]:
    """The columns of a table.

    Raises:
        Conflicts: it can't be read, or is separated by something else than commas.
    """
    rows = csv.reader(split_lines(read_text(path)))
    header = next((cells for cells in rows if cells), [])
    if separator := _other_separator(header):
        raise Conflicts([Conflict(Path(path), separator)])
    return header


def write_individuals(path: Path, people: list[dict[str, str]]) -> None:
    """Write what `read_individuals` reads."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(people[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(people)


def name_parts(name: str, n_parts: int) -> tuple[str, ...]:
    """The parts of a name, a word each; the last but one has all surplus words.

    Of three parts these are the first name, the middle name, of any number of words, and the last name, if any.
    """
    words = name.split(" ")
    if n_parts == 1:
        return (name,)
    *others, last = words if len(words) > 1 else (*words, "")
    single, rest = others[: n_parts - 2], others[n_parts - 2 :]
    return (*single, *[""] * (n_parts - 2 - len(single)), " ".join(rest), last)


def extend(lists: WordLists, people: list[dict[str, str]]) -> WordLists:
    """Word lists that also have what occurs in these people alone; entries that were there keep their numbers."""
    extra: dict[str, tuple[str, ...]] = {}
    name, attributes = lists.world.name, lists.world.attributes
    parts = zip(*(name_parts(person["name"], len(name)) for person in people), strict=True)
    texts = dict(zip(name, parts, strict=True)) | {a: [person[a] for person in people] for a in attributes}
    for column, wanted in texts.items():
        known = set(lists.values(column) if column in attributes else lists.lists[column])
        extra[column] = tuple(text for text in dict.fromkeys(wanted) if text not in known)
    return replace(lists, extra=extra)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, int, dict[str | None, str | None]]]:
    """Each row below the header: its first line, how many it has, its cells by column (surplus ones have none)."""
    needed = f"it needs the line {','.join(columns)} and below it one for each individual"
    text = read_text(path)
    if not text.strip():
        raise Conflicts([Conflict(path, f"is empty; {needed}")])
    reader = csv.reader(split_lines(text), strict=True)
    header, line, n_rows = None, 1, 0
    try:
        for cells in reader:
            if cells and header is None:
                header = cells
                refuse([Conflict(path, what) for what in _wrong_columns(header, columns)])
            elif cells:
                n_rows += 1
                yield line, reader.line_num - line + 1, dict(zip_longest(header, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise Conflicts([Conflict(path, f"cannot be read from line {line} on: {error}")]) from None
    if not n_rows:
        raise Conflicts([Conflict(path, f"has no individuals; {needed}")])


def _wrong_columns(given: list[str], columns: tuple[str, ...]) -> list[str]:
    if separator := _other_separator(given):
        return [separator]
    wrong = [unknown("column", column, "", columns) for column in given if column not in columns]
    if not_once := [column for column in columns if given.count(column) != 1]:
        wrong.append(f"columns missing or doubled: {', '.join(not_once)}; it needs {','.join(columns)}")
    return wrong


def _other_separator(header: list[str]) -> str | None:
    if len(header) == 1 and (separator := next(filter(header[0].__contains__, _OTHER_SEPARATORS), None)):
        return f"is separated by {_OTHER_SEPARATORS[separator]}; save it with commas"
    return None


def _wrong_cells(cells: dict[str | None, str | None], person: dict[str, str]) -> list[str]:
    if None in cells:
        return ["more cells than columns; put texts with a comma into quotation marks"]
    missing = [f"{column} is missing" for column, text in person.items() if not text]
    return missing + [wrong for text in person.values() if (wrong := special_token(text))]


def _wrong_name(
    person: dict[str, str], people: dict[str, dict[str, str]], places: dict[str, int], taken: Container[str]
) -> list[str]:
    name = person["name"]
    if contradicted := [column for column, text in people.get(name, person).items() if text != person[column]]:
        column, line = contradicted[0], places[name]
        two = f"{person[column]} here and {people[name][column]} in line {line}"
        return [f"{column} of {name} is {two}; keep one of them"]
    if name in places:
        return [f"{name} stands in line {places[name]} already, and nobody could tell the two apart; give another name"]
    return [f"{name} exists already in this population; give another name"] if name in taken else []
