"""What every figure must hold to."""

from itertools import combinations

from matplotlib.transforms import Bbox


def check_readable(figure):
    """Nothing that is drawn, legends and letters included, is cut off by the canvas; no panel covers another."""
    figure.draw_without_rendering()
    canvas, drawn = figure.get_size_inches(), figure.get_tightbbox()
    cut = (drawn.x0, drawn.y0, canvas[0] - drawn.x1, canvas[1] - drawn.y1)
    assert min(cut) > -0.01, f"inches left at left, bottom, right, top: {cut}"
    boxes = {f"panel {n}": axes.get_tightbbox() for n, axes in enumerate(figure.axes) if axes.get_visible()}
    boxes |= {f"legend {n}": legend.get_window_extent() for n, legend in enumerate(figure.legends)}
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        both = Bbox.intersection(a, b)
        assert both is None or min(both.size) < 2, f"{one} and {other} overlap by {both.size} dots"


def legend_texts(figure):
    """The names in the one legend of a figure; the last one is its note."""
    (legend,) = figure.legends
    return [text.get_text() for text in legend.texts] + [legend.get_title().get_text()]


def lines(axes):
    """The lines of a panel that have a name, as (x, y); each seed's have none."""
    named = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    return {name: (list(line.get_xdata()), list(line.get_ydata())) for name, line in named.items()}
