"""Which weights of a trained model are trained further: all, some, or low-rank additions to them (LoRA)."""

import copy

from command_line import UserError
from modeling.families import family_of
from settings.declare import check_bounds
from settings.model import AdaptationSettings

_ADAPTER = "default"


def adapt(model, settings: AdaptationSettings, seed: int) -> None:
    """Freeze what is not to be trained; add LoRA's matrices. The model stays of its stock class.

    Args:
        model: a stock causal language model, changed in place.
        settings: what is trained.
        seed: of LoRA's initial matrices (their product is 0).

    Raises:
        UserError: a rank below one, LoRA on a model without matrices for it, a model of no known family.
    """
    check_bounds(settings)
    if settings.trainable == "lora":
        _add_lora(model, settings, seed)
    elif settings.trainable != "all":
        feed_forward, wanted = f".{family_of(model.config).feed_forward}.", settings.trainable == "feed_forward"
        for name, parameter in model.named_parameters():
            parameter.requires_grad_((feed_forward in name) == wanted)


def _add_lora(model, settings: AdaptationSettings, seed: int) -> None:
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    family = family_of(model.config)
    if not family.lora:
        raise UserError(f"trainable lora is not for {type(model).__name__}; take all or one of the other parts of it")
    config = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        target_modules=list(family.lora),
        fan_in_fan_out=family.input_first,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, adapter_name=_ADAPTER)


def adapter_tensors(model) -> dict:
    """LoRA's matrices (tensors) by name; none in a model without them."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if ".lora_" in name}


def merged(model):
    """The model as stock transformers saves and loads it: a copy with LoRA's additions in the weights, if there are."""
    if not adapter_tensors(model):
        return model
    from peft.tuners.lora import LoraLayer

    model = copy.deepcopy(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())
    return model


def interpolate(model, old, share: float):
    """A model whose weights lie between an old model's (share 0) and another's (share 1), made from it."""
    between = copy.deepcopy(old).to(model.device)
    for weights, target in zip(between.parameters(), merged(model).parameters(), strict=True):
        weights.data.lerp_(target.data, share)
    return between
