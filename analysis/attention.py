"""Figures of attention: its signatures over training (paper, Fig. 3 right and Fig. F), and that of one biography."""

import numpy as np

from analysis.drawing import (
    ROLES,
    WIDTH,
    draw_runs,
    label_x,
    legend,
    mark_baseline,
    mark_plateau,
    name_panels,
    panels,
    seeds_note,
    shades,
)
from analysis.phases import phases_of
from run_directory.records import Run, baseline

_PANELS = {
    "name_grouping": "name grouping: last name token to other ones",
    "name_grouping_first": "name grouping, of first mentions alone",
    "value_to_name": "extraction: where a value is said, to the name",
    "value_to_text": "where a value is said, to text that is no name",
    "value_to_type": "where a value is said, to what tells the attribute",
    "sharpness": "entropy / uniform entropy (lower: sharper)",
    "gradient_to_names": "gradient norm: names / where values are said",
}
_KINDS = {"text": "#000000", "name": ROLES["name"], "value": ROLES["value"]}


def signature_figure(runs: list[Run]):
    """Attribute loss and, of each layer, the signatures over steps; the plateau is shaded.

    Args:
        runs: of one setting; means over them, and each of them.
    """
    # A model without attention has no signatures of it, an older run not all of them.
    shown = {name: title for name, title in _PANELS.items() if len(runs[0].curve(f"layer_1_{name}")[0])}
    n_rows = len(shown) // 2 + 1
    figure, axes = panels(n_rows, 2, 2.4 * n_rows)
    loss, *others = axes.flat
    draw_runs(loss, runs, "seen_attribute_loss", color=ROLES["seen"], label="seen people")
    mark_baseline(loss, baseline(runs[0]))
    name_panels(axes.flat[: len(shown) + 1], ["attribute loss (nats)", *shown.values()])
    layers = layers_of(runs[0])
    lines = ("-", "--", "-.", ":")
    for one in others[len(shown) :]:
        one.set_visible(False)
    for one, name in zip(others, shown, strict=False):
        for number, (layer, color) in enumerate(zip(layers, shades(len(layers)), strict=True)):
            how = {"color": color, "linestyle": lines[number % 4], "label": f"layer {layer}"}
            draw_runs(one, runs, f"layer_{layer}_{name}", **how)
    for one in axes.flat:
        one.set_ylim(0, None)
        label_x(one, runs)
        if not runs[0].finetune_group:
            _mark_plateau(one, runs)
    legend(figure, seeds_note([runs]), columns=6)
    return figure


def layers_of(run: Run) -> list[int]:
    """The layers of which a run recorded signatures, or without attention gradients alone, from 1 on."""
    keys = (key for record in run.records for key in record if key.endswith("_gradient_to_names"))
    return sorted({int(key.split("_")[1]) for key in keys})


def _mark_plateau(axes, runs: list[Run]) -> None:
    """Where it begins and ends, means over runs; nothing if one of them did not come that far."""
    phases = [phases_of(run) for run in runs]
    if all(phase.plateau_end is not None for phase in phases):
        mark_plateau(axes, *(np.mean([getattr(p, edge) for p in phases]) for edge in ("plateau_start", "plateau_end")))


def heat_map(attention: np.ndarray, tokens: list[str], kinds: list[str]):
    """Attention in one text, a panel for each layer and head, two in a row.

    Args:
        attention: (layers, heads, tokens, tokens) probabilities; a row is what a token attends to.
        tokens: the text.
        kinds: `text`, `name` or `value` of each token, which colors it.
    """
    n_layers, n_heads, length, _ = attention.shape
    columns = min(2, n_layers * n_heads)
    rows = -(-n_layers * n_heads // columns)
    size = max(WIDTH / 2 - 0.5, 0.125 * length)
    figure, axes = panels(rows, columns, size * rows + 1.5, size * columns + 1, squeeze=False)
    for number, (place, one) in enumerate(zip(np.ndindex(n_layers, n_heads), axes.flat, strict=False)):
        image = one.imshow(attention[place], cmap="Greys", vmin=0, vmax=1)
        one.set_title(f"layer {place[0] + 1}, head {place[1] + 1}", fontsize=9.5)
        for axis, side in ((one.xaxis, "bottom"), (one.yaxis, "left")):
            axis.set_ticks(range(length), tokens, fontsize=7.5, rotation=90 if side == "bottom" else 0)
            for text, kind in zip(axis.get_ticklabels(), kinds, strict=True):
                text.set_color(_KINDS[kind])
        one.tick_params(labelleft=number % columns == 0, labelbottom=number + columns >= n_layers * n_heads)
    for one in axes.flat[n_layers * n_heads :]:
        one.remove()
    for kind, color in _KINDS.items():
        axes[0, 0].plot([], [], "s", color=color, label=kind)
    how = {"location": "top", "shrink": 0.5, "aspect": 40}
    figure.colorbar(image, ax=axes, label="attention paid by the token on the left to the one below", **how)
    legend(figure, "color of a token: what it is part of")
    return figure
