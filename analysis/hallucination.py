"""How sure models are of what they say about people they have read of, and about others (paper, Fig. 5 and Fig. M)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.curves import is_percentage
from analysis.drawing import (
    GROUP_STYLES,
    ROLES,
    draw_runs,
    label_x,
    legend,
    mark_baseline,
    name_panels,
    panels,
    seeds_note,
)
from run_directory.records import Run, baseline

_PANELS = {
    "attribute_loss": "attribute loss (nats)",
    "top_probability": "probability of the likeliest answer",
    "entropy": "entropy of the answer (nats)",
    "calibration_error": "calibration error: |confidence − accuracy|",
}
_SCORES = {
    "top_probability": {"color": "#000000", "label": "told by the likeliest answer's probability"},
    "entropy": {"color": "#8C6D00", "linestyle": "--", "label": "told by the answer's entropy"},
}
_AT_LAST = ("telling seen from unseen people (AUROC)", "wrong among the answers given, at the end")
_FEWEST = 0.05  # of the answers: a share of wrong ones among fewer is that of a handful


def hallucination_figure(runs: Sequence[Run]):
    """Loss, confidence, entropy and calibration over steps, of new people too if some are taught; how well confidence
    detects; risk against coverage.

    Args:
        runs: of one setting; means over them, and each of them.
    """
    figure, axes = panels(3, 2, 7.2)
    *over_time, detection, risk = axes.flat
    for one, metric in zip(over_time, _PANELS, strict=True):
        for group in ("seen", "unseen", runs[0].finetune_group):
            if group and len(runs[0].curve(f"{group}_{metric}")[0]):
                draw_runs(one, runs, f"{group}_{metric}", **GROUP_STYLES[group])
        one.set_ylim(0, None)
        if is_percentage(f"seen_{metric}"):
            one.yaxis.set_major_formatter(PercentFormatter(1))
    mark_baseline(over_time[0], baseline(runs[0]))
    for score, how in _SCORES.items():
        draw_runs(detection, runs, f"unseen_auroc_{score}", **how)
    mark_baseline(detection, 0.5, "by chance")
    detection.set_ylim(0.4, 1.02)
    for one in (*over_time, detection):
        label_x(one, runs)
    _risk(risk, [run for run in runs if run.hallucination])
    name_panels(axes.flat, [*_PANELS.values(), *_AT_LAST])
    legend(figure, seeds_note([runs]), columns=3)
    return figure


def _risk(axes, runs: Sequence[Run]) -> None:
    """At the end of the runs, answers about equally many seen and unseen people."""
    axes.set(xlabel="answers given, the most confident ones first", xlim=(0, 1), ylim=(0, 1))
    for percent in (axes.xaxis, axes.yaxis):
        percent.set_major_formatter(PercentFormatter(1))
    if runs:
        coverage = np.array(runs[0].hallucination["risk_coverage"]["coverage"])
        coverage = coverage[coverage >= _FEWEST]
        risks = np.array([np.interp(coverage, *_curve(run)) for run in runs])
        how = {"color": "#000000"}
        axes.plot(coverage, risks.mean(0), linewidth=1.8, **how)
        axes.plot(coverage, risks.T, linewidth=0.6, alpha=0.45, **how)
        axes.axhline(risks[:, -1].mean(), color=ROLES["baseline"], linestyle=":", linewidth=1.4)


def _curve(run: Run) -> tuple[list[float], list[float]]:
    curve = run.hallucination["risk_coverage"]
    return curve["coverage"], curve["risk"]
