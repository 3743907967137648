"""How settings are read: defaults < YAML recipe < command line."""

import argparse
import inspect
import sys
from collections.abc import Iterable
from dataclasses import Field, fields
from pathlib import Path
from typing import get_args, get_origin

from transformers import HfArgumentParser

from command_line import ENVIRONMENT_KEY, UserError, complete, is_first_process, read_yaml, unknown
from habits import ELSEWHERE
from settings.declare import Role, about, check_bounds, former_names


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults are told; lines of the description stay lines."""


class _Parser(HfArgumentParser):
    """Settings under the headings of their dataclasses, each the first line of its docstring."""

    def __init__(self, types: Iterable[type], names: dict[str, Iterable[str]], **how):
        for kind in types:
            kind._argument_group_name = inspect.getdoc(kind).splitlines()[0].rstrip(".")  # as HfArgumentParser calls it
        usage = "%(prog)s [recipe.yaml] [--setting value ...]"
        super().__init__(types, usage=usage, formatter_class=_Help, allow_abbrev=False, **how)
        for action in self._actions:
            if known := list(names.get(action.dest, ())):
                action.help += f"; there is {', '.join(known)}"
                action.completer = lambda known=known, **_: known

    def error(self, message: str):
        raise UserError(message)


def parse_settings(
    types: tuple[type, ...], argv: list[str], description: str, *,
    others: Iterable[str] = (), base: dict | None = None, names: dict[str, Iterable[str]] | None = None,
) -> tuple:  # fmt: skip
    """Read dataclasses from an optional YAML recipe (an argument, or `--config FILE`) and options.

    Args:
        types: dataclasses whose fields are the settings.
        argv: the arguments, without the program's name.
        description: what `--help` says first.
        others: names of settings that a recipe may set as well, for another script.
        base: settings of another run, in place of the defaults.
        names: the values of settings that are names in a table, for `--help` and completion.

    Returns:
        One instance of each dataclass.

    Raises:
        UserError: unknown key (the nearest known one is named), wrong type, a number out of bounds, unreadable recipe.
    """
    parser = _Parser(types, names or {}, description=description)
    parser.add_argument("recipe", nargs="?", help="YAML file of settings, also as --config FILE; options override it")
    complete(parser)
    declared = {item.name: item for kind in types for item in fields(kind)}
    recipe, given = _recipe_and_options(_with_new_names(argv, declared))
    options = _recipe_options(recipe, declared, set(others) - declared.keys(), _named(given)) if recipe else []
    namespace, unknown = parser.parse_known_args([*_options(base or {}, declared), *options, *given])
    for word in [*unknown, namespace.recipe]:
        if word is not None:
            raise UserError(_stray(word, given, declared))
    parsed = parser.parse_dict(vars(namespace), allow_extra_keys=True)
    for settings in parsed:
        check_bounds(settings)
    return parsed


def _recipe_and_options(argv: list[str]) -> tuple[str | None, list[str]]:
    """The recipe, which is the first word or a later one that ends as a YAML file does, and all else."""
    reader = _Parser([], {}, add_help=False)
    reader.add_argument("--config")
    config, argv = reader.parse_known_args(argv)
    if config.config is not None:
        return config.config, argv
    places = (place for place, word in enumerate(argv) if _is_recipe(word) or (place == 0 and not word.startswith("-")))
    place = next(places, None)
    return (None, argv) if place is None else (argv[place], argv[:place] + argv[place + 1 :])


def _is_recipe(word: str) -> bool:
    return not word.startswith("-") and Path(word).suffix in (".yaml", ".yml")


def _stray(word: str, argv: list[str], declared: dict[str, Field]) -> str:
    """The error for a word of the command line that belongs to no setting."""
    if word.startswith("-"):
        return _unknown(word, "the command line", declared)
    if _is_recipe(word):
        return f"{word} is one recipe too many; name one, with the settings of both"
    before = [option for option in argv[: argv.index(word)] if option.startswith("--")]
    return f"'{word}' is one value too many for {before[-1]}" if before else f"'{word}' belongs to no option"


def check_not_given(argv: list[str], names: Iterable[str], reason: str) -> None:
    """Check that no option sets what something else decides already; a recipe may, it is meant for more than one run.

    Raises:
        UserError: one does; the reason is told.
    """
    given = _named(argv)
    for name in (name for name in names if name in given):
        raise UserError(f"--{name} would change nothing: {reason}; leave it out")


def say_unused(settings, used, reason: str) -> None:
    """Say in one line which settings of a recipe, in a dataclass, have no effect, since those of another are used."""
    given = [item.name for item in fields(settings) if getattr(settings, item.name) != item.default]
    unused = [name for name in given if getattr(settings, name) != getattr(used, name)]
    if unused and is_first_process():
        said = ", ".join(f"{name} {getattr(settings, name)}" for name in unused)
        print(f"note: {reason}; not used: {said}", file=sys.stderr)


def _named(argv: list[str]) -> set[str]:
    """The settings that options name."""
    options = (word.removeprefix("--").partition("=")[0] for word in argv if word.startswith("--"))
    return {option.replace("-", "_") for option in options}


def _with_new_names(argv: list[str], declared: dict[str, Field]) -> list[str]:
    """Options by the names that settings have today."""
    former = former_names(declared.values()).items()
    names = {f"--{form}": f"--{new}" for old, new in former for form in (old, old.replace("_", "-"))}
    parts = [word.partition("=") for word in argv]
    today = _today(names, [option for option, *_ in parts if option.startswith("--")])
    return ["".join((today.get(option, option), *rest)) for option, *rest in parts]


def _today(names: dict[str, str], given: Iterable[str]) -> dict[str, str]:
    """Today's name of each given one."""
    given = list(given)
    for old in dict.fromkeys(name for name in given if name in names):
        if names[old] in given:
            raise UserError(f"{old} is called {names[old]} now; give one of them, not both")
        print(f"note: {old} is called {names[old]} now", file=sys.stderr)
    return {name: names.get(name, name) for name in given}


def _recipe_options(path: str, declared: dict[str, Field], ignored: set[str], overridden: set[str]) -> list[str]:
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
    if of_a_run:
        replaceable = {key: item for key, item in declared.items() if key not in overridden}
        settings |= _own_copies(Path(path), settings, replaceable)
    # Runs recorded what was to be done that one time, before they left it out: nobody means to delete or push again.
    done = {key for key, item in declared.items() if of_a_run and getattr(about(item), "role", None) is Role.ACTION}
    return _options(settings, declared.keys() - done)


def _own_copies(recipe: Path, settings: dict, declared: dict[str, Field]) -> dict[str, str | None]:
    """Of what a run was made of and is not here any more, the copy that it keeps; None for what is a part of that."""
    places = {key: Path(kept) for key, item in declared.items() if (kept := getattr(about(item), "kept", None))}
    gone = [key for key in places if settings.get(key) and not Path(str(settings[key])).exists()]
    copies = {key: str(recipe.parent / places[key]) for key in gone if (recipe.parent / places[key]).exists()}
    parts = [key for key, place in places.items() if any(places[whole] in place.parents for whole in copies)]
    if copies and is_first_process():
        said = ", ".join(f"{key} {settings[key]}" for key in copies if key not in parts)
        print(f"note: not here, so that the copies in {recipe.parent} are used: {said}", file=sys.stderr)
    return copies | dict.fromkeys(parts)


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
