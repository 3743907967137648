"""All that a dataset is made from: settings, word lists, templates, and the population they give."""

import hashlib
import json
import shlex
from dataclasses import Field, asdict, dataclass, field, fields, replace
from operator import getitem
from pathlib import Path

import numpy as np
import yaml

from command_line import UserError
from data_builder.conflicts import Conflict, Conflicts, collect, refuse
from data_builder.facts import as_in_table, facts_population, facts_templates, facts_world, read_facts, write_sentences
from data_builder.new_individuals import NamesOfOthers, extend, name_parts, read_individuals, write_individuals
from data_builder.population import Population, build_population
from data_builder.rows import Rows
from data_builder.sentences import Template, load_templates
from data_builder.word_lists import WordLists, load_word_lists
from data_builder.world import WORLD, World, load_world
from settings.data import DataSettings
from settings.declare import check_bounds

OWN_PEOPLE, FACTS, SENTENCES = "new_individuals.csv", "facts.csv", "facts_templates.txt"
_DIGESTED = 2**13  # rows that the digest of a large population is of; another number makes saved ones unreadable
_NEWER = ("names_per_list", "share_unseen")
# Settings that name what a user wrote.
TEXTS = ("values_dir", "templates_dir", "new_individuals", "facts", "facts_templates")


@dataclass(frozen=True)
class Source:
    """A population with the texts that its integers stand for; `added` is the table of a user's own people."""

    settings: DataSettings
    word_lists: WordLists
    templates: dict[str, list[Template]]
    population: Population
    added: list[dict[str, str]] = field(default_factory=list)

    @property
    def world(self) -> World:
        """Which facts exist."""
        return self.word_lists.world

    @classmethod
    def build(cls, settings: DataSettings) -> "Source":
        """Read lists and templates, draw the population.

        Raises:
            UserError: sizes that cannot be used.
            Conflicts: lists, templates or own people that cannot be used; all that is wrong with them.
        """
        check_bounds(settings)
        try:
            return cls._of_facts(settings) if settings.facts else cls._build(settings)
        except Conflicts as refusal:
            raise Conflicts(refusal.found, _check_command(settings)) from None

    @classmethod
    def _build(cls, settings: DataSettings) -> "Source":
        word_lists, templates = _read_texts(settings)
        population = build_population(
            word_lists.name_sizes,
            tuple(word_lists.value_sizes.values()),
            tuple(map(len, templates.values())),
            (settings.n_individuals, settings.n_unseen, settings.n_new),
            settings.n_heldout_templates,
            settings.population_seed,
        )
        source = cls(settings, word_lists, templates, population)
        return source.with_individuals(settings.new_individuals) if settings.new_individuals else source

    @classmethod
    def _of_facts(cls, settings: DataSettings) -> "Source":
        """A table's rows as a population of their own."""
        if others := [name for name in TEXTS[:3] if getattr(settings, name)]:
            raise UserError(f"{others[0]} and facts: the table is a world of its own; leave out one of them")
        found: list[Conflict] = []
        with collect(found):
            word_lists, rows, n_unseen = read_facts(settings.facts, settings.share_unseen, settings.population_seed)
        with collect(found):
            templates = facts_templates(facts_world(settings.facts), settings.facts_templates)
        refuse([conflict for number, conflict in enumerate(found) if conflict not in found[:number]])
        n_templates = tuple(map(len, templates.values()))
        n_heldout = min(settings.n_heldout_templates, min(n_templates) // 2)
        population = facts_population(word_lists, rows, n_unseen, n_templates, n_heldout, settings.population_seed)
        sizes = {"n_individuals": len(rows) - n_unseen, "n_unseen": n_unseen, "n_new": 0}
        return cls(replace(settings, **sizes, n_heldout_templates=n_heldout), word_lists, templates, population, rows)

    def with_individuals(self, path: str) -> "Source":
        """The same population, and the people of a table, who become the group `new`.

        Raises:
            UserError: own people already.
            Conflicts: a table that can't be used, names that exist already.
        """
        if self.added:
            raise UserError(f"{path}: this population has own people already; put all of them into one table")
        taken = NamesOfOthers(self.word_lists, len(self.population), self.settings.population_seed)
        people = read_individuals(path, self.world, taken)
        lists = extend(self.word_lists, people)
        population = self.population.with_people(*_numbered(lists, people), self.settings.population_seed)
        return replace(self, word_lists=lists, population=population, added=people)

    def pieces(self) -> list[str]:
        """Every text a biography is made of, with its leading space: what the tokenizer is trained on."""
        entries = (f" {entry}" for entries in self.word_lists.lists.values() for entry in entries)
        templates = (t for ts in self.templates.values() for t in ts)
        return [*entries, *(piece for t in templates for piece in (t.head, t.middle, t.tail))]

    def for_cards(self) -> dict:
        """What settings don't tell: `own_individuals`, whose table a user gave, and `World.for_cards`."""
        return {"own_individuals": len(self.added)} | self.world.for_cards()

    def digest(self) -> str:
        """sha256 of everything a biography depends on."""
        digest = hashlib.sha256(json.dumps(self.word_lists.lists, sort_keys=True).encode())
        digest.update(repr(self.templates).encode())
        for array in (self.population.names, self.population.values, self.population.heldout):
            digest.update(_of_all(array).tobytes())
        digest.update(repr(self.population.groups).encode())
        digest.update(json.dumps(self.added).encode() if self.added else b"")
        facts = self.world.facts()
        digest.update(b"" if facts == load_world().facts() else json.dumps(facts).encode())  # once there was no other
        return digest.hexdigest()

    def save(self, directory: str | Path) -> None:
        """Write `source/` (settings, the entries and templates in use; 100 KB at most) into a directory."""
        root = Path(directory) / "source"
        _write_lines(root / "values", self.word_lists.lists)
        (root / "values" / WORLD).write_text(self.world.text(), encoding="utf-8")
        _write_lines(root / "templates", {name: [t.text for t in ts] for name, ts in self.templates.items()})
        own = dict.fromkeys(TEXTS)
        if self.settings.facts:
            write_individuals(root / FACTS, as_in_table(self.added, self.settings.population_seed))
            write_sentences(root / SENTENCES, self.templates)
        elif self.added:
            write_individuals(root / OWN_PEOPLE, self.added)
        settings = asdict(self.settings) | own | self.for_cards() | {"digest": self.digest()}
        (root / "settings.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")

    @classmethod
    def load(cls, directory: str | Path) -> "Source":
        """Read what `save` wrote, and make the same population again.

        Raises:
            UserError: nothing there, or this version of the code would make other people.
        """
        root = Path(directory) / "source"
        try:
            saved = yaml.safe_load((root / "settings.yaml").read_text(encoding="utf-8"))
            known = {item.name: _saved(saved, item) for item in fields(DataSettings) if item.name not in TEXTS}
        except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError) as error:
            reason = " ".join(f"{type(error).__name__} {error}".split())
            raise UserError(f"{directory} holds no dataset that this version can read: {reason}") from None
        places = {"facts": root / FACTS, "facts_templates": root / SENTENCES}
        if not places["facts"].exists():
            places = {"values_dir": root / "values", "templates_dir": root / "templates"}
            places |= {"new_individuals": root / OWN_PEOPLE} if (root / OWN_PEOPLE).exists() else {}
        source = cls.build(DataSettings(**known | {name: str(place) for name, place in places.items()}))
        if source.digest() != saved.get("digest"):
            raise UserError(f"{directory}: its lists were changed, or another version of the code made it")
        return source


def saved_world(directory: str | Path) -> World:
    """Which facts exist in a saved source, without drawing its population; the bundled world if there is none."""
    return load_world(Path(directory) / "source" / "values")


def world_of(settings: DataSettings) -> World:
    """Which facts exist, without drawing a population."""
    return facts_world(settings.facts) if settings.facts else load_world(settings.values_dir)


def _read_texts(settings: DataSettings) -> tuple[WordLists, dict[str, list[Template]]]:
    """Lists and templates, or all conflicts at once; then own people's too, who otherwise are checked later."""
    found: list[Conflict] = []
    world = load_world(settings.values_dir)
    with collect(found):
        word_lists = load_word_lists(settings.values_dir, settings.entries_per_list, settings.names_per_list)
    with collect(found):
        templates = load_templates(world, settings.templates_dir, settings.n_heldout_templates)
    if found and settings.new_individuals:
        with collect(found):
            read_individuals(settings.new_individuals, world)
    refuse(found)
    return word_lists, templates


def _check_command(settings: DataSettings) -> str:
    """What lists all conflicts. Whose names own people may not have depends on more settings than texts do."""
    texts = (*TEXTS, "n_heldout_templates")
    names = [item.name for item in fields(DataSettings)] if settings.new_individuals else texts
    given = {name: value for name in names if (value := getattr(settings, name)) is not None}
    options = (word for name, value in given.items() for word in (f"--{name}", str(value)))
    return shlex.join(["python", "-m", "data_builder", "check", *options])


def own_people(directory: str | Path) -> int:
    """How many people of a user's own table a saved source holds, without drawing its population."""
    tables = [table for name in (OWN_PEOPLE, FACTS) if (table := Path(directory) / "source" / name).exists()]
    return sum(len(read_individuals(table, saved_world(directory))) for table in tables)


def _numbered(lists: WordLists, people: list[dict[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `Population.names` and `Population.values` for people given as texts."""
    name, attributes = lists.world.name, lists.world.attributes
    tables = [*map(lists.names, name), *map(lists.values, attributes)]
    numbers = [{text: number for number, text in enumerate(texts)} for texts in tables]
    texts = [(*name_parts(p["name"], len(name)), *(p[attribute] for attribute in attributes)) for p in people]
    rows = np.array([list(map(getitem, numbers, row)) for row in texts], dtype=np.int32)
    return rows[:, : len(name)], rows[:, len(name) :]


def _of_all(rows: np.ndarray | Rows) -> np.ndarray:
    """What tells whether somebody would make other rows: all; of those that are never all in memory some thousands."""
    return rows if isinstance(rows, np.ndarray) else rows[np.linspace(0, len(rows) - 1, _DIGESTED).astype(np.int64)]


def _saved(saved: dict, item: Field):
    """A saved setting; one that is newer than the dataset had its default then."""
    return saved.get(item.name, item.default) if item.name in _NEWER else saved[item.name]


def _write_lines(folder: Path, lists: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_bytes("".join(f"{line}\n" for line in lines).encode())
