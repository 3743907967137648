"""Ask a trained model about people it has read about, and about one it has not.

python -m evaluation runs/mine --people 3
"""

import argparse
from pathlib import Path

import numpy as np

from command_line import UserError, run
from data_builder.biographies import Renderer
from data_builder.random import permute, uniforms
from data_builder.source import Source
from data_builder.word_lists import ATTRIBUTES

# Enough for the longest value of the word lists.
_ANSWER_TOKENS = 10


def main(argv: list[str]) -> None:
    """Load a run with stock transformers; print prompts, answers and the truth."""
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--people", type=int, default=3, help="how many of the people it has read about")
    arguments = parser.parse_args(argv)
    source = Source.load(arguments.run / "dataset")
    model, tokenizer = _load(arguments.run)
    for group, number in (("seen", arguments.people), ("unseen", 1)):
        members = source.population.groups[group]
        for index in permute(np.arange(min(number, len(members))), len(members), 0, "asked"):
            _ask_about(source, model, tokenizer, members.start + int(index), group)


def _load(path: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer, logging

    logging.disable_progress_bar()
    if not (path / "model.safetensors").exists():
        raise UserError(f"{path} has no final model yet; its checkpoints can be loaded one by one")
    return AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)


def _ask_about(source: Source, model, tokenizer, person: int, group: str) -> None:
    """Print one question for each attribute, in wording this person was never trained on."""
    population, renderer = source.population, Renderer(source)
    name = renderer.name(population.names[person])
    note = "in the training data" if group == "seen" else "NOT in the training data: any answer is made up"
    print(f"\n{name} ({note})")
    draws = uniforms(0, "questions", (1, 2 * len(ATTRIBUTES)), step=person)
    wording = population.draw_wording(np.array([person]), draws, heldout=True)
    for attribute, template in enumerate(wording.templates[0]):
        sentence = renderer.templates[attribute][template]
        prompt = f"{sentence.head} {name}{sentence.middle}".lstrip()
        values = renderer.values[attribute]
        answer, truth = _answer(model, tokenizer, prompt, values), values[population.values[person, attribute]]
        print(f"  {'right' if answer == truth else 'WRONG'}  {prompt} [{answer}]", end="")
        print("" if answer == truth else f"   truth: {truth}")


def _answer(model, tokenizer, prompt: str, values: list[str]) -> str:
    """The value that the model's greedy continuation begins with, or the continuation if it is none."""
    inputs = tokenizer(prompt, return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens=_ANSWER_TOKENS, do_sample=False)
    text = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return max((value for value in values if text.startswith(value)), key=len, default=text)


if __name__ == "__main__":
    run(main)
