"""Maps of what was seen in checkpoints: layers by steps, and layers by positions."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from analysis.drawing import mark_plateau, panels
from analysis.phases import Phases

WORDS = {
    "before_name": "before the name",
    "first_name": "first name token",
    "middle_name": "middle name tokens",
    "last_name": "last name token",
    "after_name": "after the name",
    "further": "further tokens",
    "before_value": "before the value",
    "asked": "the fact that the sentence tells",
    "other": "another fact",
    "restored": "put into the run with the other name",
    "cut": "replaced in the run with the right name",
}


def from_zero(accuracies: np.ndarray) -> dict:
    """Colors for shares, from 0 to the highest of them."""
    return {"cmap": "viridis", "vmin": 0, "vmax": max(float(np.nan_to_num(accuracies).max()), 0.1)}


def both_ways(effects: np.ndarray) -> dict:
    """Colors for what may go either way, white where nothing happens."""
    largest = max(float(np.abs(np.nan_to_num(effects)).max()), 1e-3)
    return {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}


def layers_by_steps(axes, steps: np.ndarray, numbers: np.ndarray, layers: list, phases: Phases | None, color: dict):
    """A map (layers, steps); the edges of the plateau are lines."""
    middles = (steps[1:] + steps[:-1]) / 2
    edges = np.concatenate(([steps[0] - (middles[0] - steps[0])], middles, [2 * steps[-1] - middles[-1]]))
    image = axes.pcolormesh(edges, np.arange(len(layers) + 1) - 0.5, numbers, **color)
    axes.set_yticks(range(len(layers)), layers)
    axes.set_xlim(steps[0], steps[-1])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for edge in (phases.plateau_start, phases.plateau_end) if phases else ():
        if edge is not None:
            axes.axvline(edge, color="#D55E00", linewidth=1.2, linestyle="--")
    return image


def layers_by_positions(positions: list, step: int, drawn: list, columns: int, words: str, color: dict, form: str):
    """Maps (layers, positions) with their numbers, each with its name and layers."""
    names = [words_of(position) for position in positions]
    rows, most = -(-len(drawn) // columns), max(len(layers) for *_, layers in drawn)
    figure, axes = panels(rows, columns, 1.6 + rows * (0.5 + 0.3 * most), squeeze=False)
    for number, (one, (name, numbers, layers)) in enumerate(zip(axes.flat, drawn, strict=False)):
        image = numbered_map(one, numbers, color, form)
        one.set_yticks(range(len(layers)), layers)
        lowest = number + columns >= len(drawn)
        one.set_xticks(range(len(names)), names if lowest else [], rotation=40, ha="right")
        one.set_ylabel("layer" if number % columns == 0 else "")
        one.set_title(name, size=9)
    for one in axes.flat[len(drawn) :]:
        one.remove()
    color_key(figure, image, axes, f"{words}, step {step:,}")
    return figure


def color_key(figure, image, axes, words: str) -> None:
    """What the colors of all maps are."""
    figure.colorbar(image, ax=axes, location="top", shrink=0.5, aspect=40, label=words)


def numbered_map(axes, numbers: np.ndarray, color: dict, form: str):
    """A map from below to above, with the number in each of its fields."""
    image = axes.imshow(numbers, origin="lower", aspect="auto", **color)
    for (row, column), number in np.ndenumerate(numbers):
        red, green, blue, _ = image.cmap(image.norm(number))
        letters = "black" if 0.3 * red + 0.6 * green + 0.1 * blue > 0.5 or np.isnan(number) else "white"
        text = "–" if np.isnan(number) else form.format(number).replace("-0.00", "0.00")
        axes.text(column, row, text, ha="center", va="center", size=7, color=letters)
    return image


def mark_phases(axes, phases: Phases | None) -> None:
    """The plateau, if there is one, as a band."""
    if phases and phases.plateau_end is not None:
        mark_plateau(axes, phases.plateau_start, phases.plateau_end)


def plateau_note(phases: Phases | None) -> str:
    """Under a figure of one run with `layers_by_steps`."""
    return "dashed lines in the maps: the plateau begins and ends" if phases and phases.plateau_start else "one run"


def words_of(position: str) -> str:
    """Of a position, or of several that a user put together."""
    return WORDS.get(position, position.replace("_", " "))


def wrapped(position: str) -> str:
    """Words of a position in two lines, for the side of a map."""
    *words, last = words_of(position).split()
    return f"{' '.join(words)}\n{last}"
