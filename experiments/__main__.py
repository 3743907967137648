"""Run a sweep, and make figures, tables and claims from its results.

python -m experiments run experiments/schedules --jobs 2
python -m experiments run experiments/schedules --jobs 64 --cluster slurm --cluster_options slurm_partition=gpu
python -m experiments run experiments/schedules --dry_run
python -m experiments plot experiments/schedules
python -m experiments claims
"""

import argparse
import importlib.util
import os
from pathlib import Path

import yaml

from command_line import UserError, run


def main(argv: list[str]) -> None:
    """`run`, `plot` or `claims`."""
    arguments = _parser().parse_args(argv)
    if arguments.action == "run":
        _run(arguments)
    elif arguments.action == "plot":
        _plot(arguments.folder)
    else:
        from experiments.claims import update_readme

        update_readme()


def _parser() -> argparse.ArgumentParser:
    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__, formatter_class=text)
    actions = parser.add_subparsers(dest="action", required=True)
    sweep = actions.add_parser("run", help="execute a sweep: skips what is finished, resumes what was cut off")
    sweep.add_argument("folder", type=Path, help="experiment, e.g. experiments/schedules")
    sweep.add_argument("--jobs", type=int, default=1, help="runs at once; on this machine they share the cores")
    sweep.add_argument("--cluster", default="local", help="executor of submitit: local (this machine) or slurm")
    sweep.add_argument("--cluster_options", nargs="*", default=[], metavar="KEY=VALUE", help="parameters of submitit")
    sweep.add_argument("--dry_run", action="store_true", help="list the runs and predict the time")
    plot = actions.add_parser("plot", help="figures, tables and claims from the results alone")
    plot.add_argument("folder", type=Path)
    actions.add_parser("claims", help="write the table of claims into README.md")
    return parser


def _run(arguments: argparse.Namespace) -> None:
    if arguments.jobs < 1:
        raise UserError(f"--jobs is {arguments.jobs}; it must be at least 1")
    if arguments.dry_run:
        from experiments.dry_run import describe

        describe(arguments.folder, arguments.jobs, max(1, (os.cpu_count() or 1) // arguments.jobs))
        return
    from experiments.runner import run_sweep

    run_sweep(arguments.folder, arguments.jobs, arguments.cluster, _options(arguments.cluster_options))


def _options(pairs: list[str]) -> dict:
    for pair in pairs:
        if "=" not in pair:
            raise UserError(f"--cluster_options takes KEY=VALUE, not '{pair}'")
    return {key: yaml.safe_load(value) for key, _, value in (pair.partition("=") for pair in pairs)}


def _plot(folder: Path) -> None:
    path = folder / "plot.py"
    if not path.exists():
        raise UserError(f"{folder} has no plot.py")
    spec = importlib.util.spec_from_file_location("plot", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(folder)


if __name__ == "__main__":
    run(main)
