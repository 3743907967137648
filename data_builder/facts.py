"""A user's own facts: a CSV table of any columns as a world of its own, and sentences for its columns."""

import re
from pathlib import Path

import numpy as np

from command_line import unknown
from data_builder.conflicts import Conflict, refuse
from data_builder.new_individuals import read_header, read_individuals
from data_builder.population import Population, population_of_rows
from data_builder.random import permute
from data_builder.sentences import Beginnings, Template, add_templates
from data_builder.texts import read_lines
from data_builder.word_lists import WordLists
from data_builder.world import World, world_of_columns

GENERIC = Path(__file__).parent / "facts_templates.txt"
_NAME = "name"
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


def facts_world(path: str | Path) -> World:
    """The world of a table: a name of one part, and an attribute for each other column.

    Raises:
        Conflicts: the table can't be read, or a column can't be an attribute.
    """
    return world_of_columns(_NAME, [column for column in read_header(path) if column != _NAME], Path(path))


def read_facts(path: str, share_unseen: float, seed: int) -> tuple[WordLists, list[dict[str, str]], int]:
    """Read a table of facts.

    Args:
        path: a CSV file with the column `name` and others, a line for each individual.
        share_unseen: share of the rows that are kept unseen.
        seed: decides which.

    Returns:
        The word lists of its world; its rows, those that are kept unseen last; how many these are.

    Raises:
        Conflicts: all that can't be used, by line and column.
    """
    world = facts_world(path)
    rows = read_individuals(path, world)
    rows = [rows[number] for number in _order(len(rows), seed)]
    lists = {column: tuple(dict.fromkeys(row[column] for row in rows)) for column in (_NAME, *world.attributes)}
    if len(rows) < 2:
        refuse([Conflict(Path(path), "has one row; it needs two at least, or there is nothing to tell apart")])
    n_unseen = min(max(round(share_unseen * len(rows)), share_unseen > 0), len(rows) - 1)
    return WordLists(world, lists), rows, n_unseen


def as_in_table(rows: list[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """The rows of `read_facts` in the order of the table."""
    return [rows[place] for place in np.argsort(_order(len(rows), seed))]


def _order(n_rows: int, seed: int) -> np.ndarray:
    return permute(np.arange(n_rows), n_rows, seed, "facts")


def facts_population(
    lists: WordLists, rows: list[dict[str, str]], n_unseen: int, n_templates: tuple[int, ...], n_heldout: int, seed: int
) -> Population:
    """The individuals of a table; arguments are those of `read_facts`, `build_population` and what these returned."""
    numbers = {column: {text: number for number, text in enumerate(texts)} for column, texts in lists.lists.items()}
    table = np.array([[numbers[column][row[column]] for column in numbers] for row in rows], dtype=np.int32)
    return population_of_rows(table[:, :1], table[:, 1:], n_templates, n_unseen, n_heldout, seed)


def facts_templates(world: World, path: str | Path | None = None) -> dict[str, list[Template]]:
    """Sentences for each attribute of a table: those of a file, and generic ones for columns that it leaves out.

    Args:
        world: of the table.
        path: text file with a sentence a line. `{name}` stands for the name, and the name of a column for its value, as
            in `The capital of {name} is {capital}.`; `{attribute}` and `{value}` stand for each column in turn.

    Raises:
        Conflicts: sentences that break a rule (templates/README.md), columns with fewer than two; all at once.
    """
    given: dict[str, list[tuple[Path, int, str]]] = {attribute: [] for attribute in world.attributes}
    found: list[Conflict] = []
    for number, line in enumerate(read_lines(Path(path)) if path else [], 1):
        for attribute in _about(line, world, Path(path), number, found):
            given[attribute].append((Path(path), number, _filled(line, attribute)))
    for attribute, lines in given.items():
        if not lines:
            lines += [(GENERIC, n, _filled(line, attribute)) for n, line in enumerate(read_lines(GENERIC), 1)]
    templates, kept = {}, Beginnings()
    for attribute, lines in given.items():
        templates[attribute] = add_templates(lines, kept, found)
        if len(lines) < 2:
            what = f"{attribute} has one sentence; it needs two at least, since one is kept for evaluation"
            found.append(Conflict(lines[0][0], what, lines[0][1]))
    refuse(found)
    return templates


def _about(line: str, world: World, path: Path, number: int, found: list[Conflict]) -> list[str]:
    """The attributes that a line of sentences is about."""
    named = [name for name in _PLACEHOLDER.findall(line) if name not in (_NAME, "value", "attribute")]
    wrong = [name for name in named if name not in world.attributes]
    if wrong:
        what = unknown("column", wrong[0], "", (_NAME, *world.attributes))
        found.append(Conflict(path, f"{what}: '{line}'", number))
        return []
    return named or list(world.attributes)


def _filled(line: str, attribute: str) -> str:
    """A sentence for any attribute, or with the name of its column, as one with `{value}`."""
    return line.replace("{attribute}", attribute.replace("_", " ")).replace(f"{{{attribute}}}", "{value}")


def write_sentences(path: Path, templates: dict[str, list[Template]]) -> None:
    """Write what `facts_templates` reads."""
    lines = (t.text.replace("{value}", f"{{{name}}}") for name, ts in templates.items() for t in ts)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
