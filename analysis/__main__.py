"""Draw the learning curve of runs and find their phases, or compare runs.

python -m analysis runs/mine
python -m analysis compare runs/a runs/b runs/c --output_dir figures/mine
"""

import argparse
from pathlib import Path

from command_line import UserError, run


def main(argv: list[str]) -> None:
    """Each run's figure and phase boundaries, into its `figures/`; or all of them side by side."""
    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__, formatter_class=text)
    parser.add_argument("runs", nargs="+", metavar="[compare] run", help="run directories")
    parser.add_argument("--output_dir", type=Path, default=Path("figures"), help="where a comparison is written")
    arguments = parser.parse_args(argv)

    if arguments.runs[0] != "compare":
        from analysis.figures import draw_run

        for path in arguments.runs:
            draw_run(path)
        return
    from analysis.compare import write_comparison
    from run_directory.records import load_run

    if len(arguments.runs) < 3:
        raise UserError("compare needs at least two runs: python -m analysis compare runs/a runs/b")
    write_comparison([load_run(path) for path in arguments.runs[1:]], arguments.output_dir)


if __name__ == "__main__":
    run(main)
