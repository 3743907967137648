# PYTHON_ARGCOMPLETE_OK
"""Pre-train a model on biographies and watch it come to know the people in them.

python run_pretrain.py recipes/tiny.yaml --output_dir runs/mine --seed 3
"""

from command_line import run
from data_builder.population import groups_of_run
from data_builder.schedules import build_schedule
from data_builder.source import Source
from pipeline import begin, check_dataset, execute, plan, read_settings
from run_directory.layout import DATASET
from settings import PRETRAINING, names
from settings.data import DataSettings
from settings.read import check_not_given, say_unused
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings


def main(argv: list[str]) -> None:
    """People, tokenizer, stream and model; then all that every run does."""
    settings = read_settings(PRETRAINING, argv, __doc__)
    data, stream_settings, schedule, model_settings, hub, training = settings
    if stream_settings.dataset:
        check_not_given(argv, names(DataSettings), f"the people are those of --dataset {stream_settings.dataset}")
    check_dataset(argv, stream_settings)
    run = begin(training)

    # After the arguments, so that --help and mistakes answer at once.
    from data_builder.fetch import find_dataset
    from data_builder.tokenizer import train_tokenizer
    from modeling.presets import build_model

    dataset = run / DATASET if training.resume_from_checkpoint else None
    if stream_settings.dataset and not dataset:
        dataset = find_dataset(stream_settings.dataset, stream_settings.dataset_name, stream_settings.dataset_revision)
    source = Source.load(dataset) if dataset else Source.build(data)
    people = source.settings if stream_settings.dataset else data
    if stream_settings.dataset and not training.resume_from_checkpoint:
        say_unused(data, people, f"the people are those of --dataset {stream_settings.dataset}")
    tokenizer = train_tokenizer(source.pieces())
    stream = build_stream(source, tokenizer, schedule, training, stream_settings.redraw_values)
    model = build_model(model_settings, tokenizer, stream.tables.max_length, training.seed, stream.tables.longest)
    groups = groups_of_run(source.population.groups)
    execute(
        run=run, settings=[people, *settings[1:]], source=source, stream=stream, tokenizer=tokenizer, model=model,
        groups=groups, training=training, hub=hub,
    )  # fmt: skip


def build_stream(
    source: Source, tokenizer, schedule: ScheduleSettings, training: TrainingSettings, redraw_values: bool
):
    """Seen people, as the schedule draws them."""
    from data_builder.stream import BiographyStream

    drawn = build_schedule(plan(source, schedule, training, source.population.groups["seen"]))
    return BiographyStream(source, tokenizer, drawn, training.seed, redraw_values)


if __name__ == "__main__":
    run(main)
