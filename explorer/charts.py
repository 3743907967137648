"""Numbers as HTML and SVG, by templates that escape all they are given: no text of a run becomes markup."""

from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.drawing import ROLES, style
from explorer.views import N_BINS, Lines

TEMPLATES = Path(__file__).parent / "templates"
# Of a chart, in units of which a phone shows about one per pixel.
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 340, 190, 40, 24, 8
_DASHES = ("", "6 3", "8 2 2 2", "2 2")  # of seen, unseen, new, rare people, or of runs
_PHASES = ("1 statistics", "2 plateau", "3 knowledge")


def _percent(share: float) -> str:
    """A probability or share in words."""
    return "<0.1%" if 0 < share < 0.0005 else f"{100 * share:.{0 if share >= 0.0995 or not share else 1}f}%"


_ENVIRONMENT = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
                           trim_blocks=True, lstrip_blocks=True)  # fmt: skip
_ENVIRONMENT.filters["percent"] = _percent
_ENVIRONMENT.globals |= {"ROLES": ROLES, "size": (WIDTH, HEIGHT, LEFT, BOTTOM, TOP)}


def render(template: str, **values) -> str:
    """A template of this room as HTML."""
    return _ENVIRONMENT.get_template(f"{template}.html").render(**values)


def line_chart(panel: Lines, cursor: float | None = None, plateau: tuple | None = None, by_role: bool = True) -> dict:
    """What the template `chart` draws of curves: everything in its coordinates.

    Args:
        panel: the curves.
        cursor: a step to mark.
        plateau: its begin and end in steps, None where the run did not come there.
        by_role: whether lines are groups of people, which have colors of their own; else they are of runs.
    """
    last = max(steps[-1] for steps, *_ in panel.lines.values()) or 1
    highest = max(high.max() for *_, high in panel.lines.values())
    # Where training begins the loss is of no interest, if it comes down; the baseline is drawn where it is, also above.
    ends = max(high[-1] for *_, high in panel.lines.values())
    top = min(max(highest, 1.1 * panel.baseline), max(2 * panel.baseline, 1.1 * ends)) if panel.baseline else highest
    top = 1.0 if "accuracy" in panel.title else max(top, 0.0)
    low = min(0.0, *(values.min() for _, _, values, _ in panel.lines.values()))
    low = max(low, -top) if top else min(low, -1e-9)
    x = lambda step: LEFT + (WIDTH - LEFT - 8) * np.asarray(step, float) / last  # noqa: E731
    y = lambda v: HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (np.clip(v, low, top) - low) / (top - low)  # noqa: E731
    lines = []
    for number, (name, (steps, means, lows, highs)) in enumerate(panel.lines.items()):
        look = {"color": ROLES[name]} if by_role and name in ROLES else style(number)
        color = look["color"].replace("#000000", "currentColor")  # of letters, which a dark page has light
        band = _points(np.append(x(steps), x(steps)[::-1]), np.append(y(highs), y(lows)[::-1]))
        now = float(np.interp(cursor, steps, means)) if cursor is not None else float(means[-1])
        dash = _DASHES[number % 4]
        lines.append({"name": name, "color": color, "points": _points(x(steps), y(means)), "now": now,
                      "band": band if (highs > lows).any() else "", "dash": dash})  # fmt: skip
    bands = []
    if plateau:
        edges = [0, *(last if edge is None else min(edge, last) for edge in plateau), last]
        for name, begin, end in zip(_PHASES, edges, edges[1:], strict=False):
            if end > begin:
                bands.append({"name": name, "x": float(x(begin)), "width": float(x(end) - x(begin))})
    is_share = "accuracy" in panel.title
    ticks = [(float(y(v)), f"{v:.0%}" if is_share else f"{v:.3g}") for v in np.linspace(low, top, 5)]
    return {"title": panel.title, "lines": lines, "bands": bands, "ticks": ticks, "is_share": is_share,
            "cursor": None if cursor is None else float(x(cursor)), "step": cursor,
            "baseline": None if panel.baseline is None else float(y(panel.baseline)),
            "x_ticks": [(float(x(s)), f"{s:,.0f}") for s in (0, last / 2, last)]}  # fmt: skip


def histogram(counts: dict[str, np.ndarray], threshold: float) -> dict:
    """What the template `confidence` draws of shares of answers by confidence."""
    top, width = max(c.max() for c in counts.values()), (WIDTH - LEFT - 8) / N_BINS
    height, bars = HEIGHT - BOTTOM - TOP, []
    for offset, (group, shares) in enumerate(counts.items()):
        for place, share in enumerate(shares):
            tall = float(height * share / top)
            bars.append({"x": LEFT + width * (place + 0.1 + 0.4 * offset), "y": TOP + height - tall,
                         "width": 0.4 * width, "height": tall, "color": ROLES[group]})  # fmt: skip
    return {"bars": bars, "threshold": LEFT + (WIDTH - LEFT - 8) * threshold, "top": float(top)}


def risk_line(coverage: np.ndarray, risk: np.ndarray, given: float) -> dict:
    """What the template `confidence` draws of risk over coverage."""
    x, y = LEFT + (WIDTH - LEFT - 8) * coverage, TOP + (HEIGHT - BOTTOM - TOP) * (1 - risk)
    chosen = np.linspace(0, len(x) - 1, min(len(x), 200)).astype(int)
    return {"points": _points(x[chosen], y[chosen]), "given": LEFT + (WIDTH - LEFT - 8) * given}


def _points(xs, ys) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(np.atleast_1d(xs), np.atleast_1d(ys), strict=True))
