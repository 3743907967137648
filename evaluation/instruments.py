"""What looks into checkpoints: linear probes, causal tracing, attention knockout, gradients; set up once for a run."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from command_line import UserError, unknown
from evaluation.gradients import errors_reaching
from evaluation.knockout import CUTS, knock_out, layer_windows, read_cut
from evaluation.linear_probes import LinearProbes
from evaluation.prompts import POSITIONS, SETS, chosen_people, exchanged, prompts_about
from evaluation.tracing import EFFECTS, trace, windows
from modeling.interventions import RESIDUAL, components_of, sites_of
from modeling.patching import blocks, check_patchable

# How many individuals are looked at if nobody says.
SIZES = {"probe": 1024, "trace": 32, "knockout": 128, "gradients": 128}
Tick = Callable[[float], None]  # told again and again how large a share of a measurement was done since


@dataclass(frozen=True)
class Instrument:
    """What is measured of each checkpoint of a run.

    Attributes:
        settings: what decides it; measurements with others are not put beside it.
        axes: names of the axes of the array it gives, with what stands along each.
        measure: from a model and a Tick to arrays and numbers by name.
        notes: more about all checkpoints.
    """

    settings: dict
    axes: dict[str, list]
    measure: Callable[[object, Tick], dict]
    notes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """Who and what is looked at, as a user says it; None or nothing leaves the choice to the instrument."""

    group: str = "seen"
    individuals: int | None = None
    individual: list[int] | None = None
    components: list[str] | None = None
    positions: list[str] | None = None
    layers: list[int] | None = None
    window: int = 1
    cuts: list[str] | None = None

    def check(self, groups: dict[str, range], population) -> None:
        """Raise UserError if there are no such individuals, or no such number of them or of layers."""
        if not groups.get(self.group):
            there = ", ".join(group for group, members in groups.items() if members)
            raise UserError(f"there is nobody in group '{self.group}'; there is {there}")
        for name in ("individuals", "window"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for person in self.individual or ():
            if not 0 <= person < len(population):
                raise UserError(f"individual is {person}; it must be from 0 to {len(population) - 1}")

    def people(self, groups: dict[str, range], instrument: str) -> np.ndarray:
        """Whom an instrument looks at."""
        if self.individual:
            return np.array(self.individual)
        return chosen_people(groups[self.group], self.individuals or SIZES[instrument])

    def who(self, instrument: str) -> dict:
        """Of the settings of an instrument."""
        size = self.individuals or SIZES[instrument]
        return {"individual": self.individual} if self.individual else {"group": self.group, "individuals": size}

    def layers_of(self, windows: list, first_layer: Callable) -> list:
        """Those of some windows of layers that begin at a layer that was asked for."""
        there = sorted({first_layer(window) for window in windows})
        for layer in self.layers or ():
            if layer not in there:
                raise UserError(f"layer is {layer}; it must be from {there[0]} to {there[-1]}")
        return [window for window in windows if not self.layers or first_layer(window) in self.layers]


def probe(stream, groups: dict[str, range], model, asked: Asked) -> Instrument:
    """`linear_probes.LinearProbes` of the members of a group."""
    size = min(asked.individuals or SIZES["probe"], len(groups[asked.group]))
    if size < 4:
        raise UserError(f"{size} individuals are too few for probes, which are fitted on some and tested on others")
    probes = LinearProbes(stream, groups, asked.group, size)
    notes = {"chance": probes.chance()} | probes.sizes()
    return Instrument(asked.who("probe"), probes.axes(model), probes.measure, notes)


def trace_names(stream, groups: dict[str, range], model, asked: Asked) -> Instrument:
    """`tracing.trace`."""
    components, positions = asked.components or [*components_of(model)], asked.positions or [*POSITIONS]
    for component in components:
        if component == "attention":
            check_patchable(model)
        if component not in components_of(model):
            raise UserError(unknown("component", component, "", components_of(model)))
    for position in positions:
        if position not in SETS:
            raise UserError(unknown("position", position, "", SETS, f"there is {', '.join(SETS)}"))
    edits = [edit for component in components for edit in windows(model, component, asked.window)]
    edits = asked.layers_of(edits, lambda edit: edit[0].layer)
    clean, other = exchanged(stream, asked.people(groups, "trace"), np.array(groups[asked.group]))
    named = [f"{edit[0].component} {edit[0].layer}" for edit in edits]
    return Instrument(
        asked.who("trace") | {"window": asked.window},
        {"effect": [*EFFECTS], "site": named, "position": positions},
        lambda model, tick: trace(model, clean, other, edits, positions, tick),
        {"prompts": len(clean)},
    )


def knockout(stream, groups: dict[str, range], model, asked: Asked) -> Instrument:
    """`knockout.knock_out`."""
    check_patchable(model)
    cuts = asked.cuts or [*CUTS]
    for cut in cuts:
        read_cut(cut)
    n_layers = len(blocks(model))
    *single, everywhere = layer_windows(n_layers, asked.window)
    layers = [*asked.layers_of(single, lambda window: window[0] + 1), everywhere]
    prompts = prompts_about(stream, asked.people(groups, "knockout"))
    return Instrument(
        asked.who("knockout") | {"window": asked.window},
        {"cut": cuts, "layer": [*(window[0] + 1 for window in layers[:-1]), "all"]},
        lambda model, tick: knock_out(model, prompts, cuts, layers, tick),
        {"prompts": len(prompts)},
    )


def gradients(stream, groups: dict[str, range], model, asked: Asked) -> Instrument:
    """`gradients.errors_reaching`."""
    prompts = prompts_about(stream, asked.people(groups, "gradients"))
    return Instrument(
        asked.who("gradients"),
        {"position": [*POSITIONS], "layer": [site.layer for site in sites_of(model, RESIDUAL)]},
        lambda model, tick: errors_reaching(model, prompts, tick),
        {"prompts": len(prompts)},
    )


# By command: the instrument and its report.
INSTRUMENTS = {
    "probe": (probe, "probing"),
    "trace": (trace_names, "tracing"),
    "knockout": (knockout, "knockout"),
    "gradients": (gradients, "gradients"),
}
