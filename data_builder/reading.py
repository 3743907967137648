"""What a run has read, step by step, from its directory alone: batches are a function of settings, people and step."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from command_line import ENVIRONMENT_KEY, UserError
from data_builder.biographies import Renderer
from data_builder.fetch import find_people
from data_builder.mixture import NOBODY
from data_builder.schedules import Plan
from data_builder.source import Source
from data_builder.stages import groups_of_model, learned_before
from data_builder.stream import BiographyStream
from data_builder.streams import build_stream, train_own_tokenizer
from run_directory.config import batch_size
from run_directory.generated import read_generated
from run_directory.manifests import checkpoints
from run_directory.models import FoundModel, find_record
from run_directory.records import read_records
from settings.data import StreamSettings
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings

_TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Reading:
    """What a run reads.

    Attributes:
        stream: its batches.
        batch_size: biographies in a batch, over all processes and passes.
        groups: individuals by what they are to the run: `seen`, `unseen`, in fine-tuning `new` or `rare`.
        n_steps: how many batches it has read, by its record.
    """

    stream: BiographyStream
    batch_size: int
    groups: dict[str, range]
    n_steps: int

    def batch(self, step: int) -> dict:
        """Batch `step`, as `BiographyStream.batch` gives it."""
        return self.stream.batch(step, self.batch_size)

    def times_drawn(self, n_steps: int, first: int = 0) -> np.ndarray:
        """How often each individual of the population was drawn up to a step, or since `first`; (individuals,)."""
        return self.stream.times_drawn(n_steps, self.batch_size, first)

    def rows(self, step: int) -> Iterator[dict]:
        """The rows of batch `step`, in order: who, in which words, as which tokens.

        Returns:
            Of each `step`, `row`, `group` (`nobody` of a row that is about none), `individual_id`, `name`, `attributes`
            and `template_ids` in the order of the sentences, `text`, and `input_ids` without padding. Random words have
            no name, attributes and templates.
        """
        _, names, _, wording = self.stream.told(step, self.batch_size)
        batch, texts = self.batch(step), self.stream.texts(step, self.batch_size)
        lengths, attributes = batch["attention_mask"].sum(1).tolist(), [*self.stream.value_sizes]
        templates = np.take_along_axis(wording.templates, wording.order, axis=1).tolist()
        in_words = self.stream.in_words(self.batch_size).tolist()
        for row, individual in enumerate(batch["individual_ids"].tolist()):
            told = in_words[row]
            yield {
                "step": step,
                "row": row,
                "group": self._group(individual),
                "individual_id": individual,
                "name": self._renderer.name(names[row]) if told else None,
                "attributes": [attributes[index] for index in wording.order[row]] if told else [],
                "template_ids": templates[row] if told else [],
                "text": texts[row],
                "input_ids": batch["input_ids"][row, : lengths[row]].tolist(),
            }

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self.stream.source)

    def _group(self, individual: int) -> str:
        if individual == NOBODY:
            return "nobody"
        return next(name for name, members in self.groups.items() if individual in members)


def reading_of(model: str) -> Reading:
    """What a run reads, finished or not.

    Args:
        model: a run directory or a repository id.

    Raises:
        UserError: no run, or one without people or tokenizer; a schedule whose decisions are not recorded.
    """
    found = find_record(model)
    config, source = found.config, find_people(found, model)
    try:
        records = read_records(found.path)
    except OSError:
        records = []
    if not records:
        raise UserError(f"{model} has recorded nothing yet, so that it has read nothing")
    which, groups = config.get("individuals_finetune"), groups_of_model(config, source.population.groups)
    whole = batch_size(config, config[ENVIRONMENT_KEY]["n_processes"])
    plan = Plan(
        groups[which or "seen"],
        _settings(ScheduleSettings, config),
        config["max_steps"],
        whole,
        old=learned_before(groups, which),
    )
    stream = build_stream(
        source, _tokenizer(found, source, model), plan, _settings(TrainingSettings, config).seed_of_data,
        random_words=config.get("share_random_words", 0.0), invented=config.get("share_invented", 0.0),
        generated=config.get("share_generated", 0.0),
        **_settings(StreamSettings, config).told(),
    )  # fmt: skip
    if config.get("share_generated"):
        stream.generated = read_generated(found.path)
    stream.schedule.recall(records[-1])
    return Reading(stream, whole, groups, records[-1]["step"])


def _settings(kind: type, config: dict):
    """A dataclass of settings as a run had them; those that are newer had their defaults."""
    return kind(**{item.name: config.get(item.name, item.default) for item in fields(kind)})


def _tokenizer(found: FoundModel, source: Source, model: str):
    """The run's own; before its first checkpoint, the one that is made of its people."""
    from transformers import AutoTokenizer

    folders = (found.path, *reversed(checkpoints(found.path).values()))
    if folder := next((folder for folder in folders if (folder / _TOKENIZER).is_file()), None):
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if found.config.get("init_from") or "individuals_finetune" in found.config:
        raise UserError(f"{model} has saved no tokenizer yet; wait for its first checkpoint")
    return train_own_tokenizer(source, _settings(StreamSettings, found.config))
