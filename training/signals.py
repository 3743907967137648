"""Signals that ask a run to end: it finishes its step, saves, says so and exits; what is saved can be gone on with."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tqdm.auto import tqdm

from command_line import Stopped

# A terminal tells a launcher and the run, and the launcher tells the run again. Schedulers and sweeps repeat theirs, so
# that only a person ends a run before it has saved.
_SAME = 1.0  # seconds in which a further Ctrl-C is the same one


@dataclass
class Stop:
    """Whether a signal has come; the same answer in all processes of a run."""

    received: str | None = None
    _handlers: dict = field(default_factory=dict)
    _since: float = 0.0

    def asked(self, accelerator) -> bool:
        """Whether some process of the run got a signal; each of them must ask at the same step."""
        if accelerator.num_processes == 1:
            return self.received is not None
        if self.received:
            accelerator.set_trigger()
        return accelerator.check_trigger()

    def _note(self, number: int, frame) -> None:
        if self.received is None:
            self.received, self._since = signal.Signals(number).name, time.monotonic()
            tqdm.write(f"{self.received}: finishing this step, then saving; Ctrl-C ends it at once", file=sys.stderr)
        elif number == signal.SIGINT and time.monotonic() - self._since > _SAME:
            self._restore()
            os.kill(os.getpid(), number)

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """Take note of signals instead of dying of them; a closed terminal is none where `nohup` has it ignored."""
    stop = Stop()
    for number in Stopped.by:
        if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) is not signal.SIG_IGN:
            stop._handlers[number] = signal.signal(number, stop._note)
    try:
        yield stop
    finally:
        if stop.received is None:  # else it is about to end, which a signal that is repeated is not to disturb
            stop._restore()
