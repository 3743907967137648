"""Where a run was made: versions, commit and hardware."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

from command_line import CLONE, version

PACKAGES = ("torch", "transformers", "datasets", "accelerate", "tokenizers", "evaluate", "numpy")


def environment(n_processes: int, device: str) -> dict:
    """Versions, commit and hardware, for config.yaml."""
    return {
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in PACKAGES},
        "fact-learning": version(),
        "commit": _commit(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "device": device,
        "cores": os.cpu_count(),
        "n_processes": n_processes,
    }


def _commit() -> str | None:
    """The commit of the code, with `+changes` if files differ from it; None outside a clone of this project.

    A copy of the code may lie in another project's repository, whose commit says nothing about it.
    """
    root = CLONE and _git("rev-parse", "--show-toplevel")
    if not root or not Path(root).samefile(CLONE):
        return None
    return _git("describe", "--always", "--abbrev=40", "--dirty=+changes")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=CLONE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None
