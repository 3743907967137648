"""Text files that a user wrote (word lists, templates, tables), and what holds for all of them."""

import io
from pathlib import Path

from data_builder.conflicts import Conflict, Conflicts
from data_builder.tokenizer import SPECIAL_TOKENS
from habits import decoded


def read_text(path: str | Path) -> str:
    """The text of a file as it is, line ends too; a byte-order mark is passed over.

    Raises:
        Conflicts: it can't be read, or is in another encoding than UTF-8; the first such line is named.
    """
    try:
        return decoded(Path(path).read_bytes())
    except OSError as error:
        raise Conflicts([Conflict(Path(path), f"cannot be read: {error.strerror}")]) from None
    except ValueError as error:
        raise Conflicts([Conflict(Path(path), str(error))]) from None


def split_lines(text: str) -> list[str]:
    """The lines with their ends, of any system."""
    return list(io.StringIO(text, newline=""))


def read_lines(path: Path) -> list[str]:
    """The lines of a list or template file, without their ends.

    Raises:
        Conflicts: of `read_text`, or there are none.
    """
    lines = [line.rstrip("\r\n") for line in split_lines(read_text(path))]
    if not lines:
        raise Conflicts([Conflict(path, "is empty; it needs one entry a line")])
    return lines


def special_token(text: str) -> str | None:
    """What is wrong with a text that holds a special token, if it does."""
    token = next((token for token in SPECIAL_TOKENS if token in text), None)
    return token and f"{token} is a token of its own and cannot be in a text: '{text}'"


class Beginnings:
    """Texts as sequences of words, each with what tells it, of which none begins with the whole of another."""

    def __init__(self):
        self._whole: dict[tuple[str, ...], str] = {}
        self._longer: dict[tuple[str, ...], str] = {}

    def same(self, words: tuple[str, ...]) -> str | None:
        """The text that has exactly these words."""
        return self._whole.get(words)

    def shorter(self, words: tuple[str, ...]) -> str | None:
        """The text with all of whose words these begin."""
        return next((self._whole[words[:n]] for n in range(1, len(words)) if words[:n] in self._whole), None)

    def longer(self, words: tuple[str, ...]) -> str | None:
        """A text that begins with all of these words, and goes on."""
        return self._longer.get(words)

    def add(self, words: tuple[str, ...], text: str) -> None:
        """Keep a text that is in conflict with none."""
        self._whole[words] = text
        for length in range(1, len(words)):
            self._longer.setdefault(words[:length], text)
