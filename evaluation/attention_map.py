# PYTHON_ARGCOMPLETE_OK
"""Draw to what a trained model attends in a biography, layer by layer and head by head.

python -m evaluation.attention_map runs/mine/checkpoint-500 --individual 3
"""

import argparse
from pathlib import Path

from command_line import UserError, complete, run
from data_builder.fetch import find_people
from data_builder.source import Source
from run_directory.layout import CHECKPOINT
from run_directory.models import find_model


def main(argv: list[str]) -> None:
    """One figure, named after run and person, of the beginning of a biography in wording held out for that person."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.attention_map", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="run directory, a checkpoint in one, or a Hub repository")
    parser.add_argument("--revision", help="revision of the Hub repository, e.g. step-000500")
    parser.add_argument("--individual", type=int, default=0, help="whose biography, by number in the population")
    parser.add_argument("--sentences", type=int, default=2, help="how many of its sentences")
    parser.add_argument("--output_dir", type=Path, default=Path("figures"), help="where the figure is written")
    arguments = complete(parser).parse_args(argv)
    file = _file(arguments)
    if file.exists():
        raise UserError(f"{file} exists already and is left as it is; choose another --output_dir")
    found = find_model(arguments.run, arguments.revision)
    source, (model, tokenizer) = find_people(found, arguments.run), found.load()
    _check(arguments, len(source.population), len(source.world.attributes))
    from analysis.drawing import save

    figure = attention_map(source, model, tokenizer, arguments.individual, arguments.sentences)
    file.parent.mkdir(parents=True, exist_ok=True)
    save(figure, file)
    print(f"figure: {file}")


def _file(arguments) -> Path:
    """`attention-<run>-<checkpoint>-<individual>.png`."""
    run = Path(arguments.run)
    *_, parent, name = run.resolve().parts if run.exists() else ("", "", *run.parts)
    model = [parent, name] if name.startswith(CHECKPOINT) else [name]
    words = [*model, *filter(None, [arguments.revision]), f"{arguments.individual}"]
    return arguments.output_dir / f"attention-{'-'.join(words)}.png"


def _check(arguments, n_individuals: int, n_sentences: int) -> None:
    for name, value, least, most in (
        ("individual", arguments.individual, 0, n_individuals - 1),
        ("sentences", arguments.sentences, 1, n_sentences),
    ):
        if not least <= value <= most:
            raise UserError(f"{name} is {value}; it must be from {least} to {most}")


def attention_map(source: Source, model, tokenizer, individual: int, n_sentences: int):
    """The figure, up to the value of the last of so many sentences.

    Raises:
        UserError: a model without attention.
    """
    from analysis.attention import heat_map
    from data_builder.stream import BiographyStream

    stream = BiographyStream(source, tokenizer, None, seed=0)
    return heat_map(*attention_in(stream, model, tokenizer, individual, n_sentences))


def attention_in(stream, model, tokenizer, individual: int, n_sentences: int) -> tuple:
    """Attention in the beginning of a biography, up to the value of the last of so many sentences.

    Returns:
        (layers, heads, tokens, tokens) probabilities; the tokens as texts; `text`, `name` or `value` of each.

    Raises:
        UserError: a model without attention.
    """
    import torch

    from modeling.patching import check_patchable, record

    check_patchable(model)
    biography = stream.probe("map", 1, range(individual, individual + 1))
    names, attributes = biography["name_ids"][0], biography["attribute_ids"][0]
    # Values end where an attribute is followed by another one or none.
    ends = ((attributes > 0) & (attributes != attributes.roll(-1))).nonzero().flatten()
    length = int(ends[n_sentences - 1]) + 1
    with torch.no_grad():
        _, attention = record(model, biography["input_ids"][:, :length])
    kinds = ["name" if name else "value" if value else "text" for name, value in zip(names, attributes, strict=True)]
    tokens = [tokenizer.decode([token]).removeprefix(" ") for token in biography["input_ids"][0, :length]]
    return attention[:, 0].numpy(), tokens, kinds[:length]


if __name__ == "__main__":
    run(main)
