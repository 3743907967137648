"""Signals that ask for an end, handled in one way: Ctrl-C, `kill`, and a terminal that is closed."""

import contextlib
import signal
from collections.abc import Iterator

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def handled(handler) -> Iterator[None]:
    """Handle them by a function, as of `signal.signal`, for a while."""
    before = {number: signal.signal(number, handler) for number in _ASKING}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def interrupt(*_) -> None:
    """What Ctrl-C does, so that what was begun is ended, too."""
    raise KeyboardInterrupt
