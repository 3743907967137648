# PYTHON_ARGCOMPLETE_OK
"""Draw the learning curve of runs and find their phases, or compare runs.

python -m analysis runs/mine
python -m analysis compare runs/a runs/b runs/c --output_dir figures/mine
python -m analysis compare runs/a runs/b --labels "AdamW" "Muon" --x exposures --metric seen_entropy unseen_entropy
"""

import argparse
from pathlib import Path

from analysis.formats import add_format_option, also_as
from command_line import UserError, complete, run

# What is for a comparison alone, with what each is if not told.
_OF_COMPARE = {"output_dir": Path("figures"), "labels": [], "metric": [], "x": "steps"}


def main(argv: list[str]) -> None:
    """Each run's figure and phase boundaries, into its `figures/`; or all of them side by side."""

    arguments = complete(_parser()).parse_args(argv)
    with also_as(arguments.also):
        _compare(arguments) if arguments.runs[0] == "compare" else _draw(arguments)


def _parser() -> argparse.ArgumentParser:
    from analysis.curves import X_AXES

    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__, formatter_class=text)
    parser.add_argument("runs", nargs="+", metavar="[compare] run", help="run directories")
    add_format_option(parser)
    compare = parser.add_argument_group("compare")
    compare.add_argument("--output_dir", type=Path, help="where a comparison is written; figures if not told")
    compare.add_argument("--labels", nargs="+", help="names of the groups, in the order of their first runs; those of "
                         "their directories if not told")  # fmt: skip
    compare.add_argument("--metric", nargs="+", help="keys of metrics.jsonl, a panel for each; seen_attribute_loss and "
                         "seen_attribute_accuracy if not told")  # fmt: skip
    compare.add_argument("--x", choices=X_AXES, help="what they are drawn over; steps if not told")
    return parser


def _draw(arguments) -> None:
    from analysis.figures import draw_run

    if given := next((name for name in _OF_COMPARE if getattr(arguments, name) is not None), None):
        raise UserError(f"--{given} is for compare; a run's own figures go into its figures/: leave it out")
    for path in arguments.runs:
        draw_run(path)


def _compare(arguments) -> None:
    from analysis.compare import write_comparison
    from run_directory.records import load_run

    paths = arguments.runs[1:]
    if len(paths) < 2:
        raise UserError("compare needs at least two runs: python -m analysis compare runs/a runs/b")
    _check_different(paths)
    given = {name: getattr(arguments, name) for name in _OF_COMPARE}
    folder, labels, metrics, x = (_OF_COMPARE[name] if value is None else value for name, value in given.items())
    write_comparison([load_run(path) for path in paths], folder, metrics, x, labels)


def _check_different(paths: list[str]) -> None:
    """One run twice would count as two seeds that agree perfectly."""
    seen = set()
    for path in paths:
        if (place := Path(path).resolve()) in seen:
            raise UserError(f"{path} is given twice; name each run once")
        seen.add(place)


if __name__ == "__main__":
    run(main)
