# PYTHON_ARGCOMPLETE_OK
"""Tell what a trained model knows, and ask it about people it has read about, and about one it has not.

python -m evaluation runs/mine --people 3
"""

import argparse
import contextlib
from pathlib import Path

import numpy as np

from command_line import UserError, complete, run
from data_builder.biographies import Renderer
from data_builder.fetch import find_people
from data_builder.random import permute
from data_builder.source import Source
from data_builder.stages import groups_of_model
from run_directory.models import find_model
from run_directory.records import load_run


def main(argv: list[str]) -> None:
    """Load a run with stock transformers; print what is known by group, prompts, answers and the truth, its curve."""
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="run directory, a checkpoint in one, or a Hub repository")
    parser.add_argument("--people", type=int, default=3, help="how many of the people it has read about")
    arguments = complete(parser).parse_args(argv)
    found = find_model(arguments.run)
    if arguments.people < 0:
        raise UserError(f"people is {arguments.people}; it must be at least 0")
    source, (model, tokenizer) = find_people(found, arguments.run), found.load()
    groups = groups_of_model(found.config, source.population.groups)
    _tell_what_is_known(source, model, tokenizer, groups)
    for group, members in groups.items():
        number = min(1 if group == "unseen" else arguments.people, len(members))
        for index in permute(np.arange(number), len(members), 0, "asked"):
            _ask_about(source, model, tokenizer, members.start + int(index), group)
    _show_how_it_learned(found.path, arguments.run)


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
    from evaluation.questions import questions

    renderer = Renderer(source)
    print(f"\n{renderer.name(source.population.names[person])} ({_NOTES[group]})")
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
