"""How much sooner a model knows: steps and wall-clock to 95% of the facts, by the paper's recipe and by ours.

python -m experiments.time_to_knowledge [--jobs N] [--json FILE]

Runs sweep.yaml, both recipes in turn for each seed, skipping what is finished; the figures come from results/ alone.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np

from command_line import run
from run_directory.records import Run
from sweeps.results import by_seed, load_results
from sweeps.runner import run_sweep
from sweeps.sweep import load_sweep

FOLDER = Path(__file__).parent
KNOWN = 0.95
RECIPES = ("paper", "fast")
RATIOS = {"speedup_wall": "seconds", "speedup_steps": "steps", "ratio_step_seconds": "step_seconds"}


def reached(recorded: Run, known: float = KNOWN) -> dict[str, float]:
    """Steps and training seconds until so many facts are known, between two evaluations by a straight line.

    Returns:
        `steps` (infinite for a run that does not come so far), `step_seconds`, and their product, `seconds`.
    """
    steps, accuracies = recorded.curve("seen_attribute_accuracy")
    at = _crossing(accuracies, known)
    needed = float(np.interp(at, np.arange(len(steps)), steps)) if at is not None else np.inf
    pace = step_seconds(recorded)
    return {"steps": needed, "step_seconds": pace, "seconds": needed * pace}


def step_seconds(recorded: Run) -> float:
    """What a step takes without evaluation and without what other jobs disturb: the fastest tenth of the run."""
    measured = [record for record in recorded.records if record.get("seen_attribute_accuracy") is not None]
    steps, seconds = np.array([(r["step"], r["seconds"] - r["evaluation_seconds"]) for r in measured]).T
    return float(np.quantile(np.diff(seconds) / np.diff(steps), 0.1))


def _crossing(values: np.ndarray, level: float) -> float | None:
    """Where values come to a level for the first time: a place between two of them."""
    above = np.flatnonzero(values >= level)
    if not len(above):
        return None
    last = above[0]
    return float(last) if last == 0 else last - (values[last] - level) / (values[last] - values[last - 1])


def figures(folder: Path) -> dict:
    """All figures, by recipe and seed, and the medians of the ratios."""
    results = load_results(folder)
    measured = {name: by_seed((r for r in results if r.variant == name), lambda r: reached(r.run)) for name in RECIPES}
    paper, fast = (measured[name] for name in RECIPES)
    found = {}
    for ratio, quantity in RATIOS.items():
        values = {seed: paper[seed][quantity] / fast[seed][quantity] for seed in sorted(paper.keys() & fast.keys())}
        found |= {ratio: statistics.median(values.values()), f"{ratio}_by_seed": values}
    return found | measured


def main(argv: list[str]) -> None:
    """Run what is left, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=1, help="runs that go on at once")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args(argv)
    run_sweep(load_sweep(FOLDER), arguments.jobs, "local", {})
    found = figures(FOLDER)
    for name in RECIPES:
        for seed, values in found[name].items():
            print(f"{name:6} seed {seed}: " + ", ".join(f"{key} {value:,.4g}" for key, value in values.items()))
    for name in RATIOS:
        print(f"{name:20} {found[name]:.2f}")
    if arguments.json:
        # A run that never comes so far; JSON has no infinity.
        arguments.json.write_text(json.dumps(found, indent=1).replace("Infinity", "null") + "\n")


if __name__ == "__main__":
    run(main)
