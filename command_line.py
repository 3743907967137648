"""How every script reads its settings: defaults < YAML recipe < command line, and errors of one line."""

import argparse
import difflib
import os
import sys
from dataclasses import field, fields
from pathlib import Path

import yaml
from transformers import HfArgumentParser

# Written into a run's config.yaml beside the settings, so that the file stays a recipe.
ENVIRONMENT_KEY = "environment"


def setting(default, help: str):
    """A dataclass field with its help text: one setting of a script."""
    return field(default=default, metadata={"help": help})


class UserError(Exception):
    """A mistake in what the user asked for. Its message is one line that says what to do."""


class _Parser(HfArgumentParser):
    def error(self, message: str):
        raise UserError(message)


def parse_settings(
    types: tuple[type, ...], argv: list[str], description: str, others: tuple[type, ...] = (), base: dict | None = None
) -> tuple:
    """Read dataclasses from an optional YAML recipe (first argument) and command-line options.

    Args:
        types: dataclasses whose fields are the settings.
        argv: the arguments, without the program's name.
        description: what `--help` says first.
        others: dataclasses whose fields a recipe may set as well, for another script.
        base: settings of another run, in place of the defaults.

    Returns:
        One instance of each dataclass.

    Raises:
        UserError: unknown key (the nearest known one is named), wrong type, unreadable recipe.
    """
    parser = _Parser(types, description=description, allow_abbrev=False)
    parser.add_argument("recipe", nargs="?", help="YAML file of settings; options override it")
    known = {field.name for item in types for field in fields(item)}
    if argv and not argv[0].startswith("-"):
        ignored = {field.name for item in others for field in fields(item)} - known
        argv = _recipe_options(argv[0], known, ignored) + argv[1:]
    argv = _options(base or {}, known) + argv
    namespace, unknown = parser.parse_known_args(argv)
    for option in [*unknown, namespace.recipe]:
        if option is not None:
            raise UserError(_unknown(option, "the command line", known))
    return parser.parse_dict(vars(namespace), allow_extra_keys=True)


def _recipe_options(path: str, known: set[str], ignored: set[str]) -> list[str]:
    """A recipe as command-line options, so that both are checked by the same parser."""
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"cannot read recipe {path}: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise UserError(f"recipe {path} is not a list of `key: value` lines")
    settings.pop(ENVIRONMENT_KEY, None)
    for key in settings:
        if key not in known | ignored:
            raise UserError(_unknown(str(key), path, known | ignored))
    return _options(settings, known)


def _options(settings: dict, known: set[str]) -> list[str]:
    given = {key: value for key, value in settings.items() if key in known and value is not None}
    words = ((f"--{key}", *(value if isinstance(value, list) else [value])) for key, value in given.items())
    return [str(word) for option in words for word in option]


def _unknown(option: str, where: str, known: set[str]) -> str:
    key = option.lstrip("-").split("=")[0]
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
    return f"unknown setting '{key}' in {where}; the nearest known one is '{nearest}'"


def run(main) -> None:
    """Call `main(argv)`; turn a UserError into one line on stderr (once, not once a process), exit code 2."""
    try:
        main(sys.argv[1:])
    except (UserError, argparse.ArgumentError) as error:
        if os.environ.get("RANK", "0") == "0":
            print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
