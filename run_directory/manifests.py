"""Checkpoints of a run, and manifests: the sha256 of every file of a directory, to find damage and mix-ups."""

import hashlib
import json
import re
from pathlib import Path, PurePosixPath

from run_directory.layout import CHECKPOINT, MANIFEST, STATE

_ONE_NUMBER = re.compile("0|[1-9][0-9]*")  # 010 would be a second 10


def checkpoints(run: Path) -> dict[int, Path]:
    """The checkpoints of a run directory by step, ascending; sound or not. `checkpoint-best` is somebody else's."""
    steps = {path: path.name.removeprefix(CHECKPOINT) for path in run.glob(f"{CHECKPOINT}*") if path.is_dir()}
    ours = {int(step): path for path, step in steps.items() if _ONE_NUMBER.fullmatch(step)}
    return dict(sorted(ours.items()))


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


def read_manifest(directory: Path):
    """What manifest.json of a directory says, of whatever form; None if it is not there or not JSON."""
    try:
        return parse_manifest((directory / MANIFEST).read_bytes())
    except OSError:
        return None


def parse_manifest(content: bytes):
    """What a manifest says, of whatever form; None if it is not JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def named_files(manifest) -> dict[str, str] | None:
    """The sha256 of each file by its path, if that is what a manifest says; None if it says anything else, nothing at
    all, or names files outside its directory.
    """
    if not isinstance(manifest, dict) or not manifest:
        return None
    sound = all(isinstance(digest, str) and _is_inside(path) for path, digest in manifest.items())
    return manifest if sound else None


def damaged_model(directory: Path) -> str | None:
    """The first file of a model that is not as the manifest beside it says, a checkpoint's, a run's or a published one;
    None if all are, or there is no manifest.
    """
    if not (directory / MANIFEST).exists():
        return None
    manifest = read_manifest(directory)
    published = isinstance(manifest, dict) and "files" in manifest
    files = named_files(manifest["files"] if published else manifest)
    # What is loaded: the card of a repository may have been edited since.
    damaged = [MANIFEST] if files is None else damaged_files(directory, _loaded(files))
    return damaged[0] if damaged else None


def _loaded(files: dict[str, str]) -> dict[str, str]:
    """Model, config and tokenizer, of all files of a manifest."""
    names = (path for path in files if "/" not in path and path.endswith((".json", ".safetensors")))
    return {path: files[path] for path in names if path not in STATE}


def damaged_files(directory: Path, files: dict[str, str]) -> list[str]:
    """Those of a manifest's files that are missing or differ. Files beside them (.DS_Store, notes) are not ours."""
    return [path for path, digest in files.items() if _digest(directory / path) != digest]


def is_sound(directory: Path) -> bool:
    """Whether every file of the manifest is there, with its sha256."""
    files = named_files(read_manifest(directory))
    return files is not None and not damaged_files(directory, files)


def _is_inside(path: str) -> bool:
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts


def _digest(file: Path) -> str | None:
    try:
        return sha256(file.read_bytes())
    except (OSError, ValueError):  # not there, not to be read, or no name that a file may have
        return None
