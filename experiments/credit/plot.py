"""Figure, table and claims of this experiment, from results/ alone."""

from pathlib import Path

from analysis.compare import plateau_end
from analysis.drawing import ROLES, draw_runs, legend, mark_baseline, name_panels, panels, seeds_note, shades
from analysis.phases import phases_of
from analysis.statistics import SHARE
from run_directory.records import baseline, last
from sweeps.claims import Values
from sweeps.results import Result, by_seed, differences, interval_table, load_results, publish, ratios

LOSS, ACCURACY = "seen_attribute_loss", "seen_attribute_accuracy"
PANELS = {
    LOSS: "attribute loss (nats)",
    "layer_2_value_to_name": "attention to names, layer 2",
    "layer_2_gradient_to_names": "error at the names, layer 2",
}
PLAIN, LARGER, SMALLER = 1, (3, 10, 30), 0.1
Groups = dict[float, list[Result]]  # by name_gain


def main(folder: Path) -> None:
    """Write results/credit.png, table.md and claims.json."""
    groups: Groups = {}
    for result in sorted(load_results(folder), key=lambda r: r.settings["name_gain"]):
        groups.setdefault(result.settings["name_gain"], []).append(result)
    publish(folder, {"credit": draw(groups)}, table(groups), measured(groups))


def draw(groups: Groups):
    """Loss, extraction, and the errors that reach the names, without the factor, over training."""
    figure, axes = panels(1, len(PANELS), 3.2)
    colors = dict(zip(groups, shades(len(groups)), strict=True)) | {PLAIN: ROLES["unchanged"]}
    for one, key in zip(axes, PANELS, strict=True):
        for gain, results in groups.items():
            label, line = ("as they are", "--") if gain == PLAIN else (f"{gain:g} times", "-")
            draw_runs(one, [r.run for r in results], key, color=colors[gain], linestyle=line, label=label)
        one.set(xlabel="training step", ylim=(0, None))
    mark_baseline(axes[0], baseline(next(iter(groups.values()))[0].run))
    name_panels(axes, PANELS.values())
    legend(figure, f"errors that reach the names, in training; {seeds_note(groups.values())}")
    return figure


def table(groups: Groups) -> str:
    """Phases, and loss and accuracy at the end; means and 95% intervals over seeds."""
    columns = {
        "plateau begins (step)": (lambda r: phases_of(r.run).plateau_start, "{:.0f}"),
        "ends": (lambda r: plateau_end(r.run), "{:.0f}"),
        "attribute loss (nats)": (lambda r: last(r.run, LOSS), "{:.2f}"),
        "attribute accuracy": (lambda r: last(r.run, ACCURACY), "{:.1%}", SHARE),
    }
    return interval_table("errors that reach names, times", {f"{gain:g}": groups[gain] for gain in groups}, columns)


def measured(groups: Groups) -> dict[str, Values]:
    """What claims.yaml asks for, paired by seed; nothing of what was not run."""
    lengths = {gain: by_seed(rs, lambda r: phases_of(r.run).plateau_length) for gain, rs in groups.items()}
    plain = lengths.get(PLAIN, {})
    longer = {gain: _percent(ratios(lengths.get(gain, {}), plain)) for gain in (*LARGER, SMALLER)}
    known = {gain: by_seed(groups.get(gain, []), lambda r: 100 * last(r.run, ACCURACY)) for gain in (10, PLAIN)}
    return {
        **{f"shorter-{gain}": {seed: _negative(share) for seed, share in longer[gain].items()} for gain in LARGER},
        "longer": longer[SMALLER],
        "knows": differences(known[10], known[PLAIN]),
    }


def _percent(shares: Values) -> Values:
    """By how much they are above 1."""
    return {seed: None if share is None else 100 * (share - 1) for seed, share in shares.items()}


def _negative(number: float | None) -> float | None:
    return None if number is None else -number
