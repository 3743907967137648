"""What every training script does once its people, stream and model are there: train, measure, record, share."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from command_line import UserError
from data_builder.schedules import Plan
from run_directory.layout import DATASET
from settings.hub import HubSettings
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings


@dataclass
class Job:
    """A run that is ready to begin.

    Attributes:
        run: its directory, as `find_run` gave it.
        settings: all dataclasses of settings, for config.yaml.
        source: who exists.
        stream: the batches.
        tokenizer, model: as trained and saved.
        groups: whom to measure, by the name of the group.
        training, hub: how to train and what to publish.
        facts: what the run is made from beside settings, for config.yaml; a resumed run must have the same.
        options: further arguments of `Training`.
        finished: called on the main process with `measure`, when the last step is done.
        measured: gives what is measured in place of the model.
    """

    run: Path
    settings: list
    source: object
    stream: object
    tokenizer: object
    model: object
    groups: dict[str, range]
    training: TrainingSettings
    hub: HubSettings
    facts: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    finished: Callable[[Callable], None] = lambda measure: None
    measured: Callable[[object], object] = lambda model: model


def begin(training: TrainingSettings) -> Path:
    """The run's directory, after all checks that need nothing but settings.

    Raises:
        UserError: settings that can't be, or something is there that would be lost.
    """
    from run_directory.layout import find_run

    training.check()
    return find_run(training)


def check_place(run: Path, *needed: str | Path) -> None:
    """Nothing that a run is made from lies where it will be written: `overwrite_output_dir` would delete it."""
    for path in map(Path, needed):
        if run.resolve() in (path.resolve(), *path.resolve().parents):
            raise UserError(f"{path} lies in {run}, where this run would be written; choose another --output_dir")


def plan(source, schedule: ScheduleSettings, training: TrainingSettings, individuals: range, old: range = range(0)):
    """What a schedule may know of a run: who may be drawn, and in fine-tuning who was learned before."""
    from evaluation.knowledge import no_knowledge_baseline
    from training.start import n_processes

    baseline = no_knowledge_baseline([*source.word_lists.value_sizes.values()])
    return Plan(individuals, schedule, training.max_steps, training.batch_size(n_processes()), baseline, old)


def execute(job: Job) -> None:
    """Train and measure; then individuals, hallucination and figures; publish on the way."""
    from training.loop import Training
    from training.start import begin_run

    training = job.training
    probes = {g: job.stream.probe(g, training.eval_individuals, people) for g, people in job.groups.items() if people}
    measure = _measure(job, probes)
    publisher = _publisher(job.run, job.hub)
    accelerator = begin_run(job.run, training, job.settings, job.facts)
    if accelerator.is_main_process and not training.resume_from_checkpoint:
        job.source.save(job.run / DATASET)
    _warn_of_the_never_drawn(job, accelerator.print)
    hooks = {"saved": publisher.checkpoint_saved} if publisher else {}
    Training(accelerator, job.model, job.tokenizer, job.stream, measure, training, job.run, **hooks, **job.options)()
    if accelerator.is_main_process:
        with accelerator.autocast():
            job.finished(measure)
            _write_reports(job, probes)
    accelerator.end_training()
    if publisher:
        publisher.finish()


def _measure(job: Job, probes: dict) -> Callable:
    """What is called with a model at each evaluation."""
    from evaluation.measure import run_measure

    measure = run_measure(probes, job.source.word_lists.value_sizes, job.training.attention_individuals)
    return lambda model: measure(job.measured(model))


def _write_reports(job: Job, probes: dict) -> None:
    """Reports at the end: hallucination.json where there are unseen people, ablation.json where there is attention,
    the figures, and at last individuals.json.
    """
    from analysis.figures import draw_run
    from evaluation.ablation import write_ablation
    from evaluation.hallucination import hallucination_report, write_hallucination
    from evaluation.individuals import write_individuals
    from modeling.patching import has_attention

    model = job.measured(job.model)
    if "unseen" in probes:
        begin = time.perf_counter()
        report = hallucination_report(model, probes, job.source, job.stream.tables)
        write_hallucination(job.run, report | {"seconds": time.perf_counter() - begin})
    if has_attention(model):
        write_ablation(job.run, model, probes["seen"])
    draw_run(job.run)
    write_individuals(job.run, model, probes["seen"], _times_drawn(job))


def _times_drawn(job: Job):
    return job.stream.times_drawn(job.training.last_step, job.stream.schedule.plan.batch_size)


def _warn_of_the_never_drawn(job: Job, report) -> None:
    """Before the run: a schedule that reacts to training can't tell yet."""
    if job.stream.schedule.watching:
        return
    individuals = job.stream.schedule.plan.individuals
    n_never = int((_times_drawn(job)[individuals.start : individuals.stop] == 0).sum())
    if n_never:
        report(
            f"warning: {n_never:,} of {len(individuals):,} individuals will never be drawn in these "
            f"{job.training.last_step:,} steps of {job.stream.schedule.plan.batch_size}; train longer or change the "
            "schedule"
        )


def _publisher(run: Path, hub: HubSettings):
    """Checks now whether publishing will be possible; on the main process, before anything is written."""
    if not hub.push_to_hub or os.environ.get("RANK", "0") != "0":
        return None
    from hub_cards.background import BackgroundPublisher

    return BackgroundPublisher(run, hub)
