"""How sure models are of what they say about people they have read of, and about others (paper, Fig. 5 and Fig. M)."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.drawing import COLORS, GROUP_STYLES, band, mark_baseline, steps_on_a_log_scale
from run_directory.records import Run, baseline

_PANELS = {
    "attribute_loss": "attribute loss (nats)",
    "top_probability": "probability of the likeliest answer",
    "entropy": "entropy of the answer (nats)",
    "calibration_error": "calibration error",
}
_SCORES = {"top_probability": "likeliest probability", "entropy": "entropy"}


def hallucination_figure(runs: list[Run]):
    """Loss, confidence, entropy and calibration over steps; how well confidence detects; risk against coverage.

    Args:
        runs: of one setting; means over them, and their range shaded.
    """
    figure, panels = plt.subplots(2, 3, figsize=(12, 6.6), layout="constrained")
    axes = panels.ravel()
    for ax, (metric, label) in zip(axes, _PANELS.items(), strict=False):
        for group in ("seen", "unseen"):
            band(ax, runs, f"{group}_{metric}", **GROUP_STYLES[group])
        ax.set(ylabel=label, ylim=(0, None))
    mark_baseline(axes[0], baseline(runs[0]))
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    _detection(axes[4], runs)
    for ax in axes[:5]:
        ax.set_xlabel("fine-tuning step" if runs[0].finetune_group else "training step")
        if runs[0].finetune_group:
            steps_on_a_log_scale(ax)
    _risk(axes[5], [run for run in runs if run.hallucination])
    return figure


def _detection(axes, runs: list[Run]) -> None:
    for number, (score, label) in enumerate(_SCORES.items()):
        band(axes, runs, f"unseen_auroc_{score}", color=COLORS[number + 2], label=label)
    axes.axhline(0.5, color="gray", linestyle=":", linewidth=1.2)
    axes.set(ylabel="seen or unseen? AUROC by", ylim=(0.4, 1.02))
    axes.legend(loc="lower right", fontsize="small")


def _risk(axes, runs: list[Run]) -> None:
    """At the end of the runs, answers about equally many seen and unseen people."""
    axes.set(xlabel="answers given, the most confident first", ylabel="wrong answers among them", xlim=(0, 1))
    for percent in (axes.xaxis, axes.yaxis):
        percent.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(0, 1)
    if runs:
        coverage = runs[0].hallucination["risk_coverage"]["coverage"]
        risks = np.array([np.interp(coverage, *_curve(run)) for run in runs])
        axes.plot(coverage, risks.mean(0), color=COLORS[4], linewidth=1.8, label="by confidence")
        axes.fill_between(coverage, risks.min(0), risks.max(0), color=COLORS[4], alpha=0.15, linewidth=0)
        axes.axhline(risks[:, -1].mean(), color="gray", linestyle=":", linewidth=1.2, label="at random")
        axes.legend(loc="best", fontsize="small")


def _curve(run: Run) -> tuple[list[float], list[float]]:
    curve = run.hallucination["risk_coverage"]
    return curve["coverage"], curve["risk"]
