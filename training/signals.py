"""Signals that ask a run to end: it finishes its step, saves, says so and exits; what is saved can be gone on with."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from tqdm.auto import tqdm

from command_line import UserError

# Ctrl-C, `kill`, a closed terminal, and what SLURM sends ahead of a time limit or a preemption.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")


class Stopped(UserError):
    """A run was asked to end before its last step, and was saved."""

    label = "stopped"
    exit_code = 75  # EX_TEMPFAIL of sysexits.h: no failure, try again


@dataclass
class Stop:
    """Whether a signal has come; the same answer in all processes of a run."""

    received: str | None = None
    _handlers: dict = field(default_factory=dict)

    def asked(self, accelerator) -> bool:
        """Whether some process of the run got a signal; each of them must ask at the same step."""
        if accelerator.num_processes == 1:
            return self.received is not None
        if self.received:
            accelerator.set_trigger()
        return accelerator.check_trigger()

    def _note(self, number: int, frame) -> None:
        self.received = signal.Signals(number).name
        self._restore()  # a second one ends it at once
        tqdm.write(f"{self.received}: finishing this step, then saving; once more ends it at once", file=sys.stderr)

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """Take note of signals instead of dying of them."""
    stop = Stop()
    for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
        stop._handlers[number] = signal.signal(number, stop._note)
    try:
        yield stop
    finally:
        stop._restore()
