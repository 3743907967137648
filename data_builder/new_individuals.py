"""A user's own people: a CSV table of names and attributes, checked."""

import csv
import io
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from command_line import UserError, unknown
from data_builder.texts import read_text
from data_builder.tokenizer import SPECIAL_TOKENS
from data_builder.word_lists import WordLists
from data_builder.world import World

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_individuals(path: str | Path, world: World) -> list[dict[str, str]]:
    """Read a table of a world's people with the columns `name` and the attributes, a line for each individual.

    Returns:
        A dict of these columns for each individual, in NFC and without needless spaces.

    Raises:
        UserError: unreadable, columns that are missing or unknown, a cell that cannot be used, a name that stands
            there twice; the line is named.
    """
    columns = ("name", *world.attributes)
    text = read_text(path)
    if not text.strip():
        raise UserError(f"{path} is empty: it needs the line {','.join(columns)} and below it one for each individual")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        _check_columns(path, reader.fieldnames or [], columns)
        rows = [(f"{path}, line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise UserError(f"cannot read {path}, line {reader.reader.line_num}: {error}") from None
    if not rows:
        raise UserError(f"{path} has no individuals: it needs a line for each, below {','.join(columns)}")
    people = [_clean(row, place, columns) for place, row in rows]
    places: dict[str, str] = {}
    for (place, _), person in zip(rows, people, strict=True):
        if person["name"] in places:
            raise UserError(f"{place}: {person['name']} stands in {places[person['name']]} already")
        places[person["name"]] = place
    return people


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


def _check_columns(path: str | Path, given: Sequence[str], columns: tuple[str, ...]) -> None:
    if len(given) == 1 and (separator := next(filter(given[0].__contains__, _OTHER_SEPARATORS), None)):
        raise UserError(f"{path} is separated by {_OTHER_SEPARATORS[separator]}; save it with commas")
    for column in given:
        if column not in columns:
            raise UserError(unknown("column", column or "", str(path), columns))
    for column in columns:
        if given.count(column) != 1:
            raise UserError(f"{path} must have the column {column} once; it needs {','.join(columns)}")


def _clean(row: dict, place: str, columns: tuple[str, ...]) -> dict[str, str]:
    if None in row:
        raise UserError(f"{place}: more cells than columns; put texts with a comma into quotation marks")
    person = {column: " ".join(unicodedata.normalize("NFC", row[column] or "").split()) for column in columns}
    for column, text in person.items():
        if not text:
            raise UserError(f"{place}: {column} is missing")
        if token := next((token for token in SPECIAL_TOKENS if token in text), None):
            raise UserError(f"{place}: {token} is a token of its own and cannot be in a text: '{text}'")
    return person
