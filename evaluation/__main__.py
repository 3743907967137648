# PYTHON_ARGCOMPLETE_OK
"""Tell what a trained model knows, and ask it about people it has read about, and about one it has not.

Or look into it: with a probe, by exchanging its states, or by cutting its attention.

python -m evaluation runs/mine --people 3
python -m evaluation probe runs/mine                  # where and when facts can be read off the residual stream
python -m evaluation trace runs/mine/checkpoint-500   # which states carry them
python -m evaluation knockout runs/mine               # which attention they need
python -m evaluation gradients runs/mine              # which tokens errors reach
"""

import argparse
import contextlib
from pathlib import Path

import numpy as np

from analysis.formats import add_format_option, also_as
from command_line import UserError, complete, run
from data_builder.biographies import Renderer
from data_builder.fetch import find_people
from data_builder.random import permute
from data_builder.source import Source
from data_builder.stages import groups_of_model
from run_directory.models import find_model
from run_directory.records import load_run

_COMMANDS = ("probe", "trace", "knockout", "gradients")
_LOOKING = ("steps", "output_dir", "group", "individuals")
# Which command has which options; without one, it is --people alone.
_OPTIONS = {
    None: ("people",),
    "probe": _LOOKING,
    "trace": (*_LOOKING, "individual", "layers", "window", "components", "positions"),
    "knockout": (*_LOOKING, "individual", "layers", "window", "cuts"),
    "gradients": (*_LOOKING, "individual"),
}


def main(argv: list[str]) -> None:
    """What is known by group, prompts, answers and the truth, and the learning curve; or an instrument's report."""
    arguments = complete(_parser()).parse_intermixed_args(argv)
    command = arguments.run[0] if arguments.run[0] in _COMMANDS else None
    _check(arguments, command)
    if command:
        with also_as(arguments.also):
            _look_into(arguments, command)
    else:
        _tell(arguments.run[0], 3 if arguments.people is None else arguments.people)


def _parser() -> argparse.ArgumentParser:
    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__, formatter_class=text)
    where = "run directory, a checkpoint in one, or a Hub repository"
    parser.add_argument("run", nargs="+", metavar="[probe|trace|knockout|gradients] run", help=where)
    parser.add_argument("--people", type=int, help="how many of the people it has read about are asked; 3 if not told")
    every = parser.add_argument_group("probe, trace, knockout, gradients")
    every.add_argument("--steps", type=int, nargs="+", help="checkpoints of a run; all of them if not told")
    every.add_argument("--group", help="who is looked at: seen (if not told), unseen, or whom a fine-tuning teaches")
    every.add_argument("--individuals", type=int, help="how many of them; 1024, 32, 128 or 128 if not told")
    every.add_argument("--output_dir", type=Path, help="of report and figures; the run and its figures/ if not told")
    add_format_option(every)
    some = parser.add_argument_group("trace, knockout")
    some.add_argument("--individual", type=int, nargs="+", help="who is looked at, by numbers in the population; also "
                      "of gradients")  # fmt: skip
    some.add_argument("--layers", type=int, nargs="+", help="1, 2, ...; in the residual stream 0 is the embeddings")
    some.add_argument("--window", type=int, help="layers that are edited together, from each one on; 1 if not told")
    trace = parser.add_argument_group("trace")
    trace.add_argument("--components", nargs="+", help="of residual, attention, feed_forward")
    trace.add_argument("--positions", nargs="+", help="of before_name, first_name, middle_name, last_name, after_name, "
                       "further, before_value")  # fmt: skip
    knockout = parser.add_argument_group("knockout")
    knockout.add_argument(
        "--cuts", nargs="+", help="who must not attend to whom: before_value:name last_name:first_name"
    )
    return parser


def _check(arguments, command: str | None) -> None:
    """Raise UserError if there are options of another command, or too many or too few runs."""
    for option in {name for options in _OPTIONS.values() for name in options} - {*_OPTIONS[command]}:
        if getattr(arguments, option) is not None:
            of = ", ".join(name or "asking without a command" for name, names in _OPTIONS.items() if option in names)
            raise UserError(f"--{option} is for {of}; leave it out")
    if len(arguments.run) != (2 if command else 1):
        many = " ".join(arguments.run)
        raise UserError(f"name one run, after one of {', '.join(_COMMANDS)} or alone, not: {many}")


def _look_into(arguments, command: str) -> None:
    from analysis.mechanism import draw_report
    from analysis.readings import readings
    from evaluation.instruments import INSTRUMENTS, Asked
    from evaluation.mechanism import look_into

    given = {name: getattr(arguments, name) for name in vars(Asked()) if getattr(arguments, name) is not None}
    folder, report = look_into(command, arguments.run[1], arguments.steps, arguments.output_dir, Asked(**given))
    print(f"figures: {draw_report(INSTRUMENTS[command][1], folder, report)}")
    if command == "probe":
        print(f"\n{readings(report)}")


def _tell(name: str, n_people: int) -> None:
    found = find_model(name)
    if n_people < 0:
        raise UserError(f"people is {n_people}; it must be at least 0")
    source, (model, tokenizer) = find_people(found, name), found.load()
    groups = groups_of_model(found.config, source.population.groups)
    _tell_what_is_known(source, model, tokenizer, groups)
    for group, members in groups.items():
        number = min(1 if group == "unseen" else n_people, len(members))
        for index in permute(np.arange(number), len(members), 0, "asked"):
            _ask_about(source, model, tokenizer, members.start + int(index), group)
    _show_how_it_learned(found.path, name)


_MEASURED = 1024  # of each group, at most
_NOTES = {
    "seen": "in the training data",
    "new": "in the data of fine-tuning",
    "rare": "in the training data, and in the data of fine-tuning",
    "unseen": "NOT in the training data: any answer is made up",
}


def _tell_what_is_known(source: Source, model, tokenizer, groups: dict[str, range]) -> None:
    """Print attribute accuracy, on a biography of each person, and the same by the place of its sentences."""
    import transformers

    from analysis.places import accuracy_by_place
    from data_builder.stream import BiographyStream
    from evaluation.individuals import right_by_place
    from evaluation.probes import probe_predictions

    transformers.logging.set_verbosity_error()  # it warns of padding without a mask: see modeling/loss.py
    stream = BiographyStream(source, tokenizer, None, seed=0)
    for group, members in ((group, members) for group, members in groups.items() if members):
        right = right_by_place(probe_predictions(model, stream.probe(group, _MEASURED, members)))
        who = f"{len(right):,} of {len(members):,} people"
        print(f"{group} people, held-out wording: accuracy {right.mean():.1%} ({who})")
        print(accuracy_by_place(right))


def _show_how_it_learned(path: Path, called: str) -> None:
    """Print the learning curve of a run (checkpoints and repositories may lack its record), and what to do next."""
    from analysis.phases import phases_of
    from analysis.terminal import picture

    with contextlib.suppress(UserError):
        recorded = load_run(path)
        print(f"\n{picture(recorded, phases_of(recorded) if recorded.has_phases else None)}")
        print(f"\nnext: python -m explorer {called}    its checkpoints, people and attention in a browser")


def _ask_about(source: Source, model, tokenizer, person: int, group: str) -> None:
    """Print one question for each attribute, in wording this person was never trained on."""
    from data_builder.questions import questions

    renderer = Renderer(source)
    note = _NOTES.get(group, "in the data of an earlier fine-tuning")
    print(f"\n{renderer.name(source.population.names[person])} ({note})")
    for question, values in zip(questions(source, renderer, person), renderer.values, strict=True):
        answer = _answer(model, tokenizer, question.prompt, values)
        right = answer == question.truth
        print(f"  {'right' if right else 'WRONG'}  {question.prompt} [{answer}]", end="")
        print("" if right else f"   truth: {question.truth}")


def _answer(model, tokenizer, prompt: str, values: list[str]) -> str:
    """The value that the model's greedy continuation begins with, or the continuation if it is none."""
    inputs = tokenizer(prompt, return_tensors="pt")
    longest = max(map(len, tokenizer(values).input_ids))
    output = model.generate(**inputs, max_new_tokens=longest, do_sample=False)
    text = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).lstrip()
    return max((value for value in values if text.startswith(value)), key=len, default=text)


if __name__ == "__main__":
    run(main)
