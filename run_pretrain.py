# PYTHON_ARGCOMPLETE_OK
"""Pre-train a model on biographies and watch it come to know the people in them.

python run_pretrain.py recipes/tiny.yaml --output_dir runs/mine --seed 3
"""

from functools import partial

from command_line import UserError, run
from data_builder.population import groups_of_run
from data_builder.source import Source
from pipeline import begin, check_dataset, check_place, execute, plan, read_settings
from run_directory.layout import DATASET
from settings import PRETRAINING, names
from settings.data import DataSettings, StreamSettings
from settings.read import check_not_given, say_unused
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings

SIZES = ("preset", "n_layer", "n_head", "n_embd")
WHO = ("n_individuals", "n_unseen", "n_new", "entries_per_list", "names_per_list")


def main(argv: list[str]) -> None:
    """People, tokenizer, stream and model; then all that every run does."""
    settings = read_settings(PRETRAINING, argv, __doc__)
    data, stream_settings, schedule, model_settings, hub, training = settings
    if stream_settings.dataset:
        check_not_given(argv, names(DataSettings), f"the people are those of --dataset {stream_settings.dataset}")
    check_dataset(argv, stream_settings)
    if model_settings.init_from:
        check_not_given(argv, SIZES, f"the model is {model_settings.init_from}")
    if data.facts:
        check_not_given(argv, WHO, f"the rows of {data.facts} are all there is")
    run = begin(training)

    # After the arguments, so that --help and mistakes answer at once.
    from data_builder.fetch import find_dataset
    from data_builder.streams import train_own_tokenizer
    from modeling.foreign import check_model
    from modeling.presets import build_model, check_length
    from run_directory.models import find_model

    dataset = run / DATASET if training.resume_from_checkpoint else None
    if stream_settings.dataset and not dataset:
        dataset = find_dataset(stream_settings.dataset, stream_settings.dataset_name, stream_settings.dataset_revision)
    source = Source.load(dataset) if dataset else Source.build(data)
    people = source.settings if stream_settings.dataset else data
    if stream_settings.dataset and not training.resume_from_checkpoint:
        say_unused(data, people, f"the people are those of --dataset {stream_settings.dataset}")
    found = find_model(model_settings.init_from) if model_settings.init_from else None
    if found:
        check_place(run, found.path)
        model, tokenizer = found.load()
        check_model(model)
    else:
        tokenizer = train_own_tokenizer(source, stream_settings)
    stream = build_stream(source, tokenizer, schedule, training, stream_settings)
    if found:
        check_length(stream.tables.max_length, model.config, stream.tables.longest)
    else:
        tables, seed = stream.tables, training.seed_of_model
        model = build_model(model_settings, tokenizer, tables.max_length, seed, tables.longest)
    groups = groups_of_run(source.population.groups)
    execute(
        run=run, settings=[people, *settings[1:]], source=source, stream=stream, tokenizer=tokenizer, model=model,
        groups=groups, training=training, hub=hub, facts=found and found.facts(),
        **_objective(model, stream, model_settings.name_gain),
    )  # fmt: skip


def _objective(model, stream, name_gain: float) -> dict:
    """The loss, if it is another than every run's."""
    if name_gain == 1:
        return {}
    import torch

    from modeling.gain import AmplifyingLoss
    from modeling.interventions import check_editable

    check_editable(model)
    own = stream.tables.name_tokens()
    if not len(own):
        raise UserError("name_gain: every token of the names is part of other words, too; leave it out")
    tokens = torch.zeros(model.config.vocab_size, dtype=torch.bool)
    tokens[own] = True
    return {"objective": partial(AmplifyingLoss, tokens=tokens, factor=name_gain)}


def build_stream(
    source: Source, tokenizer, schedule: ScheduleSettings, training: TrainingSettings, told: StreamSettings
):
    """Seen people, as the schedule draws them."""
    from data_builder import streams

    known = plan(source, schedule, training, source.population.groups["seen"])
    return streams.build_stream(source, tokenizer, known, training.seed_of_data, **told.told())


if __name__ == "__main__":
    run(main)
