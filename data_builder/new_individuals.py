"""A user's own people: a CSV table of names and attributes, checked."""

import csv
import unicodedata
from pathlib import Path

from command_line import UserError, unknown
from data_builder.tokenizer import SPECIAL_TOKENS
from data_builder.word_lists import ATTRIBUTES, NAME_LISTS, WordLists

COLUMNS = ("name", *ATTRIBUTES)


def read_individuals(path: str | Path) -> list[dict[str, str]]:
    """Read a table with the columns `name` and the six attributes, a line for each individual.

    Returns:
        A dict of COLUMNS for each individual, in NFC and without needless spaces.

    Raises:
        UserError: unreadable, columns that are missing or unknown, a cell that cannot be used, a name that stands
            there twice; the line is named.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [(f"{path}, line {reader.line_num}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    _check_columns(path, reader.fieldnames or [])
    if not rows:
        raise UserError(f"{path} has no individuals: it needs a line for each, below {','.join(COLUMNS)}")
    people = [_clean(row, place) for place, row in rows]
    places: dict[str, str] = {}
    for (place, _), person in zip(rows, people, strict=True):
        if person["name"] in places:
            raise UserError(f"{place}: {person['name']} stands in {places[person['name']]} already")
        places[person["name"]] = place
    return people


def write_individuals(path: Path, people: list[dict[str, str]]) -> None:
    """Write what `read_individuals` reads."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(people)


def name_parts(name: str) -> tuple[str, str, str]:
    """First, middle and last name; the words between the first and the last are the middle one, if any."""
    words = name.split(" ")
    return words[0], " ".join(words[1:-1]), words[-1] if len(words) > 1 else ""


def extend(lists: WordLists, people: list[dict[str, str]]) -> WordLists:
    """Word lists that also have what occurs in these people alone; entries that were there keep their numbers."""
    extra: dict[str, tuple[str, ...]] = {}
    parts = zip(*(name_parts(person["name"]) for person in people), strict=True)
    texts = dict(zip(NAME_LISTS, parts, strict=True)) | {a: [person[a] for person in people] for a in ATTRIBUTES}
    for name, wanted in texts.items():
        known = set(lists.values(name) if name in ATTRIBUTES else lists.lists[name])
        extra[name] = tuple(text for text in dict.fromkeys(wanted) if text not in known)
    return WordLists(lists.lists, extra)


def _check_columns(path: str | Path, columns: list[str]) -> None:
    for column in columns:
        if column not in COLUMNS:
            raise UserError(unknown("column", column or "", str(path), COLUMNS))
    for column in COLUMNS:
        if columns.count(column) != 1:
            raise UserError(f"{path} must have the column {column} once; it needs {','.join(COLUMNS)}")


def _clean(row: dict, place: str) -> dict[str, str]:
    if None in row:
        raise UserError(f"{place}: more cells than columns; put texts with a comma into quotation marks")
    person = {column: " ".join(unicodedata.normalize("NFC", row[column] or "").split()) for column in COLUMNS}
    for column, text in person.items():
        if not text:
            raise UserError(f"{place}: {column} is missing")
        if token := next((token for token in SPECIAL_TOKENS if token in text), None):
            raise UserError(f"{place}: {token} is a token of its own and cannot be in a text: '{text}'")
    return person
