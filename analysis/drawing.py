"""What all figures share: their size, colors by role, runs with all their seeds, a legend that fits, files."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.ticker import FuncFormatter
from PIL import Image

from analysis.curves import GROUPS, curves, groups_of, label_of_x
from analysis.formats import further_formats
from analysis.statistics import UNBOUNDED, Bounds, mean_interval
from run_directory.layout import replace_text
from run_directory.records import Run

# Inches; a README shows an inch in about 100 pixels, so that its smallest letters are 11 of them high.
WIDTH = 8.3
_FONTS = {"font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8,
          "legend.fontsize": 8.5, "legend.title_fontsize": 8.5}  # fmt: skip

# One color for one thing in all figures, told apart by color-blind readers too (Okabe and Ito's, and Tol's).
ROLES = {
    "seen": "#0072B2",
    "unseen": "#D55E00",
    "new": "#009E73",
    "rare": "#CC79A7",
    "baseline": "#666666",
    "plateau": "#DADADA",
    "old": "#882255",
    "memorized": "#56B4E9",
    "asked": "#332288",
    "unasked": "#C77C00",
    "unchanged": "#000000",
    "less": "#2A9D9D",
    "more": "#882255",
    "other": "#882255",
    "adamw": "#332288",
    "muon": "#C77C00",
    "name": "#2A9D9D",
    "value": "#882255",
}
_GROUP_LINES = {"seen": "-", "unseen": "--", "new": "-.", "rare": "-.", "old": ":", "memorized": (0, (1, 1)),
                "asked": (0, (5, 1)), "unasked": (0, (5, 1, 1, 1, 1, 1))}  # fmt: skip
GROUP_STYLES = {
    group: {"color": ROLES[group], "linestyle": _GROUP_LINES[group], "label": who} for group, who in GROUPS.items()
}
# Of groups that have no role and no order; lines differ as well, for a print in gray.
_COLORS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9")
_LINES = ("-", "--", "-.", (0, (1.5, 1.5)))
MARKERS = "osD^vP*Xhpd<>8"

Groups = dict[str, list[Run]]
Look = Mapping[str, dict]  # color and line of each group


def group_styles(run: Run) -> dict[str, dict]:
    """Color, line and name of each group that a run measured; stages of fine-tuning from dark to light."""
    called = groups_of(run)
    colors = iter(shades(len(called)))
    stage = {"linestyle": (0, (3, 1, 1, 1))}
    return {
        group: GROUP_STYLES.get(group) or stage | {"color": to_hex(next(colors)), "label": words}
        for group, words in called.items()
    }


def style(number: int) -> dict:
    """Color and line of a group; 28 differ."""
    return {"color": _COLORS[number % len(_COLORS)], "linestyle": _LINES[number % len(_LINES)]}


def styles(names: Iterable[str], ordered: bool = False) -> dict[str, dict]:
    """Color and line of each group; from dark to light where groups have an order."""
    names = list(names)
    if not ordered:
        return {name: style(number) for number, name in enumerate(names)}
    return {name: {"color": color} for name, color in zip(names, shades(len(names)), strict=True)}


def shades(n: int) -> np.ndarray:
    """(n, 4) colors of an ordered quantity, from dark to light; the lightest can still be seen on white."""
    return plt.get_cmap("viridis")(np.linspace(0, 0.8, n))


def panels(rows: int, columns: int, height: float, width: float = WIDTH, **how):
    """A figure and its axes, in letters that can be read at the width of a README; arguments of `plt.subplots`."""
    with plt.rc_context(_FONTS):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **how)
    for one in np.ravel(axes):
        one.tick_params(labelsize=_FONTS["xtick.labelsize"])
    return figure, axes


def name_panels(axes: Iterable, names: Iterable[str]) -> None:
    """A letter, and what is measured, above each panel: a long name has more room there than along its side."""
    for letter, one, name in zip("abcdefghijklmnop", axes, names, strict=False):
        one.set_title(rf"$\bf{{{letter}}}$  {name}", loc="left", fontsize=9.5)


def draw_runs(axes, runs: Sequence[Run], key: str, x: str = "steps", **how) -> None:
    """A metric over training (x of `curves`): the mean over runs, and each run as a thin line.

    Where runs have one or two evaluations only, they are dots.
    """
    places, values = curves(runs, key, x)
    dots = {"marker": "o", "markersize": 4} if values.shape[1] < 3 else {}
    (line,) = axes.plot(places.mean(axis=0), values.mean(axis=0), **{"linewidth": 1.8} | dots | how)
    if len(runs) > 1:
        axes.plot(places.T, values.T, color=line.get_color(), linewidth=0.6, alpha=0.45, zorder=1.5)


def seeds_note(groups: Iterable[Sequence]) -> str:
    """What lines of `draw_runs` are, for the figure itself."""
    numbers = [len(group) for group in groups]
    if max(numbers) == 1:
        return "one seed each" if len(numbers) > 1 else "one seed"
    return f"thick lines: mean of {n_seeds(numbers)}; thin lines: each seed"


def n_seeds(numbers: Iterable[int]) -> str:
    """`n = 3 seeds`, or `n = 3 to 5 seeds` where groups differ."""
    least, most = min(numbers := list(numbers)), max(numbers)
    return f"n = {most} seed{'s' * (most > 1)}" if least == most else f"n = {least} to {most} seeds"


def draw_interval(
    axes, place: float, values: Sequence[float], bounds: Bounds = UNBOUNDED, upright: bool = True,
    seeds_at: float | None = None, **how,
) -> None:  # fmt: skip
    """Mean and 95% interval over seeds as a dot with a bar at a place; each seed as a small cross, there or beside.

    Args:
        axes: of a panel.
        place: of dot and bar, along x.
        values: one of each seed.
        bounds: what values can be, of `mean_interval`.
        upright: False turns x and y.
        seeds_at: place of the crosses; that of the bar if None.
        how: color, and more of `errorbar`.
    """
    mean, low, high = mean_interval(values, bounds)
    bar = None if np.isnan(low) else [[mean - low], [high - mean]]
    crosses = np.full(len(values), place if seeds_at is None else seeds_at)
    points, error = ((place, mean), {"yerr": bar}) if upright else ((mean, place), {"xerr": bar})
    axes.errorbar(*points, **error, **{"marker": "o", "markersize": 5, "capsize": 3, "linestyle": "none"} | how)
    axes.plot(*((crosses, values) if upright else (values, crosses)), "x", markersize=4, alpha=0.7, color=how["color"])


def intervals_note(groups: Iterable[Sequence]) -> str:
    """What `draw_interval` draws, for the figure itself."""
    return f"dots and bars: mean and 95% interval of {n_seeds(map(len, groups))}; crosses: each seed"


def mark_baseline(axes, value: float, name: str = "no-knowledge baseline") -> None:
    """A dotted line; its name goes into the legend, where no curve strikes it through."""
    axes.axhline(value, color=ROLES["baseline"], linestyle=":", linewidth=1.4, label=name)


def mark_plateau(axes, begin: float, end: float) -> None:
    """A gray band; its name goes into the legend."""
    axes.axvspan(begin, end, color=ROLES["plateau"], zorder=0, linewidth=0, label="plateau")


def legend(figure, note: str = "", columns: int = 4, axes: Iterable | None = None) -> None:
    """One legend below all panels, each name once: as many columns as fit, long names wrapped, the figure made as much
    higher as it needs.

    Args:
        note: what lines, bars and dots are, with the number of seeds.
        axes: whose names; of all panels if None.
    """
    named: dict[str, object] = {}
    for one in figure.axes if axes is None else axes:
        for handle, name in zip(*one.get_legend_handles_labels(), strict=True):
            named.setdefault(name, handle)
    room, letters = figure.get_figwidth() - 0.1, int(15 * figure.get_figwidth())
    how = {"loc": "outside lower center", "fontsize": 8.5, "title_fontsize": 8.5, "handlelength": 2.8, "frameon": False}
    number = min(columns, max(1, len(named)))
    while True:
        names = [fill(name, letters) for name in named]
        key = figure.legend(named.values(), names, title=fill(note, letters), ncols=number, **how)
        width, height = (size / figure.dpi for size in key.get_window_extent().size)
        if width <= room:
            break
        key.remove()
        number, letters = (number - 1, letters) if number > 1 else (1, int(0.9 * letters))
    key.get_title().set_multialignment("center")
    figure.set_figheight(figure.get_figheight() + height)


def label_x(axes, runs: Sequence[Run], x: str = "steps") -> None:
    """What goes along the axis; steps of a fine-tuning on a logarithmic scale, as most is lost in its first ones."""
    tuned = bool(runs[0].finetune_group)
    axes.set_xlabel(label_of_x(x, tuned))
    if tuned and x == "steps":
        steps_on_a_log_scale(axes)


def steps_on_a_log_scale(axes) -> None:
    """A logarithmic axis of steps that has a place for step 0."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    last = axes.get_xlim()[1]
    ticks = [0, *(10**power for power in range(7) if 10**power <= last)]
    axes.set_xticks(ticks, minor=False)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))


def save(figure, path: Path) -> None:
    """Write a figure as PNG, and in the formats of `also_as` beside it, and forget it."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=150)
    # 256 colors are enough for lines on white, in a third of the bytes.
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    with plt.rc_context({"pdf.fonttype": 42, "svg.hashsalt": path.name}):  # fonts that publishers take; the same ids
        for form, metadata in further_formats().items():
            figure.savefig(path.with_suffix(f".{form}"), metadata=metadata)
    plt.close(figure)


def save_all(folder: Path, figures: Mapping, table: str) -> None:
    """Write `<name>.png` of each figure, and table.md; print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save(figure, folder / f"{name}.png")
    replace_text(folder / "table.md", table + "\n")
    print(table)
