"""Going on from the Hub: a published state becomes a run directory here."""

import json
import os
import shutil
import time
from pathlib import Path

from huggingface_hub.errors import RevisionNotFoundError

from command_line import UserError, is_first_process
from run_directory.hub import check_id, hub_api, hub_errors
from run_directory.layout import (
    CHECKPOINT,
    CONFIG,
    DATASET,
    GENERATED_TEXTS,
    METRICS,
    OPTIMIZERS,
    PROGRESS,
    STEP_METRICS,
    is_run,
)
from run_directory.manifests import checkpoints, damaged_files, named_files, read_manifest, write_manifest

AT = "@"  # between repository and revision
_NEEDED = (OPTIMIZERS, PROGRESS, CONFIG, METRICS)
_PATIENCE = 600.0  # seconds in which the first process of a run has fetched what the others wait for


def fetch_state(which: str, run: Path) -> Path:
    """Fetch a run as it was published at a step.

    Args:
        which: `<repository>@<revision>`.
        run: where it is written; nothing may be there yet.

    Returns:
        The checkpoint to go on from.

    Raises:
        UserError: no such revision, one without state, a damaged one; a run that is there already.
    """
    if not is_first_process():
        return _wait_for(run)
    if is_run(run):
        raise UserError(
            f"{run} holds a run already; go on with it (--resume_from_checkpoint latest) or choose another --output_dir"
        )
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise UserError(f"{run} exists and is no run; choose another --output_dir")
    repository, _, revision = which.partition(AT)
    published = _snapshot(repository, revision)
    files = _files(which, published)
    unfinished = run.with_name(f".{run.name}.fetched.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        checkpoint = _lay_out(published, files, unfinished)
        if run.exists():
            run.rmdir()
        os.rename(unfinished, run)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return run / checkpoint.name


def _snapshot(repository: str, revision: str) -> Path:
    check_id(repository)
    with hub_errors(repository):
        try:
            return Path(hub_api().snapshot_download(repository, revision=revision or "main"))
        except RevisionNotFoundError:
            raise UserError(f"{repository} has no revision {revision} on the Hub") from None


def _files(which: str, published: Path) -> dict[str, str]:
    """All that belongs to a published state, by its manifest."""
    manifest = read_manifest(published)
    files = named_files(manifest.get("files")) if isinstance(manifest, dict) else None
    if files is None or not {*_NEEDED} <= files.keys():
        raise UserError(
            f"{which} holds no state to go on from; it is published with --hub_strategy checkpoint (as the revision "
            "last-checkpoint) or all_checkpoints"
        )
    if damaged := damaged_files(published, files):
        raise UserError(f"{which} is damaged: {damaged[0]} is not as its manifest says; take another revision")
    return files


def _lay_out(published: Path, files: dict[str, str], run: Path) -> Path:
    """A run directory with one checkpoint; where each published file lies in it."""
    step = json.loads((published / PROGRESS).read_bytes())["step"]
    checkpoint = run / f"{CHECKPOINT}{step}"
    for name in files.keys() - {STEP_METRICS}:
        of_run = name in (CONFIG, METRICS, GENERATED_TEXTS) or name.startswith(f"{DATASET}/")
        target = (run if of_run else checkpoint) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(published / name, target)
    write_manifest(checkpoint)
    return checkpoint


def _wait_for(run: Path) -> Path:
    until = time.monotonic() + _PATIENCE
    while not (is_run(run) and checkpoints(run)):
        if time.monotonic() > until:
            raise UserError(f"{run} was not fetched by the first process within {_PATIENCE / 60:.0f} minutes")
        time.sleep(0.1)
    return checkpoints(run)[max(checkpoints(run))]
