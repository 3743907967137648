"""What all kinds of trials share: a run to compare with, and commands that must end in one line."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import command_line
from tests.helpers.pretraining import NANO, ROOT, TIMES, records, same, weights

STEPS = ("--max_steps", "60", "--eval_steps", "20", "--save_steps", "10", "--num_threads", "1")


class Broken(Exception):
    """A promise that was not kept."""


def expect(kept: bool, promise: str) -> None:
    """Raise Broken if it is not."""
    if not kept:
        raise Broken(promise)


def pretraining(run: Path, *options: str) -> list[str]:
    """The command of a short run."""
    return [sys.executable, "run_pretrain.py", NANO, "--output_dir", str(run), *STEPS, *options]


def start(command: list[str], **options) -> subprocess.Popen:
    """Start it where a user would, with what it says kept."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes, **options)


def finish(command: list[str]) -> None:
    """Let it run to its end.

    Raises:
        Broken: it did not come there.
    """
    process = start(command)
    said = process.communicate()[0]
    expect(process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}: {said[-2000:]}")


def check_same(whole: Path, cut: Path) -> None:
    """Raise Broken if a run is not bit for bit another one, records included."""
    expect(same(weights(whole), weights(cut)), f"{cut}: other weights")
    expect(records(whole, *TIMES) == records(cut, *TIMES), f"{cut}: other records")


def one_line(main, *words) -> bool:
    """Call a command in this process; whether it succeeded.

    Raises:
        Broken: it ended otherwise than well or with one line of error.
    """
    before, sys.argv = sys.argv, ["command", *map(str, words)]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            command_line.run(main)
    except SystemExit as end:
        lines = [line for line in said.getvalue().splitlines() if line.startswith(("error: ", "stopped: "))]
        expect(end.code in (0, 2, 75) and len(lines) == 1, f"{words} ended with {end.code}: {said.getvalue()[-500:]}")
        return False
    finally:
        sys.argv = before
    return True
