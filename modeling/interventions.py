"""Reading and editing what passes through a model: the residual stream, and what attention and feed-forward layers add.

Through PyTorch's hooks on the blocks of stock classes, so for each family of modeling/families.py, and for others whose
blocks add as theirs do. Attention probabilities are cut by a `Tape` (modeling/patching.py).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch

from command_line import UserError
from modeling.families import FAMILIES, family_of
from modeling.foreign import check_model
from modeling.patching import blocks

RESIDUAL, ATTENTION, FEED_FORWARD = COMPONENTS = ("residual", "attention", "feed_forward")
_LENGTH, _TOLERANCE = 8, 1e-3


class Site(NamedTuple):
    """A place in a model where a tensor (b, length, width) passes.

    Attributes:
        component: `residual`, the stream that leaves a block; `attention` or `feed_forward`, what such a layer adds.
        layer: of the block, from 1 on; `residual` 0 is what enters the first one, the embeddings.
    """

    component: str
    layer: int


def components_of(model) -> tuple[str, ...]:
    """Those of COMPONENTS that a model has."""
    return COMPONENTS if family_of(model.config).attention else (RESIDUAL, FEED_FORWARD)


def sites_of(model, component: str) -> list[Site]:
    """The sites of a component, by layer."""
    return [Site(component, layer) for layer in range(component != RESIDUAL, len(blocks(model)) + 1)]


@contextmanager
def edited(model, edits: Mapping[Site, Callable[[torch.Tensor], torch.Tensor]]) -> Iterator[None]:
    """Within it, what passes at some sites is what functions make of it; the model itself stays as it is."""
    handles = []
    try:
        for site, edit in edits.items():
            handles.append(_attach(model, site, edit))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _attach(model, site: Site, edit: Callable):
    block, family = blocks(model)[max(site.layer, 1) - 1], family_of(model.config)
    if site.component == RESIDUAL and site.layer == 0:
        return block.register_forward_pre_hook(lambda _, inputs: (edit(inputs[0]), *inputs[1:]))
    names = {ATTENTION: family.attention, FEED_FORWARD: family.feed_forward}
    module = block if site.component == RESIDUAL else getattr(block, names[site.component])
    return module.register_forward_hook(lambda _, inputs, output: _first_edited(output, edit))


def _first_edited(output, edit: Callable):
    """A module gives a tensor, or a tuple that begins with it."""
    return edit(output) if torch.is_tensor(output) else (edit(output[0]), *output[1:])


def record_sites(model, input_ids: torch.Tensor, sites: Iterable[Site]) -> dict[Site, torch.Tensor]:
    """What passes at some sites in one pass, (b, length, width) of each."""
    found: dict[Site, torch.Tensor] = {}

    def note(site: Site, states: torch.Tensor) -> torch.Tensor:
        found[site] = states.detach()
        return states

    with torch.no_grad(), edited(model, {site: partial(note, site) for site in sites}):
        last_states(model, input_ids)
    return found


def replaced(states: torch.Tensor, where: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """An edit for `edited`: other states at some tokens.

    Args:
        states: (b, length, width).
        where: (b, length) bool.
    """
    return lambda own: torch.where(where[..., None], states.to(own.dtype), own)


def last_states(model, input_ids: torch.Tensor) -> torch.Tensor:
    """Last hidden states, to which the head is applied, (b, length, width)."""
    return model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state


def check_editable(model) -> None:
    """Check that the sites of a model are what they are called: each block adds its two layers to the residual stream.

    Raises:
        UserError: it is of no family of this project, and its blocks are built otherwise.
    """
    if model.config.model_type in FAMILIES:
        return
    check_model(model)
    kind, ids = type(model).__name__, torch.arange(_LENGTH)[None] % model.config.vocab_size
    layers = range(1, len(blocks(model)) + 1)
    try:
        found = record_sites(model, ids, [site for component in COMPONENTS for site in sites_of(model, component)])
        added = [found[Site(ATTENTION, layer)] + found[Site(FEED_FORWARD, layer)] for layer in layers]
    except (AttributeError, IndexError, KeyError, TypeError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{kind} cannot be looked into, since its blocks are built otherwise: {reason}") from None
    steps = [found[Site(RESIDUAL, layer)] - found[Site(RESIDUAL, layer - 1)] for layer in layers]
    if not all(torch.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE) for a, b in zip(added, steps, strict=True)):
        raise UserError(
            f"{kind} cannot be looked into: its blocks add more than their attention and feed-forward layer"
        )
