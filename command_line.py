"""How every script reads its settings: defaults < YAML recipe < command line, and errors of one line."""

import argparse
import contextlib
import difflib
import errno
import importlib.metadata
import math
import os
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import Field, field, fields
from enum import Enum
from pathlib import Path
from typing import get_args, get_origin

import yaml
from transformers import HfArgumentParser

from habits import ELSEWHERE, PlainLoader, decoded

# Where the rooms lie, and whether that is a clone of the project; an installed wheel lies in site-packages.
HOME = Path(__file__).parent
CLONE = HOME if (HOME / "pyproject.toml").is_file() else None

# Written into a run's config.yaml beside the settings, so that the file stays a recipe.
ENVIRONMENT_KEY = "environment"


# What to do about what a file system refuses.
_MAKE_ROOM = "; make room and start again: a run goes on with --resume_from_checkpoint latest"
_CURES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _MAKE_ROOM)


class UserError(Exception):
    """A mistake in what the user asked for. Its message is one line that says what to do."""

    label, exit_code = "error", 2


class Role(Enum):
    """What a setting is for. What may differ on resume, is published, or makes another experiment, follows from it."""

    DECIDES = "what is computed"
    REPETITION = "what is computed; another value is the same experiment once more (a seed)"
    SHARE = "how processes share a batch; only its whole size decides"
    PROBE = "on whom knowledge is measured; the same all along a run"
    MEASURING = "when and how much is measured; changes nothing else"
    SAVING = "when to save, on how many threads; belongs to one run on one machine"
    INPUT = "where something lies that the run is made of"
    PLACE = "where something is written or fetched; nobody else's business"
    ACTION = "what to do this time; nobody else's business"


# A run keeps what it was made of; so the places of its inputs may change.
FREE_ON_RESUME = {Role.MEASURING, Role.SAVING, Role.INPUT, Role.PLACE, Role.ACTION}
PRIVATE = {Role.INPUT, Role.PLACE, Role.ACTION}
INCIDENTAL = {Role.REPETITION, Role.PROBE, Role.MEASURING, Role.SAVING, Role.PLACE, Role.ACTION}


def setting(
    default, help: str, role: Role = Role.DECIDES, *, at_least=None, at_most=None, above=None, below=None,
    cost: bool = False, formerly: str | None = None,
):  # fmt: skip
    """A dataclass field that says all about itself: one setting of a script.

    Args:
        default: its value where nobody gives one; None means that it may be left out.
        help: for `--help`.
        role: what it is for.
        at_least, at_most, above, below: bounds of the number, or of each number of a list.
        cost: whether runs that agree in it, and in the others of this kind, take about the same time.
        formerly: its name in older recipes and runs, which still works.
    """
    bounds = {"at least": at_least, "above": above, "at most": at_most, "below": below}
    about = About(help, role, {k: v for k, v in bounds.items() if v is not None}, cost, formerly)
    return field(default=default, metadata={"help": about})


def with_default(kind: type, name: str, default):
    """A setting of another dataclass, with another default."""
    item = next(item for item in fields(kind) if item.name == name)
    return field(default=default, metadata={"help": about(item)})


class About(str):
    """What a setting says of itself: its help text, and more that HfArgumentParser, which reads it, need not know."""

    def __new__(cls, help: str, role: Role, bounds: dict, cost: bool, formerly: str | None):  # noqa: D102
        self = super().__new__(cls, help)
        self.role, self.bounds, self.cost, self.formerly = role, bounds, cost, formerly
        return self


def about(item: Field) -> About | None:
    """What a field says of itself; None of one that was not declared by `setting`."""
    return item.metadata.get("help")


def check_bounds(settings) -> None:
    """Check each number of a dataclass of settings against the bounds it was declared with.

    Raises:
        UserError: one is out of them, or not a number.
    """
    for item in fields(settings):
        bounds, value = getattr(about(item), "bounds", None), getattr(settings, item.name)
        for number in value if isinstance(value, list) else [value]:
            if bounds and number is not None and not _within(number, bounds):
                raise UserError(f"{item.name} is {number}; it must be {_words(bounds)}")


def _within(number, bounds: dict) -> bool:
    low, high = bounds.get("at least", -math.inf), bounds.get("at most", math.inf)
    inside = low <= number <= high and math.isfinite(number)  # not so if it is not a number at all
    return inside and bounds.get("above", -math.inf) < number < bounds.get("below", math.inf)


def _words(bounds: dict) -> str:
    return " and ".join(f"{name} {_power(value)}" for name, value in bounds.items())


def _power(value) -> str:
    """2^63 reads better than nineteen digits."""
    exponent = math.frexp(value)[1] - 1
    return f"2^{exponent}" if isinstance(value, int) and exponent > 30 and value == 2**exponent else f"{value:,}"


class _Parser(HfArgumentParser):
    def error(self, message: str):
        raise UserError(message)


def parse_settings(
    types: tuple[type, ...], argv: list[str], description: str, others: Iterable[str] = (), base: dict | None = None
) -> tuple:
    """Read dataclasses from an optional YAML recipe (first argument, or `--config FILE`) and command-line options.

    Args:
        types: dataclasses whose fields are the settings.
        argv: the arguments, without the program's name.
        description: what `--help` says first.
        others: names of settings that a recipe may set as well, for another script.
        base: settings of another run, in place of the defaults.

    Returns:
        One instance of each dataclass.

    Raises:
        UserError: unknown key (the nearest known one is named), wrong type, a number out of bounds, unreadable recipe.
    """
    parser = _Parser(types, description=description, allow_abbrev=False)
    parser.add_argument("recipe", nargs="?", help="YAML file of settings, also as --config FILE; options override it")
    declared = {item.name: item for kind in types for item in fields(kind)}
    recipe, given = _recipe_and_options(_with_new_names(argv, declared))
    options = _recipe_options(recipe, declared, set(others) - declared.keys()) if recipe else []
    namespace, unknown = parser.parse_known_args([*_options(base or {}, declared), *options, *given])
    for word in [*unknown, namespace.recipe]:
        if word is not None:
            raise UserError(_stray(word, given, declared))
    parsed = parser.parse_dict(vars(namespace), allow_extra_keys=True)
    for settings in parsed:
        check_bounds(settings)
    return parsed


def _recipe_and_options(argv: list[str]) -> tuple[str | None, list[str]]:
    reader = _Parser([], add_help=False, allow_abbrev=False)
    reader.add_argument("--config")
    config, argv = reader.parse_known_args(argv)
    if config.config is None and argv and not argv[0].startswith("-"):
        return argv[0], argv[1:]
    return config.config, argv


def _stray(word: str, argv: list[str], declared: dict[str, Field]) -> str:
    """The error for a word of the command line that belongs to no setting."""
    if word.startswith("-"):
        return _unknown(word, "the command line", declared)
    if Path(word).suffix in (".yaml", ".yml"):
        return f"put the recipe {word} first, before all options; there can be one"
    before = [option for option in argv[: argv.index(word)] if option.startswith("--")]
    return f"'{word}' is one value too many for {before[-1]}" if before else f"'{word}' belongs to no option"


def check_not_given(argv: list[str], kind: type, reason: str) -> None:
    """Check that no option sets what something else decides already; a recipe may, it is meant for more than one run.

    Raises:
        UserError: one does; the reason is told.
    """
    names = {item.name for item in fields(kind)}
    for word in argv:
        name = word.removeprefix("--").partition("=")[0].replace("-", "_")
        if word.startswith("--") and name in names:
            raise UserError(f"--{name} would change nothing: {reason}; leave out one of them")


def _with_new_names(argv: list[str], declared: dict[str, Field]) -> list[str]:
    """Options by the names that settings have today."""
    former = former_names(declared.values()).items()
    names = {f"--{form}": f"--{new}" for old, new in former for form in (old, old.replace("_", "-"))}
    parts = [word.partition("=") for word in argv]
    today = _today(names, [option for option, *_ in parts if option.startswith("--")])
    return ["".join((today.get(option, option), *rest)) for option, *rest in parts]


def former_names(declared: Iterable[Field]) -> dict[str, str]:
    """What settings were called once: the old name and that of today."""
    return {about(item).formerly: item.name for item in declared if about(item) and about(item).formerly}


def renamed(settings: dict, declared: Iterable[Field]) -> dict:
    """Settings of a recipe or an older run by the names they have today."""
    names = former_names(declared)
    return {names.get(key, key): value for key, value in settings.items()}


def _today(names: dict[str, str], given: Iterable[str]) -> dict[str, str]:
    """Today's name of each given one."""
    given = list(given)
    for old in dict.fromkeys(name for name in given if name in names):
        if names[old] in given:
            raise UserError(f"{old} is called {names[old]} now; give one of them, not both")
        print(f"note: {old} is called {names[old]} now", file=sys.stderr)
    return {name: names.get(name, name) for name in given}


def read_yaml(file: str | Path, kind: str = "") -> dict:
    """The `key: value` lines that a user wrote.

    Raises:
        UserError: the file can't be read, is empty, has one key twice or something else than such lines.
    """
    try:
        content = yaml.load(decoded(Path(file).read_bytes()), PlainLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {kind}{file}: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{kind}{file} is {'empty' if content is None else 'not a list of `key: value` lines'}")
    return content


def _recipe_options(path: str, declared: dict[str, Field], ignored: set[str]) -> list[str]:
    """A recipe as command-line options, so that both are checked by the same parser."""
    settings = read_yaml(path, "recipe ")
    of_a_run = settings.pop(ENVIRONMENT_KEY, None) is not None
    today = _today(former_names(declared.values()), settings)
    settings = {today[key]: value for key, value in settings.items()}
    for key, value in settings.items():
        if key not in declared and key not in ignored:
            raise UserError(_unknown(str(key), path, {*declared, *ignored}))
        if isinstance(value, dict) or (isinstance(value, list) and key in declared and not _is_list(declared[key])):
            raise UserError(f"{path}: {key} is one value, not {value}")
    # Runs recorded what was to be done that one time, before they left it out: nobody means to delete or push again.
    done = {key for key, item in declared.items() if of_a_run and getattr(about(item), "role", None) is Role.ACTION}
    return _options(settings, declared.keys() - done)


def _is_list(item: Field) -> bool:
    return any(get_origin(kind) is list for kind in (item.type, *get_args(item.type)))


def _options(settings: dict, known: Iterable[str]) -> list[str]:
    given = {key: value for key, value in settings.items() if key in known and value is not None}
    words = ((f"--{key}", *(value if isinstance(value, list) else [value])) for key, value in given.items())
    return [str(word) for option in words for word in option]


def _unknown(option: str, where: str, known: Iterable[str]) -> str:
    name, known = option.lstrip("-").split("=")[0].replace("-", "_"), list(known)
    here = ELSEWHERE.get(name, "")
    if here.split(" ")[0] in known:
        return f"unknown setting '{name}' in {where}; here it is {here}"
    return unknown("setting", name, where, known, "--help tells all")


def unknown(what: str, name: str, where: str, known: Iterable[str], all_known: str = "") -> str:
    """The error for a name that nobody knows: one line that tells where it stands, and the nearest known one.

    Where none is like it, `all_known` says how to find out; all are listed if it does not.
    """
    known = list(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"the nearest known one is '{nearest[0]}'" if nearest else all_known or f"there is {', '.join(known)}"
    return f"unknown {what} '{name}'{where and ' in '}{where}; {hint}"


def version() -> str:
    """Of the clone that runs, or of what was installed."""
    if CLONE:
        return tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return importlib.metadata.version("fact-learning")


def is_first_process() -> bool:
    """Of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def run(main) -> None:
    """Call `main(argv)`, or answer `--version`. A UserError, and what the file system refuses, is one line on stderr
    (once, not once a process), exit code 2.
    """
    if "--version" in sys.argv[1:]:
        return print(f"fact-learning {version()}")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # somebody's own stream
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know all letters of a name
    try:
        main([_with_home(word) for word in sys.argv[1:]])
    except (UserError, argparse.ArgumentError) as error:
        _end(f"{getattr(error, 'label', 'error')}: {error}", getattr(error, "exit_code", 2))
    except OSError as error:
        if error.errno is None:  # not the system's
            raise
        _end(f"error: {_refusal(error)}", 2)
    except KeyboardInterrupt:
        _end("interrupted", 130)


def _end(line: str, code: int) -> None:
    if is_first_process():
        print(line, file=sys.stderr)
    sys.exit(code)


def _with_home(word: str) -> str:
    """`--output_dir=~/runs`, which a shell leaves as it is."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{os.path.expanduser(value)}" if value.startswith("~") else word


def _refusal(error: OSError) -> str:
    """What the system says, and of which file; what to do where it is known."""
    file, cure = error.filename, _CURES.get(error.errno, "")
    return f"{error.strerror or errno.errorcode.get(error.errno)}{f': {file}' if file else ''}{cure}"
