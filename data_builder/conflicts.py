"""What is wrong with texts that a user wrote: all of it at once, not one mistake at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from command_line import UserError

_TOLD = 10  # conflicts in a message, if a command lists the rest


@dataclass(frozen=True)
class Conflict:
    """What breaks a rule.

    Attributes:
        file: where it is.
        what: what is wrong, why it matters, what to do.
        line: the line without which it is gone (from 1); None if leaving out a line does not help.
        n_lines: how many lines it takes, from that one on (a quoted cell of a table may hold line ends).
    """

    file: Path
    what: str
    line: int | None = None
    n_lines: int = 1

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.what}"


class Conflicts(UserError):
    """Texts that can't be used: a single conflict is the one line of the message, several are a line each.

    Args:
        found: all conflicts.
        command: what lists them all; without it the message does.
    """

    def __init__(self, found: Sequence[Conflict], command: str = ""):
        self.found = found
        super().__init__(str(found[0]) if len(found) == 1 else "\n".join(_told(found, command)))


def _told(found: Sequence[Conflict], command: str) -> Iterator[str]:
    told = found[:_TOLD] if command else found
    yield f"{len(found):,} conflicts{f', the first {len(told)} of them' if len(told) < len(found) else ''}:"
    yield from (f"  {conflict}" for conflict in told)
    if len(told) < len(found):
        yield f"`{command}` lists all {len(found):,} conflicts"
    if command and are_lines(found):
        yield f"`{command} --drop NEW_DIR` writes a copy without these lines"


def are_lines(found: Sequence[Conflict]) -> bool:
    """Whether all conflicts are gone without the lines that they name."""
    return all(conflict.line for conflict in found)


def refuse(found: Sequence[Conflict]) -> None:
    """Raise what was found, if anything was."""
    if found:
        raise Conflicts(found)


@contextmanager
def collect(found: list[Conflict]) -> Iterator[None]:
    """Go on after conflicts, which are added to those found before."""
    try:
        yield
    except Conflicts as refusal:
        found += refusal.found
