"""Checkpoints of a run, and manifests: the sha256 of every file of a directory, to find damage and mix-ups."""

import hashlib
import json
from pathlib import Path

from run_directory.layout import CHECKPOINT, MANIFEST


def checkpoints(run: Path) -> dict[int, Path]:
    """The checkpoints of a run directory by step, ascending; sound or not. `checkpoint-best` is somebody else's."""
    steps = {path: path.name.removeprefix(CHECKPOINT) for path in run.glob(f"{CHECKPOINT}*") if path.is_dir()}
    found = {int(step): path for path, step in steps.items() if step.isascii() and step.isdecimal()}
    return dict(sorted(found.items()))


def digests(directory: Path) -> dict[str, str]:
    """sha256 of each file below a directory, by its path in it; the manifest itself is left out."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(directory).as_posix(): sha256(path.read_bytes()) for path in files}


def sha256(content: bytes) -> str:
    """Hexadecimal sha256."""
    return hashlib.sha256(content).hexdigest()


def write_manifest(directory: Path) -> None:
    """Write the manifest of a finished directory into it."""
    (directory / MANIFEST).write_text(json.dumps(digests(directory), indent=1))


def is_sound(directory: Path) -> bool:
    """Whether exactly the files of the manifest are there, each with its sha256."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text())
    except (OSError, ValueError):
        return False
    return manifest == digests(directory)
