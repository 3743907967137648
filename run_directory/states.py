"""The state of a checkpoint: what going on from it needs beside its model, and how long it is kept."""

import contextlib
import json
import os
import shutil
from pathlib import Path

from run_directory.layout import MANIFEST, OPTIMIZERS, PROGRESS, STATE, replace_text
from run_directory.manifests import checkpoints, named_files, read_manifest

# In PROGRESS: the checkpoint was saved without being asked for, in case that the run is killed.
AUTOMATIC = "automatic"


def has_state(checkpoint: Path) -> bool:
    """Whether a run can be gone on with from a checkpoint, which may be damaged."""
    return OPTIMIZERS in (named_files(read_manifest(checkpoint)) or {})


def is_automatic(checkpoint: Path) -> bool:
    """Whether nobody asked for a checkpoint: it goes when there is a newer one, or when the run has come to its end."""
    try:
        return json.loads((checkpoint / PROGRESS).read_bytes()).get(AUTOMATIC, False)
    except (OSError, ValueError, AttributeError):
        return False


def keep_newest(run: Path, step: int, limit: int | None, chosen: set[int]) -> None:
    """Delete what is not to be kept now that there is a checkpoint of a step.

    Args:
        run: the run's directory.
        step: the newest checkpoint's. Those of later steps, from before the run went back to an earlier one, stay.
        limit: so many checkpoints keep their states; all if None.
        chosen: steps whose models stay.
    """
    older = {at: path for at, path in checkpoints(run).items() if at < step}
    automatic = {at for at, path in older.items() if is_automatic(path)}
    states = [at for at, path in older.items() if at not in automatic and has_state(path)]
    beyond = states[: len(states) + 1 - limit] if limit and len(states) >= limit else []
    for at in {*automatic, *beyond}:
        _strip(older[at]) if at in chosen and at not in automatic else delete(older[at])


def delete_automatic(run: Path) -> None:
    """Delete what was saved in case that the run is killed, when it has come to its end."""
    for path in checkpoints(run).values():
        if is_automatic(path):
            delete(path)


def delete(checkpoint: Path) -> None:
    """Delete a checkpoint; a half of it is never seen under its name."""
    aside = checkpoint.with_name(f".{checkpoint.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    os.rename(checkpoint, aside)
    shutil.rmtree(aside)


def _strip(checkpoint: Path) -> None:
    """Leave the model of a checkpoint, without its state."""
    manifest = named_files(read_manifest(checkpoint)) or {}
    left = {name: digest for name, digest in manifest.items() if name not in STATE}
    replace_text(checkpoint / MANIFEST, json.dumps(left, indent=1))  # at first: files that it lacks are nobody's
    for name in STATE:
        with contextlib.suppress(FileNotFoundError):
            (checkpoint / name).unlink()
