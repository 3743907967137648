# PYTHON_ARGCOMPLETE_OK
"""Draw the learning curve of runs and find their phases, or compare runs.

python -m analysis runs/mine
python -m analysis compare runs/a runs/b runs/c --output_dir figures/mine
"""

import argparse
from pathlib import Path

from command_line import UserError, complete, run


def main(argv: list[str]) -> None:
    """Each run's figure and phase boundaries, into its `figures/`; or all of them side by side."""
    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__, formatter_class=text)
    parser.add_argument("runs", nargs="+", metavar="[compare] run", help="run directories")
    parser.add_argument("--output_dir", type=Path, help="where a comparison is written; figures if not told")
    arguments = complete(parser).parse_args(argv)

    if arguments.runs[0] != "compare":
        if arguments.output_dir:
            raise UserError("--output_dir is for compare; a run's own figures go into its figures/: leave it out")
        from analysis.figures import draw_run

        for path in arguments.runs:
            draw_run(path)
        return
    from analysis.compare import write_comparison
    from run_directory.records import load_run

    if len(arguments.runs) < 3:
        raise UserError("compare needs at least two runs: python -m analysis compare runs/a runs/b")
    _check_different(arguments.runs[1:])
    write_comparison([load_run(path) for path in arguments.runs[1:]], arguments.output_dir or Path("figures"))


def _check_different(paths: list[str]) -> None:
    """One run twice would count as two seeds that agree perfectly."""
    seen = set()
    for path in paths:
        if (place := Path(path).resolve()) in seen:
            raise UserError(f"{path} is given twice; name each run once")
        seen.add(place)


if __name__ == "__main__":
    run(main)
