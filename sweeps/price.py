"""What the runs of sweeps cost on a GPU, from their operations: before anything is bought, and without one at hand."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from analysis.statistics import markdown
from command_line import UserError
from data_builder.schedules import Plan, build_schedule
from settings import FINETUNING, PATCHING, PRETRAINING, names
from settings.data import DataSettings
from settings.finetuning import FinetuneTraining
from settings.model import ModelSettings
from settings.read import parse_settings
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings
from sweeps.launch import run_command
from sweeps.sweep import ROOT, Sweep, SweepRun, load_sweep

_TYPES = {"run_pretrain.py": PRETRAINING, "run_finetune.py": FINETUNING, "run_patching.py": PATCHING}
_BEGUN_WITH = {"run_finetune.py": "model", "run_patching.py": "reference"}
_FORWARD = 1 / 3  # of a training step, whose backward pass is twice a forward one
_SAMPLE = 256  # biographies that tell how long one is


@dataclass(frozen=True)
class Price:
    """Of a run: floating-point operations of its steps, and of its evaluations."""

    training: float
    evaluation: float


def print_prices(folders: Iterable[Path], teraflops: float) -> None:
    """A row for each sweep: runs, operations, and hours on a GPU that makes so many operations a second.

    Args:
        folders: of experiments.
        teraflops: 10^12 operations a second that training reaches, not those of a datasheet.

    Raises:
        UserError: a sweep that can't be read, or runs that begin with a run that no sweep beside it makes.
    """
    rows, total = [], Counter()
    for folder in folders:
        sweep = load_sweep(folder)
        made_by = makers(sweep)
        prices = [price(sweep, run, made_by) for run in sweep.runs]
        sums = {"runs": len(prices), "flop": sum(p.training for p in prices), "eval": sum(p.evaluation for p in prices)}
        total.update(sums)
        rows.append((str(folder), *_cells(sums, teraflops)))
    if len(rows) > 1:
        rows.append(("all", *_cells(total, teraflops)))
    print(markdown(("sweep", "runs", "PFLOP to train", "PFLOP to measure", f"hours at {teraflops:g} TFLOP/s"), rows))


def _cells(sums: dict, teraflops: float) -> tuple[str, ...]:
    hours = (sums["flop"] + sums["eval"]) / (teraflops * 1e12) / 3600
    return f"{sums['runs']:,}", f"{sums['flop'] / 1e15:,.0f}", f"{sums['eval'] / 1e15:,.0f}", f"{hours:,.1f}"


def makers(sweep: Sweep) -> dict[str, tuple[Sweep, SweepRun]]:
    """By its directory, each run that a sweep beside this one makes."""
    beside = [load_sweep(file.parent) for file in sorted(sweep.folder.parent.glob("*/sweep.yaml"))]
    return {os.path.normpath(run.directory): (other, run) for other in beside for run in other.runs}


def price(sweep: Sweep, run: SweepRun, made_by: dict[str, tuple[Sweep, SweepRun]]) -> Price:
    """What a run costs.

    Args:
        sweep, run: which.
        made_by: of `makers`; for a run that begins with another's model.

    Raises:
        UserError: nobody makes that other run.
    """
    script = Path(sweep.script).name
    types, words = _TYPES[script], run_command(sweep, run, run.directory, None)[2:]
    if script == "run_pretrain.py":
        settings = _parsed(types, words)
    else:
        others, begun_with = _parsed(types, words), run.settings[_BEGUN_WITH[script]]
        if (maker := made_by.get(os.path.normpath(begun_with))) is None:
            raise UserError(f"{run.name} begins with {begun_with}, which no sweep in {sweep.folder.parent} makes")
        settings = _parsed(PRETRAINING, run_command(*maker, maker[1].directory, None)[2:])
    data, model = (_of(settings, kind) for kind in (DataSettings, ModelSettings))
    training = _of(others, FinetuneTraining) if script == "run_finetune.py" else _of(settings, TrainingSettings)
    of_biography = _operations(model.preset, model.n_layer, model.n_embd, model.n_head, _lists(data))
    n_groups, n_evaluations = 3 if script == "run_finetune.py" else 2, len(training.evaluations())
    if training.eval_groups and script == "run_pretrain.py":
        plan = Plan(range(data.n_individuals), _of(settings, ScheduleSettings), training.max_steps)
        schedule = build_schedule(plan)
        n_groups, n_evaluations = n_groups + len(schedule.parts()), len(training.evaluations(schedule.turns()))
    measured = n_evaluations * n_groups * training.eval_individuals * of_biography * _FORWARD
    trained = training.last_step * training.batch_size(1) * of_biography
    if script == "run_patching.py":  # the reference reads each batch, too
        trained, measured = trained * (1 + _FORWARD), 2 * measured
    return Price(trained, measured)


def _parsed(types: tuple[type, ...], words: list[str]) -> tuple:
    recipe, *options = words
    return parse_settings(types, [str(ROOT / recipe), *options], "", others=names(DataSettings))


def _of(settings: tuple, kind: type):
    return next(one for one in settings if isinstance(one, kind))


def _lists(data: DataSettings) -> tuple:
    return data.values_dir, data.entries_per_list, data.names_per_list


@cache
def _operations(preset: str, n_layer: int | None, n_embd: int | None, n_head: int | None, lists: tuple) -> float:
    """Of training on one biography."""
    import torch
    from transformers import AutoModelForCausalLM

    from data_builder.schedules import Plan, Uniform
    from data_builder.source import Source
    from data_builder.stream import BiographyStream
    from data_builder.tokenizer import train_tokenizer
    from modeling.cost import cost
    from modeling.presets import build_config

    values_dir, entries, per_name = lists
    people = DataSettings(
        n_individuals=_SAMPLE,
        n_unseen=0,
        n_new=0,
        values_dir=values_dir,
        entries_per_list=entries,
        names_per_list=per_name,
    )
    source = Source.build(people)
    tokenizer = train_tokenizer(source.pieces())
    stream = BiographyStream(source, tokenizer, Uniform(Plan(source.population.groups["seen"])), seed=0)
    length = stream.batch(0, _SAMPLE)["attention_mask"].sum(1).float().mean().item()
    config = build_config(ModelSettings(preset=preset, n_layer=n_layer, n_embd=n_embd, n_head=n_head), tokenizer)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return cost(model, 1, 1, length, few_logits=False).flop
