"""Check your own word lists, templates and people: all conflicts at once, and a copy without them on request.

python -m data_builder check my                   # a directory with values/, templates/, new_individuals.csv, or some
python -m data_builder check my/values            # word lists alone; so does a table, or a directory of templates (add
                                                  # --values_dir if they are of a world of your own)
python -m data_builder check my --drop cleaned    # writes a copy into cleaned/, without the lines in conflict
python -m data_builder check --facts facts.csv    # a table of facts, with columns of its own
python -m data_builder check recipes/mine.yaml    # whatever texts a recipe names; so do --values_dir and the like
"""

import os
import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path

from command_line import UserError
from data_builder.conflicts import Conflict, Conflicts, are_lines
from data_builder.source import FACTS, OWN_PEOPLE, SENTENCES, TEXTS, Source, world_of
from data_builder.texts import read_text, split_lines
from data_builder.word_lists import load_word_lists
from data_builder.world import WORLD
from settings import FINETUNING, PRETRAINING, names
from settings.data import DataSettings
from settings.declare import Role, setting, with_default
from settings.read import parse_settings

# What can be checked, by the setting that names it, and where a copy has it: as in the source of a dataset.
PLACES = dict(zip(TEXTS, ("values", "templates", OWN_PEOPLE, FACTS, SENTENCES), strict=True))


@dataclass
class CheckSettings(DataSettings):
    """What to check. How many others exist matters only to a table of own people, who need names of their own."""

    n_individuals: int = with_default(DataSettings, "n_individuals", 1)
    n_unseen: int = with_default(DataSettings, "n_unseen", 0)
    n_new: int = with_default(DataSettings, "n_new", 0)
    drop: str | None = setting(None, "new directory, for a copy without the lines in conflict", Role.PLACE)


def main(argv: list[str]) -> None:
    """Print all conflicts; write a copy without them, if it is asked for."""
    if argv and (Path(argv[0]).is_dir() or Path(argv[0]).suffix == ".csv"):
        argv = [*_options(Path(argv[0])), *argv[1:]]
    (settings,) = parse_settings((CheckSettings,), argv, __doc__, others=names(*PRETRAINING, *FINETUNING))
    data = DataSettings(**{field.name: getattr(settings, field.name) for field in fields(DataSettings)})
    given = [getattr(data, name) for name in PLACES if getattr(data, name)]
    if not given:
        raise UserError("nothing to check: name a directory of word lists or templates, or a table of own people")
    if settings.drop and os.path.lexists(settings.drop):
        raise UserError(f"{settings.drop} exists already and is left as it is; choose another --drop NEW_DIR")
    found = find_conflicts(data)
    for conflict in found:
        print(conflict)
    if settings.drop:
        n_lines = write_without(found, data, Path(settings.drop))
        print(f"{settings.drop} holds a copy without {n_lines:,} lines; nothing else was changed")
    elif found:
        count = f"{len(found):,} conflict{'s' * (len(found) > 1)} in {', '.join(given)}"
        raise UserError(f"{count}{'; add --drop NEW_DIR for a copy without these lines' * are_lines(found)}")
    else:
        print(f"no conflicts in {', '.join(given)}")


def _options(place: Path) -> list[str]:
    """What a directory holds, or a table, as options."""
    found = {name: place / inside for name, inside in PLACES.items() if (place / inside).exists()}
    if place.suffix == ".csv":
        found = {"new_individuals": place}
    elif not found:
        templates = any(b"{value}" in path.read_bytes() for path in place.glob("*.txt"))
        found = {"templates_dir": place} if templates else {}
        found |= {"values_dir": place} if not templates or (place / WORLD).exists() else {}
    return [word for name, path in found.items() for word in (f"--{name}", str(path))]


def find_conflicts(data: DataSettings) -> list[Conflict]:
    """All that is wrong with the texts that settings name."""
    try:
        if data.templates_dir or data.new_individuals or data.facts:
            Source.build(data)
        else:  # a world's templates may not be written yet
            load_word_lists(data.values_dir)
    except Conflicts as refusal:
        return list(refusal.found)
    return []


def write_without(found: list[Conflict], data: DataSettings, into: Path) -> int:
    """Write a copy of the texts without the lines in conflict, whole or not at all.

    Args:
        found: all conflicts.
        data: which texts.
        into: a new directory, laid out as `PLACES` says.

    Returns:
        How many lines were left out.

    Raises:
        UserError: leaving out lines does not make texts that can be used.
    """
    lost = {(c.file, c.line + further) for c in found if c.line for further in range(c.n_lines)}
    unfinished = into.with_name(f".{into.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        left = [c for c in found if not c.line] or find_conflicts(_copy(data, lost, unfinished))
        if left:
            told = "".join(f"\n  {conflict}" for conflict in left).replace(f"{unfinished}{os.sep}", "")
            raise UserError(
                f"nothing is written, since without the lines in conflict there would still be these:{told}"
            )
        unfinished.rename(into)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return len(lost)


def _copy(data: DataSettings, lost: set[tuple[Path, int]], into: Path) -> DataSettings:
    """Copy all texts but the lines that are lost; the settings that name the copies."""
    for name, path in _files(data):
        copy = into / PLACES[name] / (path.name if name.endswith("_dir") else "")
        copy.parent.mkdir(parents=True, exist_ok=True)
        lines = enumerate(split_lines(read_text(path)), 1)
        copy.write_bytes("".join(line for number, line in lines if (path, number) not in lost).encode())
    return replace(data, **{name: str(into / place) for name, place in PLACES.items() if getattr(data, name)})


def _files(data: DataSettings) -> list[tuple[str, Path]]:
    """Each file that settings name, with the setting."""
    world = world_of(data)
    files = [(name, Path(table)) for name in PLACES if not name.endswith("_dir") and (table := getattr(data, name))]
    if data.values_dir:
        folder = Path(data.values_dir)
        own_world = [WORLD] if (folder / WORLD).exists() else []
        files += [("values_dir", folder / name) for name in [*own_world, *(f"{part}.txt" for part in world.lists())]]
    if data.templates_dir:
        files += [("templates_dir", Path(data.templates_dir) / f"{attribute}.txt") for attribute in world.attributes]
    return files
