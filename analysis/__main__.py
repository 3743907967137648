"""Draw the learning curve of runs and find their phases.

python -m analysis runs/mine
"""

import argparse

from command_line import run


def main(argv: list[str]) -> None:
    """Each run's figure and phase boundaries, into its `figures/`."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", help="run directories")
    arguments = parser.parse_args(argv)

    from analysis.figures import draw_run

    for path in arguments.runs:
        draw_run(path)


if __name__ == "__main__":
    run(main)
