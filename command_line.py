"""What every script begins and ends with: YAML that a user wrote, errors of one line, the version."""

import argparse
import contextlib
import difflib
import errno
import gc
import importlib.metadata
import os
import signal
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import yaml

from habits import PlainLoader, decoded

# OpenMP's threads spin 300,000 times before they sleep, on a core that the thread they wait for may need: beside other
# programs a step takes several times as long (docs/SPEED.md). It is read when torch is imported, which comes later.
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"} & {*os.environ}:
    os.environ |= {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}  # GNU's; LLVM's and Intel's, in milliseconds

# Where the rooms lie, and whether that is a clone of the project; an installed wheel lies in site-packages.
HOME = Path(__file__).parent
CLONE = HOME if (HOME / "pyproject.toml").is_file() else None

# Written into a run's config.yaml beside the settings, so that the file stays a recipe.
ENVIRONMENT_KEY = "environment"


# Ctrl-C, `kill`, a closed terminal, and what SLURM sends ahead of a time limit or a preemption.
_ASKING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
# What to do about what a file system refuses.
_MAKE_ROOM = "; make room and start again: a run goes on with --resume_from_checkpoint latest"
_CURES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _MAKE_ROOM)


# What torch calls a process's number, and the launchers of MPI (MPICH, Intel; Open MPI; MVAPICH).
_PROCESSES = {
    "WORLD_SIZE": ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"),
    "RANK": ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK"),
    "LOCAL_WORLD_SIZE": ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE"),
    "LOCAL_RANK": ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK"),
}
# Where processes of one machine meet, if nobody says otherwise; as accelerate has it.
_MEETING = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


class UserError(Exception):
    """A mistake in what the user asked for. Its message is one line that says what to do; one each, of several."""

    label, exit_code = "error", 2


class Stopped(UserError):
    """A run was asked by signals to end before its last step, and was saved.

    Attributes:
        by: the signals that ask for it.
    """

    label, exit_code = "stopped", 75  # EX_TEMPFAIL of sysexits.h: no failure, try again
    by = tuple(getattr(signal, name) for name in _ASKING if hasattr(signal, name))


def cores() -> int:
    """Physical cores that this process may use."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(allowed, psutil.cpu_count(logical=False) or allowed)


def read_yaml(file: str | Path, kind: str = "") -> dict:
    """The `key: value` lines that a user wrote.

    Raises:
        UserError: the file can't be read, is empty, has one key twice or something else than such lines.
    """
    try:
        content = yaml.load(decoded(Path(file).read_bytes()), PlainLoader)
    except RecursionError:
        raise UserError(f"{kind}{file} is nested too deep") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {kind}{file}: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{kind}{file} is {'empty' if content is None else 'not a list of `key: value` lines'}")
    return {key: os.path.expanduser(value) if _is_home(value) else value for key, value in content.items()}


def _is_home(value) -> bool:
    return isinstance(value, str) and (value == "~" or value.startswith("~/"))


def unknown(what: str, name: str, where: str, known: Iterable[str], all_known: str = "") -> str:
    """The error for a name that nobody knows: one line that tells where it stands, and the nearest known one.

    Where none is like it, `all_known` says how to find out; all are listed if it does not.
    """
    known = list(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"the nearest known one is '{nearest[0]}'" if nearest else all_known or f"there is {', '.join(known)}"
    return f"unknown {what} '{name}'{where and ' in '}{where}; {hint}"


def complete(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same parser, after the shell has got its completions and the process ended, if it asked for them."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        # HfArgumentParser spells --save_steps also --save-steps.
        again = [option for action in parser._actions for option in action.option_strings if "-" in option[2:]]
        argcomplete.autocomplete(parser, exclude=again)
    return parser


def version() -> str:
    """Of the clone that runs, or of what was installed."""
    if CLONE:
        return tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return importlib.metadata.version("fact-learning")


def number_processes() -> None:
    """Call the processes of MPI's launchers by the names that torch gives them, so that all who ask agree."""
    told = {
        name: os.environ[other] for name, others in _PROCESSES.items() for other in others[::-1] if other in os.environ
    }
    if "WORLD_SIZE" in os.environ or int(told.get("WORLD_SIZE", "1")) == 1:
        return
    os.environ.update(told)
    if told.get("LOCAL_WORLD_SIZE") == told["WORLD_SIZE"]:
        os.environ.update({name: value for name, value in _MEETING.items() if name not in os.environ})


def is_first_process() -> bool:
    """Of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def run(main) -> None:
    """Call `main(argv)`, or answer `--version`. A UserError, and what the file system refuses, is one line on stderr
    (once, not once a process), exit code 2.
    """
    if "--version" in sys.argv[1:]:
        return print(f"fact-learning {version()}")
    # Importing torch makes a million objects; with (700, 10, 10) looking through them again and again costs a second.
    gc.set_threshold(50_000, 20, 20)
    number_processes()
    _draw_into_files()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # somebody's own stream
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know all letters of a name
    try:
        main([_with_home(word) for word in sys.argv[1:]])
    except (UserError, argparse.ArgumentError) as error:
        if isinstance(error, Stopped):
            for number in error.by:  # repeated until the very end, which Python's own handlers don't see
                signal.signal(number, signal.SIG_IGN)
        _end(f"{getattr(error, 'label', 'error')}: {error}", getattr(error, "exit_code", 2))
    except OSError as error:
        if error.errno is None:  # not the system's
            raise
        _end(f"error: {_refusal(error)}", 2)
    except KeyboardInterrupt:
        _end("interrupted", 130)
    finally:
        gc.freeze()  # else the end looks through all objects once more, two seconds after torch was imported


def _draw_into_files() -> None:
    """A command opens no windows; a notebook that imports its modules keeps what it has."""
    os.environ.setdefault("MPLBACKEND", "agg")
    if loaded := sys.modules.get("matplotlib"):
        loaded.use(os.environ["MPLBACKEND"])


def _end(line: str, code: int) -> None:
    if is_first_process():
        print(line, file=sys.stderr)
    sys.exit(code)


def _with_home(word: str) -> str:
    """`--output_dir=~/runs`, which a shell leaves as it is."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{os.path.expanduser(value)}" if value.startswith("~") else word


def _refusal(error: OSError) -> str:
    """What the system says, and of which file; what to do where it is known."""
    file, cure = error.filename, _CURES.get(error.errno, "")
    return f"{error.strerror or errno.errorcode.get(error.errno)}{f': {file}' if file else ''}{cure}"
