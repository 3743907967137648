# PYTHON_ARGCOMPLETE_OK
"""Run sweeps, draw their figures, and keep the README's table of claims.

python -m sweeps run experiments/schedules --jobs 2     # skips what is finished or stored, resumes what was cut off
python -m sweeps run experiments/schedules --dry_run    # what is to be done, and how long it will take
python -m sweeps run experiments/schedules --only 'mine-*'    # runs whose names match; --rerun trains stored ones again
python -m sweeps run experiments/schedules --jobs 8 --cluster slurm --cluster_options slurm_partition=gpu
python -m sweeps run experiments/schedules --jobs 8 --cluster slurm --detach   # submits all, and returns
python -m sweeps commands experiments/schedules         # a line of shell for each run that is left
python -m sweeps collect experiments/schedules          # stores the results of finished run directories; runs nothing
python -m sweeps price experiments/paper/*/ --teraflops 150   # operations of all runs, and hours on such a GPU
python -m sweeps plot experiments/schedules             # figures and claims, from results/runs.jsonl; --also pdf svg
python -m sweeps drop experiments/schedules 'mine-*'    # deletes stored results; nothing else does
python -m sweeps to-trackio experiments/schedules       # its stored results, or finished runs: runs/mine runs/other
python -m sweeps claims experiments/mine                # the table of its claims
python -m sweeps claims                                 # writes that of all experiments, and the README's
"""

import argparse
import importlib.util
from pathlib import Path

from analysis.formats import add_format_option, also_as
from command_line import UserError, complete, run


def main(argv: list[str]) -> None:
    """One of the commands."""
    arguments = complete(_parser()).parse_args(argv)
    arguments.command(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sweeps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    table = {
        "run": _run, "commands": _commands, "collect": _collect, "plot": _plot, "drop": _drop, "claims": _claims,
        "price": _price, "to-trackio": _track,
    }  # fmt: skip
    for name, function in table.items():
        command = commands.add_parser(name)
        command.set_defaults(command=function)
        if name == "claims":
            command.add_argument("folders", type=Path, nargs="*", help="experiments, whose claims are then only shown")
            continue
        if name == "price":
            command.add_argument("folders", type=Path, nargs="+", help="of experiments")
            command.add_argument(
                "--teraflops", type=float, default=150, help="10^12 operations a second that training reaches there"
            )
            continue
        if name == "to-trackio":
            _add_tracking_options(command)
            continue
        command.add_argument("folder", type=Path, help="the experiment's folder")
        if name in ("run", "commands"):
            _add_choice_options(command)
        if name == "run":
            _add_run_options(command)
        if name == "plot":
            add_format_option(command)
        if name == "drop":
            command.add_argument("names", nargs="+", help="of stored runs; patterns as in a shell")
    return parser


def _add_choice_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--only", nargs="+", metavar="NAME", help="of the runs; patterns as in a shell, e.g. 'small-*'"
    )
    command.add_argument("--rerun", action="store_true", help="train anew what is stored already, too")


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--jobs", type=int, default=1, help="runs that go on at once")
    command.add_argument("--cluster", choices=("local", "slurm"), default="local", help="where they run")
    command.add_argument(
        "--cluster_options", nargs="+", default=[], metavar="key=value", help="of submitit, e.g. slurm_partition=gpu"
    )
    command.add_argument("--detach", action="store_true", help="submit all to the cluster, and return")
    command.add_argument("--dry_run", action="store_true", help="list the runs, predict their time, and exit")


def _add_tracking_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("places", type=Path, nargs="+", help="experiments with stored results, and run directories")
    command.add_argument("--project", default="fact-learning", help="of trackio")
    command.add_argument("--trackio_space_id", help="Space to send them to, e.g. me/facts; on this machine if None")


def _run(arguments) -> None:
    from sweeps.collect import stored_names
    from sweeps.runner import detach_sweep, run_sweep
    from sweeps.timing import dry_run

    if arguments.jobs < 1:
        raise UserError(f"jobs is {arguments.jobs}; it must be at least 1")
    if arguments.detach and arguments.cluster == "local":
        raise UserError("--detach is for --cluster slurm; here, put nohup before the command and & behind it")
    options, sweep = _options(arguments.cluster_options), _checked(arguments.folder, arguments.only)
    stored = set() if arguments.rerun else stored_names(sweep)
    if arguments.dry_run:
        dry_run(sweep, stored, arguments.jobs)
    elif arguments.detach:
        detach_sweep(sweep, stored, arguments.jobs, options)
    else:
        run_sweep(sweep, stored, arguments.jobs, arguments.cluster, options)


def _checked(folder: Path, only: list[str] | None = None):
    """The sweep, or some of its runs, after what is there of it was checked against it."""
    from sweeps.collect import check_results
    from sweeps.directories import check_directories
    from sweeps.sweep import load_sweep

    sweep = load_sweep(folder)
    sweep = sweep.only(only) if only else sweep
    check_directories(sweep)
    check_results(sweep)
    return sweep


def _commands(arguments) -> None:
    from sweeps.collect import stored_names
    from sweeps.directories import is_finished
    from sweeps.launch import shell_line

    sweep = _checked(arguments.folder, arguments.only)
    stored = set() if arguments.rerun else stored_names(sweep)
    for one in sweep.runs:
        if one.name not in stored and not is_finished(one.path):
            print(shell_line(sweep, one))


def _collect(arguments) -> None:
    from sweeps.collect import collect_results

    sweep = _checked(arguments.folder)
    print(f"{len(collect_results(sweep))} of {len(sweep.runs)} runs are finished; their results are stored")


def _options(pairs: list[str]) -> dict[str, int | str]:
    options: dict[str, int | str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--cluster_options: {pair} is not key=value")
        options[key] = int(value) if value.isdecimal() else value
    return options


def _plot(arguments) -> None:
    from sweeps import overview

    with also_as(arguments.also):
        own = (arguments.folder / "plot.py").exists()
        (load_plot(arguments.folder) if own else overview).main(arguments.folder)


def load_plot(folder: Path):
    """The plot.py of an experiment, as a module; its `main(folder)` draws."""
    path = folder / "plot.py"
    spec = importlib.util.spec_from_file_location(f"plot_{folder.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _drop(arguments) -> None:
    from sweeps.collect import drop_results

    print(f"dropped {', '.join(drop_results(arguments.folder, arguments.names))}")


def _price(arguments) -> None:
    from sweeps.price import print_prices

    if not arguments.teraflops > 0:
        raise UserError(f"teraflops is {arguments.teraflops:g}; it must be above 0")
    print_prices(arguments.folders, arguments.teraflops)


def _track(arguments) -> None:
    from sweeps.to_trackio import to_trackio

    to_trackio(arguments.places, arguments.project, arguments.trackio_space_id)


def _claims(arguments) -> None:
    from sweeps.claims_page import claims_table, findings_of
    from sweeps.findings import write_all

    if not arguments.folders:
        return write_all()
    for folder in arguments.folders:
        print(claims_table(findings_of(folder)))


if __name__ == "__main__":
    run(main)
