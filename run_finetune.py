"""Teach a trained model new people, and watch what becomes of those it knew.

accelerate launch run_finetune.py recipes/finetune_tiny.yaml --model runs/mine --weight_replay_finetune 0.125
"""

from functools import partial
from pathlib import Path

import command_line
from command_line import UserError, parse_settings
from data_builder.schedules import build_schedule
from data_builder.source import Source
from modeling.presets import PRESETS, check_length
from pipeline import Job, begin, check_place, execute, plan
from run_directory.layout import DATASET
from settings import FINETUNING, names
from settings.data import DataSettings
from settings.finetuning import FinetuneSettings


def main(argv: list[str]) -> None:
    """The old model and its people, whom to train on, stream; then all that every run does."""
    settings = parse_settings(FINETUNING, argv, __doc__, others=names(DataSettings))
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
    source = _people(found, finetune, run / DATASET if training.resume_from_checkpoint else None)
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
    from data_builder.fetch import find_people

    if resumed:
        return Source.load(resumed)
    if "n_individuals_finetune" in found.config:
        raise UserError(f"{settings.model} is fine-tuned already; start from the model that it was made from")
    source = find_people(found, settings.model, settings)
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
    from run_directory.layout import write_report

    if shares:
        rows = [{"share": share} | measure(interpolate(model, old, share)) for share in shares]
        write_report(run, "interpolation", rows)


if __name__ == "__main__":
    command_line.run(main)
