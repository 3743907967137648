"""What a run came to, as a picture and numbers for the terminal; without matplotlib, which costs seconds."""

import json
from dataclasses import asdict

from analysis.curves import OWN_WORDING, groups_of
from analysis.phases import TOLERANCE, Phases, phases_of
from analysis.places import accuracy_by_place
from analysis.terminal import picture
from run_directory.layout import FIGURES, PHASES, replace_text
from run_directory.records import Run, baseline


def summarize(run: Run) -> Phases | None:
    """Find a run's phases, write them (steps) as `figures/phases.json`, and print a picture and numbers of it.

    Returns:
        The phases; None of a run that has none.
    """
    phases = phases_of(run) if run.has_phases else None
    if phases:
        (run.path / FIGURES).mkdir(exist_ok=True)
        numbers = asdict(phases) | {"plateau_length": phases.plateau_length, "tolerance": TOLERANCE}
        replace_text(run.path / FIGURES / PHASES, json.dumps(numbers, indent=1) + "\n")
    print(f"{picture(run, phases)}\n\n{summary(run, phases)}")
    return phases


def summary(run: Run, phases: Phases | None) -> str:
    """One paragraph of numbers for the terminal."""

    def step(edge: float | None) -> str:
        return "not reached" if edge is None else f"step {edge:.0f}"

    lines = [f"no-knowledge baseline {baseline(run):.3f} nats"]
    if phases:
        lines[0] += f"; plateau begins: {step(phases.plateau_start)}, ends: {step(phases.plateau_end)}"
    for group, who in groups_of(run).items():
        losses, accuracies = (run.curve(f"{group}_attribute_{metric}")[1] for metric in ("loss", "accuracy"))
        numbers = f"attribute loss {losses[-1]:.3f} nats, accuracy {accuracies[-1]:.1%}"
        before = f" (before: {accuracies[0]:.1%})" if run.finetune_group else ""
        wording = "" if group in OWN_WORDING else ", held-out wording"
        lines.append(f"{who}{wording}: {numbers}{before}")
        if group == "seen" and run.individuals and "right_by_place" in run.individuals:  # older runs lack it
            lines.append(accuracy_by_place(run.individuals["right_by_place"]))
    return "\n".join(lines)
