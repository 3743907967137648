"""A run's learning curve and its phases as text, for the end of a command."""

import math
import shutil
import sys

import numpy as np

from analysis.curves import groups_of
from analysis.phases import PHASE_NAMES, Phases, edges_of
from run_directory.records import Run, baseline

# From empty to full; the second where stdout's encoding has no blocks.
_LEVELS, _ASCII = " ▁▂▃▄▅▆▇█", " .:#"
_HEIGHT = 5  # lines of the loss
_BEFORE, _AFTER = 10, 5  # columns before a curve, for what it is, and after it, for where it ends
_NARROWEST, _WIDEST = 20, 90


def picture(run: Run, phases: Phases | None, width: int | None = None, levels: str | None = None) -> str:
    """Attribute loss as bars, accuracy of each group as a line of them, phases and steps below; steps go
    logarithmically from 1 to the last.

    Args:
        run: with at least one evaluation after its first step.
        phases: of `phases_of`; None for a fine-tuning.
        width: columns; of the terminal if None.
        levels: characters from empty to full; blocks if None, ASCII where stdout can't show them.
    """
    levels = levels or (_LEVELS if _shows_blocks() else _ASCII)
    room = (width or shutil.get_terminal_size().columns) - _BEFORE - _AFTER
    columns = max(_NARROWEST, min(room, _WIDEST))
    group, last = run.finetune_group or "seen", run.curve("seen_attribute_loss")[0][-1]
    steps = np.geomspace(1, max(2, last), columns)
    losses = np.interp(steps, *run.curve(f"{group}_attribute_loss"))
    highest = losses.max() or 1
    called = groups_of(run)
    lines = [f"attribute loss of {called[group]} in nats (baseline {baseline(run):.2f}), and accuracy"]
    lines += _beside((f"{highest:.1f}", *[""] * (_HEIGHT - 2), "0"), _bars(losses / highest, _HEIGHT, levels))
    for name in called:
        known = run.curve(f"{name}_attribute_accuracy")
        (line,) = _beside((name,), _bars(np.interp(steps, *known), 1, levels))
        lines.append(f"{line} {known[1][-1]:.0%}")
    if phases:
        begins = zip(edges_of(phases, last)[:-1], PHASE_NAMES, strict=False)
        lines += _beside(("phase",), [_marks({edge: f"|{name}" for edge, name in begins}, steps)])
    powers = {10**power: f"|{10**power:,}" for power in range(int(math.log10(steps[-1])) + 1)}
    return "\n".join(line.rstrip() for line in [*lines, *_beside(("step",), [_marks(powers, steps)])])


def _shows_blocks() -> bool:
    try:
        _LEVELS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _bars(shares: np.ndarray, height: int, levels: str) -> list[str]:
    """(columns,) shares of 0-1 as upright bars, a line for each row from the top; what is not 0 can be seen."""
    full = len(levels) - 1
    filled = np.ceil(np.round(shares * height * full, 6)).astype(int)
    rows = (np.clip(filled - full * row, 0, full) for row in reversed(range(height)))
    return ["".join(levels[level] for level in row) for row in rows]


def _beside(names: tuple[str, ...], lines: list[str]) -> list[str]:
    return [f"{name:>{_BEFORE - 1}} {line}" for name, line in zip(names, lines, strict=True)]


def _marks(names: dict[float, str], steps: np.ndarray) -> str:
    """Names at their steps; the first word, or a bar alone, where the next one begins too soon."""
    places = [*np.searchsorted(steps, list(names)), len(steps)]
    line = " " * places[0]
    for name, begin, end in zip(names.values(), places[:-1], places[1:], strict=True):
        shown = next(text for text in (name, name.split()[0], "|") if len(text) <= max(1, end - begin))
        line = line[:begin] + shown.ljust(end - begin)
    return line[: len(steps)]
