"""Attention knockout by position (Geva et al. 2023): what is lost if tokens must not attend to others, layer by layer.

`ablation.json` of every run knows one such cut, from where values are said to names, over whole biographies.
"""

import numpy as np
import torch

from analysis.statistics import mean_of_known
from command_line import UserError, unknown
from evaluation.prompts import SETS, Prompts
from modeling.patching import record

# From which tokens to which: extraction (Geva et al.), as a whole and from the last token of the name alone; around the
# names; name grouping (paper, App. D.2); and the detour over the text between name and value.
CUTS = ("before_value:name", "before_value:last_name", "before_value:text", "last_name:rest_of_name", "between:name")
_ROWS = 256  # go through the model at the same time


def read_cut(cut: str) -> tuple[str, str]:
    """The places that a cut like `before_value:name` names: from which, and to which.

    Raises:
        UserError: it has another form, or there are no such places.
    """
    query, colon, key = cut.partition(":")
    if not colon:
        raise UserError(f"'{cut}' is no cut; name who must not attend to whom, e.g. {CUTS[0]}")
    for name in (query, key):
        if name not in SETS:
            raise UserError(unknown("position", name, f"the cut {cut}", SETS, f"there is {', '.join(SETS)}"))
    return query, key


def layer_windows(n_layers: int, width: int) -> list[range]:
    """The layers (0, 1, ...) that are cut together: so many from each one on, and all of them."""
    return [range(first, min(first + width, n_layers)) for first in range(n_layers)] + [range(n_layers)]


@torch.no_grad()
def knock_out(model, prompts: Prompts, cuts: list[str], layers: list[range], tick) -> dict:
    """Cut attention between tokens, in some layers at a time; what is left is renormalized.

    Args:
        model: a stock causal language model with attention.
        prompts: of `prompts_about`.
        cuts: of `read_cut`. No token is kept from attending to itself.
        layers: of `layer_windows`.
        tick: of `instruments.Tick`.

    Returns:
        Of the log-probability of the true answers (nats, mean over prompts): `clean`, and `effects` (cuts, layers), how
        much each cut lowers it; nan where no prompt has such tokens.
    """
    done = len(prompts) * len(cuts) * len(layers)
    parts = [_knock_out(model, part, cuts, layers, lambda n: tick(n / done)) for part in prompts.chunks(_ROWS)]
    clean, effects = (np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))
    return {"clean": float(clean.mean()), "effects": mean_of_known(effects, -1)}


def _knock_out(model, prompts: Prompts, cuts: list[str], layers: list[range], tick) -> tuple[np.ndarray, np.ndarray]:
    """Of some prompts: log-probabilities (n,), effects (cuts, layers, n)."""
    ids = prompts.input_ids.to(model.device)
    clean = prompts.truth(model, record(model, ids)[0])[0]
    effects = np.full((len(cuts), len(layers), len(prompts)), np.nan)
    for number, cut in enumerate(cuts):
        blocked = _blocked(prompts, cut)
        there = blocked.any((1, 2)).numpy()
        for window, which in enumerate(layers):
            states, _ = record(model, ids, dict.fromkeys(which, blocked.to(model.device)))
            effects[number, window] = clean - prompts.truth(model, states)[0]
            tick(len(prompts))
        effects[number, :, ~there] = np.nan
    return clean, effects


def _blocked(prompts: Prompts, cut: str) -> torch.Tensor:
    """Which token must not attend to which earlier one, (n, length, length)."""
    queries, keys = map(prompts.at, read_cut(cut))
    earlier = torch.ones(queries.shape[1], queries.shape[1], dtype=torch.bool).tril(-1)
    return queries[:, :, None] & keys[:, None, :] & earlier
