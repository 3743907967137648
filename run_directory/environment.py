"""Where a run was made: versions, commit and hardware."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

from command_line import CLONE

PACKAGES = ("torch", "transformers", "datasets", "accelerate", "tokenizers", "evaluate", "numpy")


def environment(n_processes: int, device: str) -> dict:
    """Versions, commit and hardware, for config.yaml."""
    return {
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in PACKAGES},
        "commit": _commit(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "device": device,
        "cores": os.cpu_count(),
        "n_processes": n_processes,
    }


def _commit() -> str | None:
    """The commit of the code, with `+changes` if files differ from it; None outside a clone."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes"]
    try:
        return CLONE and subprocess.run(command, cwd=CLONE, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
