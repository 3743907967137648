"""Pre-train a model on biographies and watch it come to know the people in them.

accelerate launch run_pretrain.py recipes/tiny.yaml --output_dir runs/mine --seed 3
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from command_line import parse_settings, run, setting
from data_builder.schedules import Plan, ScheduleSettings, build_schedule
from data_builder.source import DataSettings, Source
from hub_cards.settings import HubSettings
from modeling.presets import ModelSettings
from training.settings import TrainingSettings


@dataclass
class StreamSettings:
    """Which dataset, and how biographies are drawn from it."""

    dataset: str | None = setting(
        None, "a built dataset, directory or Hub repository; its people replace those of n_individuals etc."
    )
    dataset_name: str | None = setting(None, "which population of a Hub repository that holds several, e.g. 64k")
    dataset_revision: str | None = setting(None, "revision of the Hub repository")
    redraw_values: bool = setting(False, "control: new values in each biography, so that nobody can be known")


SETTINGS = (DataSettings, StreamSettings, ScheduleSettings, ModelSettings, HubSettings, TrainingSettings)


def main(argv: list[str]) -> None:
    """Data, stream, model, training, figure."""
    settings = parse_settings(SETTINGS, argv, __doc__)
    data, stream_settings, schedule, model_settings, hub, training = settings

    # After the arguments, so that --help and mistakes answer at once.
    from analysis.figures import draw_run
    from data_builder.tokenizer import train_tokenizer
    from evaluation.individuals import write_individuals
    from evaluation.probes import knowledge_measure
    from modeling.presets import build_model
    from training.loop import Training
    from training.run_directory import find_run
    from training.start import begin_run, check_settings

    check_settings(training)
    run, resume = find_run(training), bool(training.resume_from_checkpoint)
    dataset = run / "dataset" if resume else _dataset(stream_settings)
    source = Source.load(dataset) if dataset else Source.build(data)
    people = source.settings if stream_settings.dataset else data
    resolved = {key: value for item in (people, *settings[1:]) for key, value in asdict(item).items()}

    tokenizer = train_tokenizer(source.pieces())
    stream = _stream(source, tokenizer, schedule, training, stream_settings.redraw_values)
    model = build_model(model_settings, tokenizer, stream.tables.max_length, training.seed)
    measured = [group for group in ("seen", "unseen") if source.population.groups[group]]
    probes = {group: stream.probe(group, training.eval_individuals) for group in measured}
    measure = knowledge_measure(probes, source.word_lists.value_sizes)

    publisher = _publisher(run, hub)
    accelerator = begin_run(run, training, resolved)
    if accelerator.is_main_process and not resume:
        source.save(run / "dataset")
    _warn_of_the_never_drawn(stream, training, accelerator.print)
    hooks = {"saved": publisher.checkpoint_saved} if publisher else {}
    Training(accelerator, model, tokenizer, stream, measure, training, run, **hooks)()
    accelerator.end_training()
    if accelerator.is_main_process:
        with accelerator.autocast():
            write_individuals(run, model, probes["seen"], _times_drawn(stream, training))
        draw_run(run)
    if publisher:
        publisher.finish()


def _dataset(settings: StreamSettings) -> Path | None:
    if settings.dataset is None:
        return None
    from hub_cards.datasets import find_dataset

    return find_dataset(settings.dataset, settings.dataset_name, settings.dataset_revision)


def _stream(source: Source, tokenizer, schedule: ScheduleSettings, training: TrainingSettings, redraw_values: bool):
    """Seen people, as the schedule draws them."""
    from data_builder.stream import BiographyStream
    from evaluation.knowledge import no_knowledge_baseline
    from training.start import n_processes

    plan = Plan(
        source.population.groups["seen"],
        schedule,
        training.max_steps,
        training.batch_size(n_processes()),
        no_knowledge_baseline(source.word_lists.value_sizes),
    )
    return BiographyStream(source, tokenizer, build_schedule(plan), training.seed, redraw_values)


def _times_drawn(stream, training: TrainingSettings):
    return stream.times_drawn(training.max_steps, stream.schedule.plan.batch_size)


def _warn_of_the_never_drawn(stream, training: TrainingSettings, report) -> None:
    """Before the run: a schedule that reacts to training can't tell yet."""
    if stream.schedule.watching:
        return
    individuals = stream.schedule.plan.individuals
    n_never = int((_times_drawn(stream, training)[individuals.start : individuals.stop] == 0).sum())
    if n_never:
        report(
            f"warning: {n_never:,} of {len(individuals):,} individuals will never be drawn in these "
            f"{training.max_steps:,} steps of {stream.schedule.plan.batch_size}; train longer or change the schedule"
        )


def _publisher(run: Path, hub: HubSettings):
    """Checks now whether publishing will be possible; on the main process, before anything is written."""
    if not hub.push_to_hub or os.environ.get("RANK", "0") != "0":
        return None
    from hub_cards.background import BackgroundPublisher

    return BackgroundPublisher(run, hub)


if __name__ == "__main__":
    run(main)
