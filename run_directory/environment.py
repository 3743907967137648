"""Where a run was made: versions, commit and hardware."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

from command_line import CLONE, version

RESUMED = "resumed"  # in an environment: at which step a run went on in another one, and what is other there
PACKAGES = ("torch", "transformers", "datasets", "accelerate", "tokenizers", "evaluate", "numpy")


# Of an environment: what decides nothing that is computed.
_NO_MATTER = {"command", "cores"}


def environment(n_processes: int, device: str, threads: int) -> dict:
    """Versions, commit and hardware, for config.yaml."""
    return {
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in PACKAGES},
        "fact-learning": version(),
        "commit": _commit(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "device": device,
        "cores": os.cpu_count(),
        "threads": threads,
        "n_processes": n_processes,
    }


def differences(then: dict, now: dict) -> dict:
    """What may change last bits, and is another now than a run's environment says: each with its value now.

    Environments of older runs say less; what they don't say is left out.
    """
    for resumed in then.get(RESUMED, []):
        then = then | resumed
    return {key: now[key] for key in now if key in then.keys() - _NO_MATTER and then[key] != now[key]}


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
