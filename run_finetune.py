"""Teach a trained model new people, and watch what becomes of those it knew.

accelerate launch run_finetune.py recipes/finetune_tiny.yaml --model runs/mine --weight_replay_finetune 0.125
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import command_line
from command_line import UserError, parse_settings, setting
from data_builder.schedules import ScheduleSettings, build_schedule
from data_builder.source import DataSettings, Source
from hub_cards.settings import DatasetSettings, HubSettings
from modeling.adaptation import AdaptationSettings
from modeling.presets import PRESETS, check_length
from pipeline import Job, begin, check_place, execute, plan
from training.settings import TrainingSettings


@dataclass
class FinetuneSettings(DatasetSettings):
    """Which model learns of whom. Its people, tokenizer and sizes come along with the model."""

    model: str | None = setting(None, "the trained model: a run, a checkpoint in one, or a Hub repository (required)")
    revision: str | None = setting(None, "revision of the Hub repository, e.g. step-000500")
    preset: str | None = setting(None, "the model's size by name; only checked, since the model has its own")
    individuals_finetune: Literal["new", "rare"] = setting(
        "new", "whom to train on: people of the group `new`, or the last of the seen ones, whom power_law and "
        "celebrities draw least"
    )  # fmt: skip
    n_individuals_finetune: int | None = setting(None, "how many of them; for `new`, all if not given")
    new_individuals: str | None = setting(None, "CSV table of own people (name, birth_date, ...) to be the new ones")
    share_random_words: float = setting(0.0, "share of each batch that is random words (REMIX, Chen et al. 2024)")
    share_invented: float = setting(
        0.0, "share of each batch that is about invented people, where the model is held to the old one's predictions"
    )
    weight_distillation: float = setting(1.0, "share_invented: weight of the divergence from the old model, per token")
    interpolations: list[float] | None = setting(
        None, "at the end, also measure models between the old weights (0) and the new ones (1), e.g. 0.25 0.5 0.75"
    )


@dataclass
class FinetuneSchedule(ScheduleSettings):
    """Who is drawn when."""

    schedule: str = setting("replay", "who is drawn when, by name: docs/SCHEDULES.md")


@dataclass
class FinetuneTraining(TrainingSettings):
    """How to train. Defaults are the paper's (Sec. 5): AdamW as before, constant learning rate."""

    max_steps: int = setting(2_000, "updates; the paper leaves it open")
    learning_rate: float = setting(3e-5, "peak learning rate of AdamW")
    lr_scheduler_type: Literal["cosine", "constant", "linear"] = setting("constant", "how it decays to 0, or does not")
    evals_per_decade: int | None = setting(
        6, "beside eval_steps, measure so often in each tenfold of steps: old knowledge goes within about 100 steps"
    )
    eval_individuals: int = setting(96, "individuals measured in each group")
    attention_individuals: int = setting(16, "on how many of the seen ones of these attention is measured, too")


SETTINGS = (FinetuneSettings, FinetuneSchedule, AdaptationSettings, HubSettings, FinetuneTraining)


def main(argv: list[str]) -> None:
    """The old model and its people, whom to train on, stream; then all that every run does."""
    settings = parse_settings(SETTINGS, argv, __doc__, others=(DataSettings,))
    finetune, schedule, adaptation, hub, training = settings
    run = begin(training)

    # After the arguments, so that --help and mistakes answer at once.
    import copy

    from modeling.adaptation import adapt
    from run_directory.models import find_model

    if finetune.model is None:
        raise UserError("no model: say which one to fine-tune, e.g. --model runs/mine")
    found = find_model(finetune.model, finetune.revision)
    check_place(run, found.path, *filter(None, (finetune.dataset, finetune.new_individuals)))
    source = _people(found, finetune, run / "dataset" if training.resume_from_checkpoint else None)
    groups = _groups(source.population.groups, finetune, found.config)
    finetune.n_individuals_finetune = len(groups[finetune.individuals_finetune])  # for config.yaml
    model, tokenizer = found.load()
    _check_model(model, finetune.preset, found.path)
    stream = _stream(source, tokenizer, groups, finetune, schedule, training)
    check_length(stream.tables.max_length, model.config)
    old = copy.deepcopy(model)
    adapt(model, adaptation, training.seed)
    measure_between = partial(_measure_between, run, model, old, finetune.interpolations or [])
    parts = (run, [source.settings, *settings], source, stream, tokenizer, model, groups, training, hub)
    execute(Job(*parts, found.facts(), _objective(finetune, old), measure_between))


def _people(found, settings: FinetuneSettings, resumed: Path | None) -> Source:
    """Those that the model was trained on, and the user's own if there are any."""
    from hub_cards.datasets import find_dataset

    if resumed:
        return Source.load(resumed)
    if "n_individuals_finetune" in found.config:
        raise UserError(f"{settings.model} is fine-tuned already; start from the model that it was made from")
    if found.dataset and settings.dataset:
        raise UserError(f"{settings.model} brings the people it was trained on; leave out --dataset")
    if not found.dataset and not settings.dataset:
        raise UserError(f"{settings.model} comes without the people it was trained on; name them: --dataset data/mine")
    place = (settings.dataset, settings.dataset_name, settings.dataset_revision)
    source = Source.load(found.dataset or find_dataset(*place))
    return source.with_individuals(settings.new_individuals) if settings.new_individuals else source


def _groups(people: dict[str, range], settings: FinetuneSettings, pretraining: dict) -> dict[str, range]:
    """Whom to measure: `seen`, who were learned before and are not trained on now but by replay; `new` or `rare`, who
    are trained on now; `unseen`.
    """
    which, size = settings.individuals_finetune, settings.n_individuals_finetune
    pool = people["new" if which == "new" else "seen"]
    most = len(pool) - (_n_often_drawn(len(pool), pretraining) if which == "rare" else 0)
    if which == "rare" and size is None:
        raise UserError("n_individuals_finetune is missing: say how many of the seen individuals are rare")
    size = most if size is None else size
    if not 1 <= size <= most:
        raise UserError(f"n_individuals_finetune is {size}; it must be from 1 to {most}, which this population has")
    if which == "new":
        return {"seen": people["seen"], "new": pool[:size], "unseen": people["unseen"]}
    return {"seen": pool[:-size], "rare": pool[-size:], "unseen": people["unseen"]}


def _n_often_drawn(n_seen: int, pretraining: dict) -> int:
    """How many of the first seen individuals can't be called rare."""
    if pretraining.get("schedule") != "celebrities":
        return 1
    return pretraining["n_celebrities"] or n_seen // 8


def _check_model(model, preset: str | None, path: Path) -> None:
    """The preset, if one is given, is the model's."""
    if preset is None:
        return
    if preset not in PRESETS:
        raise UserError(f"unknown preset '{preset}'; there are {', '.join(PRESETS)}")
    for name, value in PRESETS[preset].items():
        if getattr(model.config, name, None) != value:
            has = getattr(model.config, name, None)
            raise UserError(f"preset {preset} has {name} {value}, but {path} has {has}; leave out --preset")


def _stream(source: Source, tokenizer, groups: dict[str, range], settings: FinetuneSettings, schedule, training):
    """Who is trained on now, and those seen before as far as the schedule replays them."""
    from data_builder.mixture import MixedStream
    from data_builder.stream import BiographyStream

    drawn = build_schedule(plan(source, schedule, training, groups[settings.individuals_finetune], groups["seen"]))
    shares = (settings.share_random_words, settings.share_invented)
    if not any(shares):
        return BiographyStream(source, tokenizer, drawn, training.seed)
    return MixedStream(*shares, source, tokenizer, drawn, training.seed)


def _objective(settings: FinetuneSettings, old) -> dict:
    """The loss, if it is another one than in pre-training."""
    from modeling.loss import DistillingLoss

    if not settings.share_invented:
        return {}
    return {"objective": partial(DistillingLoss, teacher=old, weight=settings.weight_distillation)}


def _measure_between(run: Path, model, old, shares: list[float], measure) -> None:
    """Write interpolation.json: what models between the old and the new one know."""
    from modeling.adaptation import interpolate

    if shares:
        rows = [{"share": share} | measure(interpolate(model, old, share)) for share in shares]
        (run / "interpolation.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    command_line.run(main)
