"""Causal tracing (Meng et al. 2022): which states, at which token and layer, carry a fact to where it is said.

Two runs, one about an individual and one with somebody else's name in the same sentence. States of one are put into the
other: `restored`, what the right name's states do in the run with the wrong one; `cut`, what the wrong name's states
take from the run with the right one. Names are exchanged (interchange interventions: Vig et al. 2020; Geiger et al.
2021), and no noise is added to them as by Meng et al., because noise puts a model where it never was: Zhang & Nanda
(2024, 2309.16042) find that it can show other places, and recommend exchanged tokens. Here it costs nothing, as names
are equally long, and what is taken away is exactly who it is about.
"""

import numpy as np
import torch

from analysis.statistics import mean_of_known
from evaluation.prompts import Prompts
from modeling.interventions import RESIDUAL, Site, edited, last_states, record_sites, replaced, sites_of

EFFECTS = ("restored", "cut")
_ROWS = 512  # go through the model at the same time


def windows(model, component: str, width: int) -> list[tuple[Site, ...]]:
    """The sites that are edited together: so many layers of a component from each one on, of the residual one."""
    sites, width = sites_of(model, component), 1 if component == RESIDUAL else width
    return [tuple(sites[first : first + width]) for first in range(len(sites))]


def trace(model, clean: Prompts, other: Prompts, edits: list[tuple[Site, ...]], positions: list[str], tick) -> dict:
    """Put states of one run into the other, at each place and layer.

    Args:
        model: a stock causal language model.
        clean, other: of `exchanged`.
        edits: sites that are edited together.
        positions: of SETS.
        tick: of `instruments.Tick`.

    Returns:
        Of the log-probability of the true answers (nats, mean over prompts): `clean` and `other`, of the two runs;
        `effects` (EFFECTS, edits, positions), how much states of the right name raise it over `other`, and how much
        those of the other name lower it below `clean`. nan where no prompt has such a token.
    """
    size = max(1, _ROWS // len(positions))
    pairs = zip(clean.chunks(size), other.chunks(size), strict=True)
    done = len(clean) * len(EFFECTS) * len(edits)
    parts = [_trace(model, *pair, edits, positions, lambda n: tick(n / done)) for pair in pairs]
    plain, effects = (np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))
    return {"clean": float(plain[0].mean()), "other": float(plain[1].mean()), "effects": mean_of_known(effects, -1)}


@torch.no_grad()
def _trace(model, clean: Prompts, other: Prompts, edits, positions, tick) -> tuple[np.ndarray, np.ndarray]:
    """Of some prompts: log-probabilities (2, n) of the two runs; effects (EFFECTS, edits, positions, n)."""
    sites = sorted({site for edit in edits for site in edit})
    ids = [prompts.input_ids.to(model.device) for prompts in (clean, other)]
    states = [record_sites(model, of_run, sites) for of_run in ids]
    plain = [clean.truth(model, last_states(model, of_run))[0] for of_run in ids]
    where = torch.stack([clean.at(position) for position in positions]).to(model.device)  # (positions, n, length)
    times, effects = len(positions), np.full((len(EFFECTS), len(edits), *where.shape[:2]), np.nan)
    for number, (into, of) in enumerate(((1, 0), (0, 1))):
        for edit, which in enumerate(edits):
            changes = {site: replaced(_repeated(states[of][site], times), where.flatten(0, 1)) for site in which}
            with edited(model, changes):
                last = last_states(model, _repeated(ids[into], times))
            effects[number, edit] = (clean.truth(model, last) - plain[into]) * (1 if into else -1)
            tick(len(clean))
    effects[:, :, ~where.any(2).cpu().numpy()] = np.nan
    return np.stack(plain), effects


def _repeated(tensor: torch.Tensor, times: int) -> torch.Tensor:
    return tensor.repeat(times, *[1] * (tensor.ndim - 1))
