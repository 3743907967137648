"""Text files that a user wrote: word lists, templates, worlds and tables."""

from pathlib import Path

from command_line import UserError


def read_text(path: str | Path) -> str:
    """The text of a file as it is, line ends too; a byte-order mark is passed over.

    Raises:
        UserError: it can't be read, or is in another encoding than UTF-8; the first such line is named.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: is not UTF-8; save it as UTF-8") from None
