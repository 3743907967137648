"""What a model predicts about fixed groups of individuals.

Where a function takes `each`, it goes through a probe a few rows at a time by that: by `map`, or by
`evaluation.sharing.shared_map`, which shares them out over processes.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from modeling.loss import IGNORED_LABEL, wanted_logits

_BATCH = 128


@torch.no_grad()
def value_predictions(model, batch: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """What is predicted at each value token, from one forward pass with the head at those alone.

    Args:
        model: a stock causal language model.
        batch: as the stream makes it, on any device.

    Returns:
        As of `predictions`.
    """
    device, wanted = next(model.parameters()).device, batch["attribute_ids"] > 0
    return predictions(wanted_logits(model, batch["input_ids"].to(device), wanted.to(device)), batch)


@torch.no_grad()
def predictions(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """What logits say of each value token of a batch.

    Args:
        logits: (number of value tokens, vocabulary), in row-major order of the batch.
        batch: as the stream makes it, on any device.

    Returns:
        Arrays (number of value tokens,): `rows` and `attributes` (from 1 on), where it is; `losses` in nats;
        `predicted`, the most likely token, and whether it is `correct`; `top_probabilities` and
        `second_probabilities`; `entropies` of the prediction in nats; `logit_masses`, the logarithm of the sum of its
        exponentiated logits.
    """
    rows, columns = (batch["attribute_ids"] > 0).nonzero(as_tuple=True)
    labels = batch["input_ids"][rows, columns].to(logits.device)
    log_p = logits.log_softmax(1)
    (top, second), predicted = (part.T for part in log_p.topk(2))
    found = {
        "losses": functional.nll_loss(log_p, labels, reduction="none"),
        "predicted": predicted[0],
        "correct": predicted[0] == labels,
        "top_probabilities": top.exp(),
        "second_probabilities": second.exp(),
        "entropies": -(log_p.exp() * log_p).sum(1),
        "logit_masses": logits.logsumexp(1),
    }
    where = {"rows": rows, "attributes": batch["attribute_ids"][rows, columns]}
    arrays = {key: tensor.cpu().numpy() for key, tensor in (where | found).items()}
    return {key: array.astype(float) if array.dtype == np.float32 else array for key, array in arrays.items()}


@torch.no_grad()
def text_losses(model, probe: dict[str, torch.Tensor], each: Callable = map) -> np.ndarray:
    """Cross-entropy of all that is not a value, summed over each biography, in nats; (biographies,)."""
    device = next(model.parameters()).device

    def of_chunk(numbered: tuple) -> np.ndarray:
        chunk = numbered[1]
        wanted = (chunk["attribute_ids"] == 0) & (chunk["labels"] != IGNORED_LABEL)
        wanted[:, 0] = False  # nothing predicts it
        rows, columns = wanted.nonzero(as_tuple=True)
        logits = wanted_logits(model, chunk["input_ids"].to(device), wanted.to(device))
        losses = functional.cross_entropy(logits, chunk["labels"][rows, columns].to(device), reduction="none")
        return np.bincount(rows.numpy(), weights=losses.cpu().numpy(), minlength=len(wanted))

    return np.concatenate([*each(of_chunk, chunks(probe))])


@torch.no_grad()
def name_losses(model, probe: dict[str, torch.Tensor]) -> np.ndarray:
    """Cross-entropy of each biography's name where it first stands, summed over its tokens, in nats; (biographies,)."""
    return np.concatenate([_name_losses(model, chunk) for _, chunk in chunks(probe)])


def _name_losses(model, chunk: dict[str, torch.Tensor]) -> np.ndarray:
    device, wanted = next(model.parameters()).device, chunk["name_ids"] == 1
    wanted[:, 0] = False  # nothing predicts it
    width = int(wanted.any(0).nonzero().max()) + 1  # what comes after a name does not change its loss
    rows, columns = wanted.nonzero(as_tuple=True)
    logits = wanted_logits(model, chunk["input_ids"][:, :width].to(device), wanted[:, :width].to(device))
    labels = chunk["input_ids"][rows, columns].to(device)
    losses = functional.cross_entropy(logits.float(), labels, reduction="none")
    return np.bincount(rows.numpy(), weights=losses.cpu().numpy(), minlength=len(wanted))


def probe_predictions(model, probe: dict[str, torch.Tensor], each: Callable = map) -> dict[str, np.ndarray]:
    """`value_predictions` of a whole probe, a few rows at a time."""
    numbered = chunks(probe)
    found = each(lambda chunk: value_predictions(model, chunk[1]), numbered)
    return joined([(start, part) for (start, _), part in zip(numbered, found, strict=True)])


def joined(parts: list[tuple[int, dict[str, np.ndarray]]]) -> dict[str, np.ndarray]:
    """The predictions for parts of a probe as those for the whole; each comes with the number of its first row."""
    shifted = [part | {"rows": part["rows"] + start} for start, part in parts]
    return {key: np.concatenate([part[key] for part in shifted]) for key in shifted[0]}


def chunks(probe: dict[str, torch.Tensor], start: int = 0) -> list[tuple[int, dict[str, torch.Tensor]]]:
    """So many biographies of a probe as go through a model together, from one on, and the number of the first."""
    return [(n, rows_of(probe, n, n + _BATCH)) for n in range(start, len(probe["input_ids"]), _BATCH)]


def rows_of(probe: dict[str, torch.Tensor], start: int, stop: int | None = None) -> dict[str, torch.Tensor]:
    """Some biographies of a probe."""
    return {key: tensor[start:stop] for key, tensor in probe.items()}
