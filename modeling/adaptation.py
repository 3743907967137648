"""Which weights of a trained model are trained further: all, some, or low-rank additions to them (LoRA)."""

import copy
from pathlib import Path

from command_line import UserError
from modeling.families import family_of
from settings.declare import check_bounds
from settings.model import AdaptationSettings

_ADAPTER = "default"


def adapt(model, settings: AdaptationSettings, seed: int, base: tuple[str | None, str | None] = (None, None)) -> None:
    """Freeze what is not to be trained; add LoRA's matrices. The model stays of its stock class.

    Args:
        model: a stock causal language model, changed in place.
        settings: what is trained.
        seed: of LoRA's initial matrices (their product is 0).
        base: repository and revision of the model, if it has them: what LoRA's additions will be said to be for.

    Raises:
        UserError: a rank below one, LoRA on a model without matrices for it, a model of no known family.
    """
    check_bounds(settings)
    if settings.trainable == "lora":
        _add_lora(model, settings, seed, *base)
    elif settings.trainable != "all":
        feed_forward, wanted = f".{family_of(model.config).feed_forward}.", settings.trainable == "feed_forward"
        for name, parameter in model.named_parameters():
            parameter.requires_grad_((feed_forward in name) == wanted)


def _add_lora(model, settings: AdaptationSettings, seed: int, repository: str | None, revision: str | None) -> None:
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
        task_type="CAUSAL_LM",
        base_model_name_or_path=repository,
        revision=revision,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, adapter_name=_ADAPTER)


def adapter_tensors(model) -> dict:
    """LoRA's matrices (tensors) by name; none in a model without them."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if ".lora_" in name}


def save_adapter(model, folder: Path) -> None:
    """Write LoRA's matrices, if there are any, as `PeftModel.from_pretrained(base, folder)` reads them."""
    if not adapter_tensors(model):
        return
    from peft import get_peft_model_state_dict
    from peft.utils import SAFETENSORS_WEIGHTS_NAME
    from safetensors.torch import save_file

    tensors = get_peft_model_state_dict(model, adapter_name=_ADAPTER)
    # As in peft's own wrapper, which this model stays without.
    named = {f"base_model.model.{name}": tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    config = copy.copy(model.peft_config[_ADAPTER])
    config.inference_mode, config.target_modules = True, sorted(config.target_modules)  # a set has no order of its own
    config.save_pretrained(str(folder))
    save_file(named, folder / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})


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
