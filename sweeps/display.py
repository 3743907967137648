"""A sweep on screen: a live table, or a line for each change where there is no terminal."""

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sweeps.timing import clock

# Running ones first, so that they are seen in a long sweep too.
_ORDER = ("running", "failed", "waiting", "finished", "skipped", "stored")
_STYLES = {
    "running": "cyan",
    "failed": "red",
    "waiting": "dim",
    "finished": "green",
    "skipped": "dim green",
    "stored": "dim green",
}


class LiveTable:
    """For a terminal. A context manager, as Lines is."""

    def __init__(self, console: Console):
        self.live = Live(console=console, auto_refresh=False)

    def __enter__(self):
        self.live.start()
        return self

    def __exit__(self, *_):
        self.live.stop()

    def show(self, statuses: list, left: float | None) -> None:
        """Draw the table anew."""
        self.live.update(status_table(statuses, left), refresh=True)


class Lines:
    """For a log file: one plain line each time a run changes its state."""

    def __init__(self):
        self.last: dict[str, str] = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def show(self, statuses: list, left: float | None) -> None:
        """Print what has changed since the last call."""
        for status in statuses:
            name, state = status.run.name, status.state
            if state != self.last.get(name, "waiting"):
                loss, accuracy = _knowledge(status.progress)
                knowledge = f", attribute loss {loss}, accuracy {accuracy}" if loss else ""
                print(f"{name} {state}: step {_steps(status.progress)}{knowledge}; time left {clock(left)}", flush=True)
            self.last[name] = state


def open_display() -> LiveTable | Lines:
    """The one that suits where the output goes."""
    console = Console()
    return LiveTable(console) if console.is_terminal else Lines()


def status_table(statuses: list, left: float | None) -> Table:
    """All runs, and the time left as caption."""
    done = sum(status.state in ("finished", "skipped", "stored") for status in statuses)
    table = Table("run", "state", caption=f"{done} of {len(statuses)} done, time left {clock(left)}")
    for column in ("step", "attribute loss", "accuracy", "time left"):
        table.add_column(column, justify="right")
    for status in sorted(statuses, key=lambda status: _ORDER.index(status.state)):
        row = (status.run.name, status.state, _steps(status.progress), *_knowledge(status.progress), _left(status))
        table.add_row(*row, style=_STYLES[status.state])
    return table


def _steps(progress) -> str:
    return f"{progress.step:,}/{progress.max_steps:,}" if progress.max_steps else "–"


def _knowledge(progress) -> tuple[str, str]:
    """Attribute loss and accuracy; nothing before the first evaluation."""
    if progress.attribute_loss is None:
        return "", ""
    return f"{progress.attribute_loss:.3f}", f"{progress.attribute_accuracy:.1%}"


def _left(status) -> str:
    """Of a run that goes on, at its own pace."""
    progress = status.progress
    if status.state != "running" or progress.seconds_in_all is None:
        return ""
    return clock((1 - progress.share) * progress.seconds_in_all)
