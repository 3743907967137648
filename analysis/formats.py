"""In which formats figures are written beside PNG. Loads nothing, so that commands can offer it."""

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# What --also offers, with what makes a file the same each time it is drawn.
FORMATS = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
_also: ContextVar[tuple[str, ...]] = ContextVar("formats beside PNG", default=())


def add_format_option(parser: ArgumentParser) -> None:
    """`--also pdf svg`, of all commands that draw."""
    text = "formats in which figures are written beside PNG"
    parser.add_argument("--also", nargs="+", choices=[*FORMATS], default=[], help=text)


@contextmanager
def also_as(formats: Iterable[str]) -> Iterator[None]:
    """Within it, figures are written in these formats, too."""
    before = _also.set(tuple(formats))
    try:
        yield
    finally:
        _also.reset(before)


def further_formats() -> dict[str, dict]:
    """Those of `also_as`, with the metadata that their files get."""
    return {form: FORMATS[form] for form in _also.get()}
