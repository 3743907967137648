"""Several runs side by side: grouped by what differs between them, seeds apart."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from analysis.drawing import Groups, band, mark_baseline, save_all, style
from analysis.finetuning import end_points, finetuning_curves, finetuning_table, frontier, trade_off
from analysis.phases import phases_of
from analysis.statistics import SHARE, interval_text, markdown
from command_line import UserError
from run_directory.layout import DATASET
from run_directory.manifests import sha256
from run_directory.records import Run, baseline, last
from settings import SAME_EXPERIMENT, kept, role
from settings.declare import Role


def grouped(runs: Iterable[Run]) -> Groups:
    """Runs of the same settings, seeds apart, under a name that says in what they differ from the others."""
    runs = list(runs)
    keys = sorted(
        set().union(*(run.config for run in runs)) - SAME_EXPERIMENT, key=lambda key: (key != "schedule", key)
    )
    varying = [key for key in keys if len({_value(run, key) for run in runs}) > 1]
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(_value(run, key) for key in varying), []).append(run)
    return {", ".join(_words(group[0], key) for key in varying) or "all runs": group for group in groups.values()}


def _value(run: Run, key: str) -> str:
    """A setting. Of texts, what they hold: one path may hold others later, and two paths the same. What a sweep made
    with the same seed is the same for all seeds.
    """
    value = str(run.config.get(key))
    if role(key) is Role.INPUT:
        value = value.replace(f"seed{run.config.get('seed')}", "seed")
    return _digest(run, key) or value


def _words(run: Run, key: str) -> str:
    """A setting, for the name of a group; of texts, where they lay and what tells them from others that lay there."""
    digest = _digest(run, key)
    return f"{key} {run.config.get(key)} ({digest})" if digest else f"{key} {_value(run, key)}"


def _digest(run: Run, key: str) -> str | None:
    """The beginning of a sha256 of the texts that a run keeps (`none` without any); None if it keeps no such ones."""
    if not kept(key) or not (run.path / DATASET).is_dir():
        return None
    place = run.path / kept(key)
    files = [file for file in (place, *sorted(place.glob("[!.]*"))) if file.is_file()]
    texts = [f"{file.name} {sha256(file.read_bytes())}" for file in files]
    return sha256("\n".join(texts).encode())[:8] if texts else "none"


def compare_curves(groups: Groups):
    """Attribute loss and accuracy of seen people over steps: mean over seeds, and their range shaded."""
    figure, (loss, accuracy) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for number, (name, runs) in enumerate(groups.items()):
        for axes, metric in ((loss, "loss"), (accuracy, "accuracy")):
            band(axes, runs, f"seen_attribute_{metric}", label=name, **style(number))
    first = next(iter(groups.values()))[0]
    mark_baseline(loss, baseline(first))
    loss.set(xlabel="training step", ylabel="attribute loss (nats)", ylim=(0, 2 * baseline(first)))
    accuracy.set(xlabel="training step", ylabel="attribute accuracy", ylim=(0, None))
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(*loss.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    return figure


def compare_individuals(groups: Groups, n_bins: int = 8):
    """Accuracy of single individuals at the end against how often they were drawn: means of equally large bins."""
    figure, axes = plt.subplots(figsize=(7, 4.6), layout="constrained")
    seen: list[float] = []
    for number, (name, runs) in enumerate(groups.items()):
        tables = [run.individuals for run in runs if run.individuals]
        if tables:
            times, accuracies = (
                np.concatenate([table[key] for table in tables]) for key in ("times_drawn", "attribute_accuracy")
            )
            bins = np.array_split(times.argsort(kind="stable"), n_bins)
            points = [(times[b].mean(), accuracies[b].mean()) for b in bins if len(b)]
            seen += [times for times, _ in points]
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name, **style(number))
    axes.set(xlabel="times drawn in training (mean of an eighth of the individuals)", ylabel="attribute accuracy")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks([0, *(digit * 10**power for power in range(6) for digit in (1, 2, 5))])
    axes.set(xlim=(0.9 * min(seen), 1.1 * max(seen)), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    return figure


def compare_table(groups: Groups) -> str:
    """Plateau end, final attribute loss and accuracy of each group, as Markdown; 95% intervals over seeds."""
    rows = []
    for name, runs in groups.items():
        ends = [plateau_end(run) for run in runs]
        loss, accuracy = ([last(run, f"seen_attribute_{metric}") for run in runs] for metric in ("loss", "accuracy"))
        cells = interval_text(ends, "{:.0f}"), interval_text(loss, "{:.3f}"), interval_text(accuracy, "{:.1%}", SHARE)
        rows.append((name, len(runs), *cells))
    header = ("runs", "seeds", "plateau ends (step)", "attribute loss (nats)", "attribute accuracy")
    return markdown(header, rows)


def plateau_end(run: Run) -> float | None:
    """The step at which a run left the plateau (docs/DEFINITIONS.md)."""
    return phases_of(run).plateau_end


def write_comparison(runs: list[Run], folder: Path) -> None:
    """Write figures and `table.md`; print the table.

    Pre-trainings give `learning_curves.png` and, where runs recorded it, `individuals.png`; fine-tunings give
    `finetuning.png`, `trade_off.png` and `frontier.png`.

    Raises:
        UserError: runs of both kinds.
    """
    if len({run.finetune_group for run in runs}) > 1:
        raise UserError("compare either pre-trainings or fine-tunings of one kind (individuals_finetune), not both")
    groups = grouped(runs)
    if runs[0].finetune_group:
        figures = {"finetuning": finetuning_curves(groups), "trade_off": trade_off(groups)}
        save_all(folder, figures | {"frontier": frontier(end_points(groups))}, finetuning_table(groups))
    else:
        figures = {"individuals": compare_individuals(groups)} if any(run.individuals for run in runs) else {}
        save_all(folder, figures | {"learning_curves": compare_curves(groups)}, compare_table(groups))
    print(f"figures: {folder}")
