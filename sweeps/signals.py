"""Signals that ask for an end, handled in one way: Ctrl-C, `kill`, and a terminal that is closed."""

import contextlib
import signal
from collections.abc import Iterator

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HungUp(KeyboardInterrupt):
    """The terminal was closed; nobody asked for an end."""


@contextlib.contextmanager
def handled(handler) -> Iterator[None]:
    """Handle them by a function, as of `signal.signal`, for a while; not those that `nohup` or `&` had ignored."""
    before = {number: signal.getsignal(number) for number in _ASKING}
    before = {number: previous for number, previous in before.items() if previous is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def interrupt(number: int, frame) -> None:
    """What Ctrl-C does, so that what was begun is ended, too."""
    raise HungUp if number == signal.SIGHUP else KeyboardInterrupt
