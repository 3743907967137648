"""Figures, table and claims of this experiment, from results/ alone."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from analysis.drawing import (
    ROLES,
    draw_interval,
    draw_runs,
    intervals_note,
    legend,
    name_panels,
    panels,
    seeds_note,
    style,
)
from analysis.sequential import Visits, sequential_figure, visits_of
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish

PERCENT = (0.0, 100.0)
VARIANTS = ("cosine-4", "constant-4", "cosine-16", "constant-16", "alternating")
LOOKED_AT, EXTRACTION = "attention-4", "layer_2_value_to_name"
Groups = dict[str, list[Result]]


def main(folder: Path) -> None:
    """Write results/*.png, table.md and claims.json."""
    results = load_results(folder)
    groups = {variant: [r for r in results if r.variant == variant] for variant in VARIANTS}
    groups = {variant: found for variant, found in groups.items() if found}
    looked_at = [r for r in results if r.variant == LOOKED_AT]
    shown = {name: groups[name][0] for name in ("cosine-4", "cosine-16", "alternating") if name in groups}
    figures = {name: sequential_figure(result.run, _visits(result)) for name, result in shown.items()}
    figures["sequential"] = draw(groups)
    if looked_at:
        figures["attention"] = attention(looked_at)
    publish(folder, figures, table(groups), measured(groups | ({LOOKED_AT: looked_at} if looked_at else {})))


def draw(groups: Groups):
    """Loss of a group at the end of its first visit, and what is known of it at the end of the run, by its number."""
    figure, axes = panels(1, 2, 3.2)
    own, end = axes.flat
    for number, (variant, results) in enumerate(groups.items()):
        color = style(number)["color"]
        for axis, measure in ((own, _own_losses), (end, lambda result: _visits(result).accuracy[-1])):
            columns = np.array([measure(result) for result in results]).T
            n = len(columns)
            for group, values in enumerate(columns):
                label = {"label": variant} if group == 0 else {}
                draw_interval(axis, (group + 0.5) / n, values, color=color, capsize=0, **label)
    end.yaxis.set_major_formatter(PercentFormatter(1))
    own.set(ylim=(0, None), ylabel="nats")
    for axis in axes.flat:
        axis.set_xlabel("place of the group, first (0) to last (1)")
    name_panels(axes.flat, ("its loss where its first visit ends", "its accuracy where the run ends"))
    legend(figure, intervals_note(groups.values()))
    return figure


def attention(results: list[Result]):
    """Extraction over training, and where the group changes; mean and each seed."""
    figure, axes = panels(1, 1, 2.6)
    draw_runs(axes, [result.run for result in results], EXTRACTION, **style(0))
    for switch in _visits(results[0]).ends[:-1]:
        axes.axvline(switch, color=ROLES["baseline"], linestyle=":")
    axes.set(xlabel="training step", ylim=(0, None), ylabel="attention to names, layer 2")
    legend(figure, f"{seeds_note([results])}; dotted: another group from here on")
    return figure


def table(groups: Groups) -> str:
    """Means and 95% intervals over seeds."""
    columns = {
        "accuracy where a visit ends": (lambda r: 100 * _visits(r).learned(), "{:.0f}%", PERCENT),
        "of all groups at the end": (_at_end, "{:.0f}%", PERCENT),
        "backward transfer (points)": (lambda r: 100 * _visits(r).backward_transfer(), "{:+.0f}"),
        "forward transfer (points)": (lambda r: 100 * _visits(r).forward_transfer(), "{:+.1f}"),
    }
    return interval_table("groups", groups, columns)


def measured(groups: Groups) -> dict[str, Values]:
    """What claims.yaml asks for, of the variants that were run."""
    single = {
        "s-second-to-last": ("cosine-16", _second_to_last),
        "s-second-to-last-of-4": ("cosine-4", _second_to_last),
        "f5-faster": ("cosine-4", _pace),
        "f5-faster-constant": ("constant-4", _pace),
        "f5-larger": ("constant-16", lambda r: np.mean(_rises(r)[11:15]) - np.mean(_rises(r)[:4])),
        "f5-easier": ("constant-16", lambda r: np.mean(_own_losses(r)[:4]) - np.mean(_own_losses(r)[12:])),
        "f5-damped": ("cosine-16", lambda r: _own_losses(r)[15] - _own_losses(r)[7]),
        "f5-recovers": ("cosine-4", _recovery),
        "x-attention": ("attention-4", _largest_fall),
    }
    found = {id: by_seed(groups[variant], measure) for id, (variant, measure) in single.items() if variant in groups}
    ends = {variant: by_seed(results, _at_end) for variant, results in groups.items()}
    for id, variant in (("u-many", "cosine-16"), ("v-turns", "alternating")):
        if {variant, "cosine-4"} <= ends.keys():
            found[id] = differences(ends[variant], ends["cosine-4"])
    return found


def _visits(result: Result) -> Visits:
    return visits_of(result.run)


def _at_end(result: Result) -> float:
    return float(100 * _visits(result).accuracy[-1].mean())  # of equally large groups


def _second_to_last(result: Result) -> float:
    *_, second, final = _visits(result).accuracy[-1]
    return float(100 * (second - final))


def _own_losses(result: Result) -> list[float]:
    """Loss of each group where its first visit ends, in nats."""
    visits = _visits(result)
    return [float(visits.loss[visit, group]) for group, visit in visits.first_visits()]


def _rises(result: Result) -> list[float]:
    """By how much the loss of each group but the last rises in the visit after its own, in nats."""
    visits = _visits(result)
    return [
        float(visits.loss[v + 1, g] - visits.loss[v, g]) for g, v in visits.first_visits() if v + 1 < len(visits.ends)
    ]


def _pace(result: Result) -> float | None:
    """Steps to lose half of what was known at a visit's end, in percent of those to win half of it; groups 2 and 3.

    None where one of them is not lost by half before the run ends.
    """
    visits, shares = _visits(result), []
    for group in (1, 2):
        steps, known = result.run.curve(f"group{group + 1}_attribute_accuracy")
        begin, end, half = visits.begins[group], visits.ends[group], visits.accuracy[group, group] / 2
        won = _first(steps, known >= half, begin, end)
        lost = _first(steps, known <= half, end, steps[-1])
        if won is None or lost is None:
            return None
        shares.append(100 * lost / won)
    return float(np.mean(shares))


def _first(steps: np.ndarray, reached: np.ndarray, begin: float, end: float) -> float | None:
    """Steps since `begin` at which something was first so at an evaluation."""
    found = steps[reached & (steps > begin) & (steps <= end)]
    return float(found[0] - begin) if len(found) else None


def _largest_fall(result: Result) -> float:
    """Of extraction after a switch, below its value there, in points; 0 if it never falls."""
    steps, values = result.run.curve(EXTRACTION)
    visits, falls = _visits(result), [0.0]
    for switch, end in zip(visits.ends[:-1], visits.ends[1:], strict=True):
        after = values[(steps > switch) & (steps <= end)]
        falls.append(100 * (values[steps == switch].item() - after.min()))
    return float(max(falls))


def _recovery(result: Result) -> float:
    steps, known = result.run.curve("group1_attribute_accuracy")
    return float(100 * (known[-1] - known[steps >= _visits(result).ends[0]].min()))
