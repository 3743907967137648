"""Shows finished runs, and results that an experiment has stored, in trackio."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from command_line import UserError
from run_directory.layout import is_run
from run_directory.records import Run, load_run
from settings import public
from sweeps.results import load_results, results_file
from training.tracking import names


def to_trackio(places: list[Path], project: str, space_id: str | None = None) -> None:
    """Make a run of trackio of each run; one whose name the project has already stays as it is, and is told.

    Args:
        places: run directories, and folders of experiments with stored results.
        project: of trackio.
        space_id: Space to send them to; on this machine alone if None.

    Raises:
        UserError: trackio is not installed, or a place is neither.
    """
    try:
        import trackio
    except ImportError:
        raise UserError("trackio is not installed: pip install trackio") from None

    there = set()
    with contextlib.suppress(ValueError):  # no such project yet
        there = {run.name for run in trackio.Api().runs(project)}
    for place in places:
        for name, group, run in _runs(place):
            if name in there:
                print(f"{project} has a run {name} already; left out")
                continue
            how = {"config": _told(run), "embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
            tracked = trackio.init(project, name=name, group=group, space_id=space_id, **how)
            for record in run.records:
                numbers = {key: value for key, value in record.items() if value is not None and key != "step"}
                tracked.log(numbers, step=record["step"])
            trackio.finish()


def _runs(place: Path) -> Iterator[tuple[str, str | None, Run]]:
    """Name, group and record of each."""
    if is_run(place):
        yield *names(place).values(), load_run(place)
    elif results_file(place).exists():
        yield from ((result.name, result.variant, result.run) for result in load_results(place))
    else:
        raise UserError(f"{place} is no run, and no experiment with results/runs.jsonl")


def _told(run: Run) -> dict:
    return {key: value for key, value in public(run.config).items() if value is not None}
