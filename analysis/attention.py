"""Figures of attention: its signatures over training (paper, Fig. 3 right and Fig. F), and that of one biography."""

import matplotlib.pyplot as plt
import numpy as np

from analysis.drawing import band, mark_baseline, steps_on_a_log_scale
from analysis.phases import phases_of
from run_directory.records import Run, baseline

_PANELS = {
    "name_grouping": "name grouping: last name token to the others",
    "value_to_name": "extraction: value's place to name tokens",
    "value_to_text": "value's place to text tokens",
    "sharpness": "sharpness: entropy / uniform entropy",
    "gradient_to_names": "gradient norm at names / at values' places",
}
_KINDS = {"text": "#000000", "name": "#0072B2", "value": "#D55E00"}


def signature_figure(runs: list[Run]):
    """Attribute loss and, of each layer, the signatures over steps; the plateau is shaded.

    Args:
        runs: of one setting; means over them, and their range shaded.
    """
    figure, panels = plt.subplots(2, 3, figsize=(12, 7.4), layout="constrained")
    loss, *others = panels.ravel()
    band(loss, runs, "seen_attribute_loss", color=_KINDS["text"])
    mark_baseline(loss, baseline(runs[0]))
    loss.set_ylabel("attribute loss (nats)")
    layers = layers_of(runs[0])
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(layers)))
    for axes, (name, label) in zip(others, _PANELS.items(), strict=True):
        if not len(runs[0].curve(f"layer_1_{name}")[0]):  # a model without attention
            axes.set_visible(False)
            continue
        for layer, color in zip(layers, colors, strict=True):
            band(axes, runs, f"layer_{layer}_{name}", color=color, label=f"layer {layer}")
        axes.set_ylabel(label, fontsize="small")
    for axes in panels.ravel():
        axes.set(xlabel="training step", ylim=(0, None))
        if runs[0].finetune_group:
            steps_on_a_log_scale(axes)
            axes.set_xlabel("fine-tuning step")
        else:
            _mark_plateau(axes, runs)
    figure.legend(*others[-1].get_legend_handles_labels(), loc="outside upper center", ncols=8)
    return figure


def layers_of(run: Run) -> list[int]:
    """The layers of which a run recorded signatures, or without attention gradients alone, from 1 on."""
    keys = (key for record in run.records for key in record if key.endswith("_gradient_to_names"))
    return sorted({int(key.split("_")[1]) for key in keys})


def _mark_plateau(axes, runs: list[Run]) -> None:
    """Where it begins and ends, means over runs; nothing if one of them did not come that far."""
    phases = [phases_of(run) for run in runs]
    if all(phase.plateau_end is not None for phase in phases):
        begin, end = (np.mean([getattr(p, edge) for p in phases]) for edge in ("plateau_start", "plateau_end"))
        axes.axvspan(begin, end, color="#D9D9D9", zorder=0, linewidth=0)
        axes.text(
            (begin + end) / 2, 1.02, "plateau", transform=axes.get_xaxis_transform(), ha="center", fontsize="small"
        )


def heat_map(attention: np.ndarray, tokens: list[str], kinds: list[str]):
    """Attention in one text, a panel for each layer (from top to bottom) and head.

    Args:
        attention: (layers, heads, tokens, tokens) probabilities; a row is what a token attends to.
        tokens: the text.
        kinds: `text`, `name` or `value` of each token, which colors it.
    """
    n_layers, n_heads, length, _ = attention.shape
    size = 1.2 + 0.11 * length
    figure, panels = plt.subplots(
        n_layers, n_heads, figsize=(size * n_heads, size * n_layers), squeeze=False, layout="constrained"
    )
    for (layer, head), axes in np.ndenumerate(panels):
        image = axes.imshow(attention[layer, head], cmap="Greys", vmin=0, vmax=1)
        axes.set_title(f"layer {layer + 1}, head {head + 1}", fontsize="small")
        for axis, side in ((axes.xaxis, "bottom"), (axes.yaxis, "left")):
            axis.set_ticks(range(length), tokens, fontsize=6, rotation=90 if side == "bottom" else 0)
            for text, kind in zip(axis.get_ticklabels(), kinds, strict=True):
                text.set_color(_KINDS[kind])
    figure.colorbar(image, ax=panels, shrink=0.6, label="attention paid by the token on the left")
    return figure
