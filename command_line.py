"""What every script begins and ends with: YAML that a user wrote, errors of one line, the version."""

import argparse
import difflib
import importlib.metadata
import os
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import yaml

from habits import PlainLoader

# Where the rooms lie, and whether that is a clone of the project; an installed wheel lies in site-packages.
HOME = Path(__file__).parent
CLONE = HOME if (HOME / "pyproject.toml").is_file() else None

# Written into a run's config.yaml beside the settings, so that the file stays a recipe.
ENVIRONMENT_KEY = "environment"


class UserError(Exception):
    """A mistake in what the user asked for. Its message is one line that says what to do."""

    label, exit_code = "error", 2


def read_yaml(file: str | Path, kind: str = "") -> dict:
    """The `key: value` lines that a user wrote.

    Raises:
        UserError: the file can't be read, is empty, has one key twice or something else than such lines.
    """
    try:
        content = yaml.load(Path(file).read_text(encoding="utf-8-sig"), PlainLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {kind}{file}: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{kind}{file} is {'empty' if content is None else 'not a list of `key: value` lines'}")
    return content


def unknown(what: str, name: str, where: str, known: Iterable[str], all_known: str = "") -> str:
    """The error for a name that nobody knows: one line that tells where it stands, and the nearest known one.

    Where none is like it, `all_known` says how to find out; all are listed if it does not.
    """
    known = list(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"the nearest known one is '{nearest[0]}'" if nearest else all_known or f"there is {', '.join(known)}"
    return f"unknown {what} '{name}'{where and ' in '}{where}; {hint}"


def complete(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same parser, after the shell has got its completions and the process ended, if it asked for them."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        # HfArgumentParser spells --save_steps also --save-steps.
        again = [option for action in parser._actions for option in action.option_strings if "-" in option[2:]]
        argcomplete.autocomplete(parser, exclude=again)
    return parser


def version() -> str:
    """Of the clone that runs, or of what was installed."""
    if CLONE:
        return tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return importlib.metadata.version("fact-learning")


def is_first_process() -> bool:
    """Of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def run(main) -> None:
    """Call `main(argv)`, or answer `--version`; a UserError is one line on stderr (once, not once a process), exit
    code 2.
    """
    if "--version" in sys.argv[1:]:
        return print(f"fact-learning {version()}")
    try:
        main(sys.argv[1:])
    except (UserError, argparse.ArgumentError, PermissionError, NotADirectoryError) as error:
        if is_first_process():
            print(f"{getattr(error, 'label', 'error')}: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 2))
    except KeyboardInterrupt:
        if is_first_process():
            print("interrupted", file=sys.stderr)
        sys.exit(130)
