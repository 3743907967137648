"""Which tokens errors reach: how much of the gradient of what is said wrong arrives at each place and layer.

`layer_<l>_gradient_to_names` in metrics.jsonl is this for all names of whole biographies, at every evaluation.
"""

from functools import partial

import numpy as np
import torch

from evaluation.prompts import POSITIONS, Prompts
from modeling.interventions import RESIDUAL, Site, edited, last_states, sites_of

_ROWS = 256  # go through the model at the same time


def errors_reaching(model, prompts: Prompts, tick) -> dict[str, np.ndarray]:
    """Norms of the gradient of the answers' cross-entropy by the residual stream.

    Args:
        model: a stock causal language model.
        prompts: of `prompts_about`.
        tick: of `instruments.Tick`.

    Returns:
        `norms` (POSITIONS, layers from the embeddings on): root of the sum of squares over the tokens of a place, mean
        over prompts; nan where no prompt has such a token. `clean`, the mean log-probability of the truth in nats, and
        `said`, how often it is the likeliest token, 0-1.
    """
    squares, truth, right = 0, [], []
    for part in prompts.chunks(_ROWS):
        gradients, log_p = _gradients(model, part)  # (layers, n, length)
        where = torch.stack([part.at(position) for position in POSITIONS])
        squares = squares + torch.einsum("lnt,pnt->pl", gradients, where.double())
        truth.append(log_p[torch.arange(len(part)), part.answers])
        right.append(log_p.argmax(1) == part.answers)
        tick(len(part) / len(prompts))
    missing = [not prompts.at(position).any() for position in POSITIONS]
    norms = (squares / len(prompts)).sqrt().numpy()
    norms[missing] = np.nan
    return {"norms": norms, "clean": float(torch.cat(truth).mean()), "said": float(torch.cat(right).float().mean())}


def _gradients(model, prompts: Prompts) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared norms (layers, n, length) of the gradient; log-probabilities (n, vocabulary). On the CPU."""
    streams: dict[Site, torch.Tensor] = {}

    def add_nothing(site: Site, states: torch.Tensor) -> torch.Tensor:
        """The gradient of this nothing is that of the stream."""
        streams[site] = torch.zeros_like(states, requires_grad=True)
        return states + streams[site]

    with edited(model, {site: partial(add_nothing, site) for site in sites_of(model, RESIDUAL)}):
        log_p = prompts.log_probabilities(model, last_states(model, prompts.input_ids.to(model.device)))
    loss = -log_p[torch.arange(len(prompts)), prompts.answers].sum()
    gradients = torch.autograd.grad(loss, list(streams.values()))
    return torch.stack([gradient.double().square().sum(2).cpu() for gradient in gradients]), log_p.detach().cpu()
