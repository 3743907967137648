"""The `datasets` builder: who exists, their biographies, the templates and questions, as Arrow tables."""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from data_builder.biographies import Renderer
from data_builder.columns import TextTables, lists
from data_builder.facts import GENERIC
from data_builder.questions import asked, questions
from data_builder.random import uniforms
from data_builder.sentences import TEMPLATES_DIR
from data_builder.source import TEXTS, Source, world_of
from data_builder.world import VALUES_DIR, World, world_file
from settings.data import DataSettings
from settings.declare import setting

CONFIGURATIONS = ("population", "biographies", "templates", "questions")
# Split of `biographies` -> (group, wording held out from training)
SPLITS = {"train": ("seen", False), "validation": ("seen", True), "unseen": ("unseen", True), "new": ("new", True)}
# Rows made at once. Wording is drawn for each block, so that it is the same for any num_proc.
BLOCK = 1000
_BLOCKS_OF_GROUP = 10  # rows that lie together in a Parquet file, and are read together: 6 MB of biographies

_INDEX = datasets.Value("int32")


@dataclass
class BiographyConfig(datasets.BuilderConfig, DataSettings):
    """Which table (`name`: one of CONFIGURATIONS) of which population."""

    biographies_per_individual: int = setting(1, "rows of each person in the split `train`, each in other wording")


class BiographyBuilder(datasets.ArrowBasedBuilder):
    """Builds one of the tables of a population.

    `BiographyBuilder(config_name="biographies", n_individuals=64_000)`, then `download_and_prepare()`
    and `as_dataset(split="train")`, as with any `datasets` builder. The cache follows the settings,
    the word lists, the templates and the code.
    """

    BUILDER_CONFIG_CLASS = BiographyConfig
    DEFAULT_WRITER_BATCH_SIZE = BLOCK * _BLOCKS_OF_GROUP

    def __init__(self, *args, config_name: str = "biographies", **kwargs):
        if config_name not in CONFIGURATIONS:
            raise ValueError(f"no configuration '{config_name}'; there are {', '.join(CONFIGURATIONS)}")
        digest = fingerprint(*map(kwargs.get, TEXTS))
        super().__init__(*args, config_name=config_name, hash=digest, dataset_name="biographies", **kwargs)

    @cached_property
    def source(self) -> Source:
        """The population and its texts."""
        names = (field.name for field in fields(DataSettings))
        return Source.build(DataSettings(**{name: getattr(self.config, name) for name in names}))

    def _info(self):
        return datasets.DatasetInfo(features=_features(self.config.name, world_of(self.config)))

    def _split_generators(self, dl_manager):
        generators, asks = [], self.config.name == "questions"
        for split, group in splits(self.config.name, self.source.population.groups).items():
            members = self.source.population.groups[group] if group else range(0)
            rows = len(asked(members) if asks else members)
            if split == "train":
                rows *= self.config.biographies_per_individual
            starts = list(range(0, rows, BLOCK)) or [0]
            generators.append(datasets.SplitGenerator(split, {"split": split, "rows": rows, "starts": starts}))
            # that a progress bar knows how long it is
            generators[-1].split_info.num_examples = rows * (len(self.source.world.attributes) if asks else 1)
        return generators

    def _generate_tables(self, split: str, starts: list[int], rows: int):
        make = {
            "population": self._people,
            "biographies": self._biographies,
            "templates": self._templates,
            "questions": self._questions,
        }
        blocks = [range(start, min(start + BLOCK, rows)) for start in starts]
        for first in range(0, len(blocks), _BLOCKS_OF_GROUP):
            group = [make[self.config.name](split, block) for block in blocks[first : first + _BLOCKS_OF_GROUP]]
            schema = self.info.features.arrow_schema
            yield starts[first], pa.concat_tables(pa.Table.from_pydict(columns, schema=schema) for columns in group)

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self.source)

    @cached_property
    def _text_tables(self) -> TextTables:
        return TextTables(self._renderer)

    @cached_property
    def _entries(self) -> list[pa.Array]:
        return [pa.array(entries) for entries in (*self._renderer.name_lists, *self._renderer.values)]

    def _people(self, split: str, rows: range) -> dict:
        population = self.source.population
        people = np.array(rows) + population.groups[split].start
        facts = np.concatenate((population.names[people], population.values[people]), axis=1).T
        texts = [entries.take(pa.array(which)) for entries, which in zip(self._entries, facts, strict=True)]
        told = dict(zip(_facts(self.source.world), texts, strict=True))
        return {"individual_id": people} | told | {"heldout_template_ids": lists(population.heldout[people])}

    def _biographies(self, split: str, rows: range) -> dict:
        population, (group, heldout) = self.source.population, SPLITS[split]
        members = population.groups[group]
        people = np.array(rows) % len(members) + members.start
        seed, shape = self.config.population_seed, (len(rows), 2 * population.values.shape[1])
        draws = uniforms(seed, f"rows of {split}", shape, step=rows.start // BLOCK)
        wording = population.draw_wording(people, draws, heldout)
        told = {"individual_id": people, "attributes": lists(wording.order)}
        told["template_ids"] = lists(np.take_along_axis(wording.templates, wording.order, axis=1))
        return told | self._text_tables.biographies(population.names[people], population.values[people], wording)

    def _templates(self, split: str, rows: range) -> dict:
        numbered = [(a, i, t) for a, ts in enumerate(self._renderer.templates) for i, t in enumerate(ts)]
        attributes, ids, templates = zip(*numbered, strict=True)
        return {"attribute": attributes, "template_id": ids, "text": [template.text for template in templates]}

    def _questions(self, split: str, rows: range) -> dict:
        """The rows are individuals, of whom each has a question for each attribute."""
        people = asked(self.source.population.groups[split])[rows.start : rows.stop]
        told = [(person, question) for person in people for question in questions(self.source, self._renderer, person)]
        return {
            "prompt": [question.prompt for _, question in told],
            "answer": [question.truth for _, question in told],
            "attribute": [question.attribute for _, question in told],
            "individual_id": [person for person, _ in told],
            "group": [split] * len(told),
        }


def splits(name: str, groups: dict[str, range]) -> dict[str, str | None]:
    """The splits of a configuration, each with the group of people it is about; none for a group without people."""
    if name == "templates":
        return {"train": None}
    about = {split: group for split, (group, _) in SPLITS.items()} if name == "biographies" else {g: g for g in groups}
    return {split: group for split, group in about.items() if groups[group]}


def _facts(world: World) -> list[str]:
    """The columns of the population table that tell of a person."""
    return [*world.name, *world.attributes]


def _features(name: str, world: World) -> datasets.Features:
    """The columns of a configuration."""
    text, individual = datasets.Value("string"), {"individual_id": datasets.Value("int64")}
    attribute = datasets.ClassLabel(names=list(world.attributes))

    def each(feature) -> datasets.List:
        return datasets.List(feature, length=len(world.attributes))

    spans = each(datasets.List(_INDEX, length=2))
    columns = {
        "population": individual
        | dict.fromkeys(_facts(world), text)
        | {"heldout_template_ids": each(datasets.List(_INDEX))},
        "biographies": {"text": text}
        | individual
        | {"attributes": each(attribute), "template_ids": each(_INDEX), "name_spans": spans, "value_spans": spans},
        "templates": {"attribute": attribute, "template_id": _INDEX, "text": text},
        "questions": {"prompt": text, "answer": text, "attribute": text} | individual | {"group": text},
    }
    return datasets.Features(columns[name])


def fingerprint(values_dir: str | None = None, templates_dir: str | None = None, *tables: str | None) -> str:
    """sha256 over word lists and what is made of them, templates, a user's own tables, and this package's code."""
    digest = hashlib.sha256()
    texts = (Path(values_dir or VALUES_DIR), Path(templates_dir or TEMPLATES_DIR))
    paths = [path for folder in texts for path in sorted(folder.glob("*.txt"))]
    paths += map(Path, filter(None, (world_file(values_dir), *tables)))
    for path in [*paths, GENERIC, *sorted(Path(__file__).parent.glob("*.py"))]:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()
