"""What every training script does once its people, stream and model are there: train, measure, record, share."""

import math
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from command_line import UserError, is_first_process
from data_builder.schedules import SCHEDULES, Plan
from data_builder.source import Source
from run_directory.layout import DATASET, REPORTS, report_file, write_report
from run_directory.states import delete_automatic
from run_directory.writing import find_run, writer
from settings.data import DatasetSettings
from settings.hub import HubSettings
from settings.launcher import check_launched, launched
from settings.read import check_not_given, parse_settings
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings

# A biography has more tokens than this, a token of a batch three integers.
_SHORTEST, _TOKEN = 32, 24
# The first one only where figures are drawn.
_NEEDED_LAST = (
    "analysis.figures", "analysis.summary", "evaluation.ablation", "evaluation.hallucination", "evaluation.individuals",
)  # fmt: skip


def read_settings(
    types: tuple[type, ...], argv: list[str], description: str, base: dict | None = None, **others
) -> tuple:
    """As `parse_settings`, after what accelerate's launcher was told; `--help` and completion know the tables that
    everyone may add to.

    Raises:
        UserError: a setting that can't be read, or contradicts the launcher; a file that hides a part of this program.
    """
    _check_nothing_hidden()
    from modeling.presets import PRESETS
    from training.optimizers import DECAYS, OPTIMIZERS

    tables = {"schedule": SCHEDULES, "preset": PRESETS, "optim": OPTIMIZERS, "lr_scheduler_type": DECAYS}
    told = launched()
    settings = parse_settings(types, argv, description, names=tables, base=told | (base or {}), **others)
    check_launched(told, next(one for one in settings if isinstance(one, TrainingSettings)))
    return settings


def _check_nothing_hidden() -> None:
    # All these are imported later, some after the last step; a user's own analysis.py must not come in between.
    for room in ("analysis", "evaluation", "hub_cards", "modeling", "training"):
        place = find_spec(room).origin
        if place != str(Path(__file__).with_name(room) / "__init__.py"):
            raise UserError(f"{place} hides this program's own `{room}`; rename it, or start in another directory")


def begin(training: TrainingSettings) -> Path:
    """The run's directory, after all checks that need nothing but settings.

    Raises:
        UserError: settings that can't be, or something is there that would be lost.
    """
    from modeling.cost import check_fits, memory
    from training.optimizers import check_names
    from training.start import n_processes

    training.check()
    check_names(training)
    n = training.batch_size(n_processes())
    check_fits(f"a batch of {n:,} biographies", n * _SHORTEST * _TOKEN, memory())
    return find_run(training)


def check_dataset(argv: list[str], settings: DatasetSettings) -> None:
    """No option chooses in a repository on the Hub where the people are not from one."""
    if not settings.dataset or Path(settings.dataset).exists():
        here = f"{settings.dataset} is a directory" if settings.dataset else "there is no --dataset"
        check_not_given(argv, ("dataset_name", "dataset_revision"), here)


def check_place(run: Path, *needed: str | Path) -> None:
    """Nothing that a run is made from lies where it will be written: `overwrite_output_dir` would delete it."""
    for path in map(Path, needed):
        if run.resolve() in (path.resolve(), *path.resolve().parents):
            raise UserError(f"{path} lies in {run}, where this run would be written; choose another --output_dir")


def plan(source, schedule: ScheduleSettings, training: TrainingSettings, individuals: range, old: tuple = ()):
    """What a schedule may know of a run: who may be drawn, and in fine-tuning who was learned before."""
    from evaluation.knowledge import no_knowledge_baseline
    from training.start import n_processes

    baseline = no_knowledge_baseline([*source.word_lists.value_sizes.values()])
    return Plan(individuals, schedule, training.max_steps, training.batch_size(n_processes()), baseline, old)


def _asked_as(group: str, people: range, seen: range) -> str:
    """The name that decides about sample and wording: of an earlier stage, that of the group which it was then."""
    return group if not group.startswith("stage") else "rare" if people and people.start in seen else "new"


def _parts(stream, training: TrainingSettings) -> list[tuple[str, range]]:
    """Groups of the schedule, if they are to be measured apart.

    Raises:
        UserError: it has none.
    """
    schedule = stream.schedule
    if training.eval_groups and not schedule.parts():
        name = schedule.plan.settings.schedule
        raise UserError(f"schedule {name} has no groups that could be measured apart; leave out --eval_groups")
    return list(schedule.parts().items()) if training.eval_groups else []


def execute(*, run: Path, training: TrainingSettings, **others) -> None:
    """Train and measure; then individuals, hallucination and figures; publish on the way. See `_execute`.

    Raises:
        UserError: another process writes this run, or has begun it since `begin` looked.
        Stopped: a signal asked for it.
    """
    if not is_first_process():
        return _execute(run=run, training=training, **others)
    with writer(run):
        find_run(training)
        _execute(run=run, training=training, **others)


def _execute(
    *, run: Path, settings: list, source: Source, stream, tokenizer, model, groups: dict[str, range],
    training: TrainingSettings, hub: HubSettings, facts: dict | None = None, finished: Callable | None = None,
    measured: Callable = lambda model: model, old: Callable = lambda model: {},
    begun: Callable = lambda accelerator: None, **options,
) -> None:  # fmt: skip
    """All of a run, in a directory that is this process's alone.

    Args:
        run: its directory, as `begin` gave it.
        settings: all dataclasses of settings, for config.yaml.
        source: who exists.
        stream: the batches.
        tokenizer, model: as trained and saved.
        groups: whom to measure, by the name of the group.
        training, hub: how to train and what to publish.
        facts: what the run is made from beside settings, for config.yaml; a resumed run must have the same.
        finished: called with `measure`, when the last step is done; gives further reports by their names. A model is
            measured as it is by `measure(model, as_it_is=True)`.
        measured: gives what is measured in place of the model.
        old: measures what the model knew before, of `evaluation.old_knowledge`.
        begun: called with accelerate's `Accelerator` when the run's directory is there, before its first step.
        options: further arguments of `train`.
    """
    from evaluation.measure import run_measure
    from evaluation.sharing import shared_map
    from training.loop import train
    from training.start import begin_run, say_what_it_takes, start_accelerate

    # What the end needs is imported before the first step, too: whatever is missing is missed at once.
    for module in _NEEDED_LAST[not training.draw_figures :]:
        import_module(module)
    asked_as = {group: _asked_as(group, people, source.population.groups["seen"]) for group, people in groups.items()}
    probes = {g: stream.probe(asked_as[g], training.eval_individuals, people) for g, people in groups.items() if people}
    lists = source.word_lists
    # Where nothing stands before a text, nothing predicts a name that begins it.
    n_names = math.prod(lists.name_sizes) if stream.tables.lengths[0] else None
    n_learned = {group: len(groups[group]) for group in probes if group != "unseen"}
    parts = [(group, people) for group, people in _parts(stream, training) if people]
    apart = {group: stream.probe(group, training.eval_individuals, people) for group, people in parts}
    apart |= stream.further_probes(training.eval_individuals)
    if stream.unknown_token is not None and training.template_weight != 1:
        raise UserError(
            f"share_unknown with template_weight {training.template_weight:g}: `unknown`, no value of anybody, would "
            "weigh as little as a template; leave out one of them"
        )
    n_looked_at = training.attention_individuals
    options_of_measure = (n_looked_at, n_names, n_learned, shared_map, stream.unknown_token)
    measure_model = run_measure(probes | apart, lists.value_sizes, *options_of_measure)

    def measure(model, as_it_is: bool = False) -> dict[str, float]:
        return measure_model(model if as_it_is else measured(model)) | old(model)

    if training.gradient_checkpointing:
        from modeling.recompute import recompute_activations

        recompute_activations(model)
    publisher = None
    if hub.push_to_hub and is_first_process():
        from hub_cards.background import BackgroundPublisher

        # Checks whether it will be possible, before anything is written.
        publisher = BackgroundPublisher(run, hub, len(source.added))
        options["saved"] = publisher.checkpoint_saved
    accelerator = start_accelerate(run, training)
    if hub.hub_model_id and not hub.push_to_hub:
        accelerator.print("note: nothing is published without --push_to_hub")
    if not training.resume_from_checkpoint:
        say_what_it_takes(accelerator, model, stream, training)
    begin_run(accelerator, run, training, settings, facts)
    if accelerator.is_main_process and not training.resume_from_checkpoint:
        source.save(run / DATASET)
    begun(accelerator)
    who, size, n_steps = stream.schedule.plan.individuals, stream.schedule.plan.batch_size, training.last_step
    n_never = 0  # a schedule that reacts to training can't tell yet
    if not stream.schedule.watching:
        n_never = int((stream.times_drawn(n_steps, size)[who.start : who.stop] == 0).sum())
    if n_never:
        accelerator.print(
            f"warning: {n_never:,} of {len(who):,} individuals will never be drawn in these {n_steps:,} steps of "
            f"{size}; train longer or change the schedule"
        )
    train(accelerator, model, tokenizer, stream, measure, training, run, **options)
    more = partial(finished, measure) if finished else dict
    _report(accelerator, run, training, measured(model), probes, source, stream, more)
    accelerator.end_training()
    if publisher:
        publisher.finish()


def _report(
    accelerator, run: Path, training: TrainingSettings, model, probes: dict, source: Source, stream, more: Callable
) -> None:
    """All that is measured once, at the end; by all processes, and written by one.

    Args:
        more: gives further reports by their names.
    """
    from analysis.summary import summarize
    from evaluation.ablation import ablate_names, write_ablation
    from evaluation.hallucination import hallucination_report, write_hallucination
    from evaluation.individuals import individual_knowledge, write_individuals
    from evaluation.sharing import shared_map
    from modeling.families import family_of
    from run_directory.records import load_run

    if accelerator.is_main_process:
        for name in REPORTS:  # of an earlier end; damaged, they would be in the way of their being made again
            report_file(run, name).unlink(missing_ok=True)
    hallucination = ablation = None
    with accelerator.autocast():
        further, since = more(), time.perf_counter()
        if "unseen" in probes:
            hallucination = hallucination_report(model, probes, source, stream.tables, shared_map)
            hallucination["seconds"] = time.perf_counter() - since
        if family_of(model.config).attention:
            ablation = ablate_names(model, probes["seen"], shared_map)
        known = individual_knowledge(model, probes["seen"], shared_map)
    if not accelerator.is_main_process:
        return
    for name, content in further.items():
        write_report(run, name, content)
    if hallucination:
        write_hallucination(run, hallucination)
    if ablation:
        write_ablation(run, ablation)
    if training.draw_figures:
        from analysis.figures import draw_run

        draw_run(run)
    else:
        summarize(load_run(run))
    # At last: it tells that a run has come to its end.
    times_drawn = stream.times_drawn(training.last_step, stream.schedule.plan.batch_size)
    write_individuals(run, known, times_drawn)
    delete_automatic(run)
