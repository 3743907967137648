"""Look into the checkpoints of a run with an instrument, write its report, and draw it."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import transformers
from tqdm import tqdm

from command_line import UserError
from data_builder.fetch import find_people
from data_builder.stages import groups_of_model
from data_builder.stream import BiographyStream
from evaluation.instruments import INSTRUMENTS, Asked, Instrument
from modeling.interventions import check_editable
from run_directory.layout import CHECKPOINT, is_run, report_file, write_report
from run_directory.models import FoundModel, find_model, find_record, find_step, saved_steps
from run_directory.records import read_report

_DIGITS = 5


@dataclass(frozen=True)
class Place:
    """What is looked into, and where it is written.

    Attributes:
        record: the run, for its config and people.
        steps: how to find its model at each step.
        folder: of the report and the figures; None if that must be said.
    """

    record: FoundModel
    steps: dict[int, Callable[[], FoundModel]]
    folder: Path | None


def look_into(command: str, name: str, steps: list[int] | None, folder: Path | None, asked: Asked) -> tuple[Path, dict]:
    """Measure what is not measured yet.

    Args:
        command: of INSTRUMENTS.
        name: a run directory, a checkpoint in one, or a Hub repository.
        steps: at which a run's model was saved; all of them if None.
        folder: of the report and the figures; the run's own if None.
        asked: who and what is looked at.

    Returns:
        The folder, and the report with everything that is measured by now.

    Raises:
        UserError: nothing there to look into, or a report of something else.
    """
    transformers.logging.set_verbosity_error()  # it warns of padding without a mask: see modeling/loss.py
    path = Path(name).resolve()
    is_checkpoint = path.name.startswith(CHECKPOINT) and (path.exists() or is_run(path.parent))
    place = _checkpoint(name, steps) if is_checkpoint else _run(name, steps)
    folder = folder or place.folder
    _check(name, place.record, folder)
    build, report_name = INSTRUMENTS[command]
    source = find_people(place.record, name)
    groups = groups_of_model(place.record.config, source.population.groups)
    asked.check(groups, source.population)
    model, tokenizer = next(iter(place.steps.values()))().load()
    check_editable(model)
    instrument = build(BiographyStream(source, tokenizer, None, seed=0), groups, model, asked)
    report = _report(folder, report_name, instrument)
    folder.mkdir(parents=True, exist_ok=True)
    for step, entry in _measured(place.steps, instrument, report["steps"], command):
        report["steps"] = dict(sorted((report["steps"] | {str(step): entry}).items(), key=lambda item: int(item[0])))
        write_report(folder, report_name, report, indent=None)
    print(f"report: {report_file(folder, report_name)}")
    return folder, report


def _checkpoint(name: str, steps: list[int] | None) -> Place:
    if steps:
        raise UserError(f"{name} is one checkpoint; leave out --steps, or name its run")
    found = find_model(name)
    step = found.path.name.removeprefix(CHECKPOINT)
    if not step.isdecimal():
        raise UserError(f"{name} does not say its step; name a checkpoint like {CHECKPOINT}500")
    return Place(found, {int(step): lambda: found}, found.path.parent)


def _run(name: str, steps: list[int] | None) -> Place:
    """A directory or a Hub repository; of the latter a revision is fetched when its turn comes."""
    record = find_record(name)
    saved, notices = saved_steps(name, record)
    for line in notices:
        print(line)
    if not saved and not steps:
        raise UserError(f"{name} holds no model and no checkpoint to look into")
    for step in steps or ():
        if step not in saved:
            find_step(name, step)  # says which there are, or what is damaged
    there = {step: partial(find_step, name, step) for step in steps or saved}
    return Place(record, there, Path(name) if Path(name).exists() else None)


def _check(name: str, record: FoundModel, folder: Path | None) -> None:
    if folder is None:
        raise UserError(f"{name} is on the Hub; say where its report is to be written: --output_dir figures/mine")
    if record.config.get("reference_patching") is not None or record.config.get("old_attention"):
        raise UserError(
            f"{name} was trained with the attention of another model, which is not saved in it; look into its reference"
        )


def _report(folder: Path, name: str, instrument: Instrument) -> dict:
    """What was measured before, if it was of the same; else an empty report."""
    fresh = json.loads(json.dumps({"settings": instrument.settings, "axes": instrument.axes} | instrument.notes))
    old = read_report(folder, name)
    if old is None:
        return fresh | {"steps": {}}
    for key in ("settings", "axes"):
        for item in fresh[key]:
            if old[key].get(item) != fresh[key][item]:
                raise UserError(
                    f"{report_file(folder, name)} was measured with {item} {old[key].get(item)}, now it is "
                    f"{fresh[key][item]}; name another folder with --output_dir, or delete it"
                )
    return fresh | {"steps": old["steps"]}


def _measured(steps: dict, instrument: Instrument, before: dict, command: str) -> Iterator[tuple[int, dict]]:
    """Steps with what is measured there, one after the other; those that were measured before, of the same weights, are
    left out.
    """
    form = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
    often = 0.2 if sys.stderr.isatty() else 10  # a log file needs fewer lines
    with tqdm(total=len(steps), desc=command, bar_format=form, mininterval=often) as bar:
        for number, (step, find) in enumerate(steps.items()):
            bar.set_description(f"{command}, step {step:,}", refresh=False)
            found = find()
            weights = found.facts()["base_model_sha256"]
            if before.get(str(step), {}).get("weights") != weights:
                measured = instrument.measure(found.load()[0].eval(), bar.update)
                yield step, {"weights": weights} | {key: _plain(value) for key, value in measured.items()}
            bar.update(number + 1 - bar.n)


def _plain(value):
    """For JSON: numbers, or lists of them, rounded; None for what is not there."""
    if isinstance(value, np.ndarray | list):
        return [_plain(part) for part in value]
    return None if np.isnan(value) else round(float(value), _DIGITS)
