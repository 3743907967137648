"""Checkpoints: written whole or not at all, checked before they are used, without pickle."""

import contextlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from command_line import UserError
from modeling.adaptation import adapter_tensors, merged, save_adapter
from run_directory.layout import ADAPTER, ADAPTER_FOLDER, CHECKPOINT, OPTIMIZERS, PROGRESS, WEIGHTS
from run_directory.manifests import checkpoints, is_sound, write_manifest
from run_directory.states import AUTOMATIC, has_state


@dataclass
class Progress:
    """How far a run has come. All else that a step depends on is a function of seed and step.

    Attributes:
        step: updates made.
        tokens: learned from, padding apart.
        biographies: learned from.
        seconds: wall-clock time, all included.
        evaluation_seconds: the part of it that measuring knowledge took.
    """

    step: int = 0
    tokens: int = 0
    biographies: int = 0
    seconds: float = 0.0
    evaluation_seconds: float = 0.0


def save_checkpoint(
    run: Path, model, tokenizer, optimizers: list, progress: Progress, losses: list[list[float]], decided: dict,
    automatic: bool = False,
) -> Path:  # fmt: skip
    """Write `checkpoint-<step>/`: model, tokenizer, optimizer state, progress and sha256 of each.

    `losses` are those of the steps that no record has yet; `decided` is what a schedule decided on the way (JSON);
    `automatic` is whether nobody asked for it (`run_directory.states`).

    It is written beside its place and renamed when complete, so that a process killed at any moment
    leaves no half checkpoint under that name.
    """
    target = run / f"{CHECKPOINT}{progress.step}"
    temporary = run / f".{target.name}.tmp"
    with _aside(temporary):
        _save_stock(temporary, model, tokenizer)
        if adapter := adapter_tensors(model):
            save_file(adapter, temporary / ADAPTER)
        save_file(_optimizer_tensors(optimizers), temporary / OPTIMIZERS)
        told = {"losses": losses, "decided": decided} | ({AUTOMATIC: True} if automatic else {})
        (temporary / PROGRESS).write_text(json.dumps(asdict(progress) | told))
        write_manifest(temporary)
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(target, ignore_errors=True)
        os.rename(temporary, target)
    return target


@contextlib.contextmanager
def _aside(folder: Path):
    """A folder to write into, gone afterwards: whatever is not renamed by then was not to be.

    Raises:
        OSError: the disk is full, also where safetensors says so in words of its own.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if not number:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(folder)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _save_stock(folder: Path, model, tokenizer) -> None:
    """What stock transformers loads; the tokenizer tells how many tokens the model reads, if there is a limit."""
    stock = merged(model)
    if n_positions := getattr(stock.config, "max_position_embeddings", None):
        tokenizer.model_max_length = n_positions
    # Our families have one format; looking for an older one compiles a thousand patterns of all models first.
    stock.save_pretrained(folder, save_original_format=False)
    tokenizer.save_pretrained(folder)


def save_final(run: Path, model, tokenizer) -> None:
    """Put the final model, tokenizer and their manifest at the root of the run, each file whole or not at all."""
    temporary = run / ".final.tmp"
    with _aside(temporary):
        _save_stock(temporary, model, tokenizer)
        save_adapter(model, temporary / ADAPTER_FOLDER)
        write_manifest(temporary)
        for path in sorted(path for path in temporary.rglob("*") if path.is_file()):
            place = run / path.relative_to(temporary)
            place.parent.mkdir(exist_ok=True)
            os.replace(path, place)


def find_checkpoint(run: Path, which: str, report=print) -> Path:
    """The checkpoint to resume from: the newest sound one, or the one named if it is sound.

    Args:
        run: the run's directory.
        which: `latest`, or the path of a checkpoint.
        report: is told, in one line, of each damaged checkpoint that is passed over.

    Raises:
        UserError: there is none.
    """
    found = checkpoints(run)
    if which != "latest":
        named = next((step for step, path in found.items() if path.resolve() == Path(which).resolve()), None)
        if named is None:
            raise UserError(f"nothing to resume from: {which} is no checkpoint of {run}")
        found = {step: path for step, path in found.items() if step <= named}
        if is_sound(found[named]) and not has_state(found[named]):
            raise UserError(f"nothing to resume from: {which} has the model alone, as save_total_limit leaves it")
    for path in reversed(found.values()):
        if is_sound(path):
            if has_state(path):
                return path
            continue
        report(f"{path} is damaged (a file differs from its manifest); trying an older checkpoint")
    raise UserError(f"nothing to resume from: {run} has no sound checkpoint; begin anew in another --output_dir")


def load_checkpoint(checkpoint: Path, model, optimizers: list) -> tuple[Progress, list, dict]:
    """Put a checkpoint's state into model and optimizers; returns how far it had come, the losses that no record has
    yet, and what was decided.
    """
    _load_weights(checkpoint, model)
    _load_optimizers(optimizers, load_file(checkpoint / OPTIMIZERS))
    progress = json.loads((checkpoint / PROGRESS).read_text())
    losses, decided = progress.pop("losses", []), progress.pop("decided")
    progress.pop(AUTOMATIC, None)
    return Progress(**progress), losses, decided


def _load_weights(checkpoint: Path, model) -> None:
    """Of a model with an adapter, the adapter alone: the rest is as it was in the beginning."""
    adapter = adapter_tensors(model)
    weights = load_file(checkpoint / (ADAPTER if adapter else WEIGHTS))
    if not adapter and weights.keys() - model.state_dict().keys():
        # Some architectures are saved by older names than their modules have (GPT-NeoX's head).
        stock, told = type(model).from_pretrained(checkpoint, dtype="float32", output_loading_info=True)
        weights = weights if told["unexpected_keys"] or told["missing_keys"] else stock.state_dict()
    missing, unexpected = model.load_state_dict(weights, strict=False)
    unset = adapter.keys() & set(missing) if adapter else set(missing) - set(model._tied_weights_keys or [])
    if unset or unexpected:
        raise UserError(f"{checkpoint} belongs to another model: {[*unset, *unexpected][0]} does not fit")


def _optimizer_tensors(optimizers: list) -> dict[str, torch.Tensor]:
    """State tensors named `<optimizer>.<parameter>.<quantity>`."""
    return {
        f"{number}.{parameter}.{name}": tensor.detach().cpu().contiguous()
        for number, optimizer in enumerate(optimizers)
        for parameter, state in optimizer.state_dict()["state"].items()
        for name, tensor in state.items()
    }


def _load_optimizers(optimizers: list, tensors: dict[str, torch.Tensor]) -> None:
    for number, optimizer in enumerate(optimizers):
        state: dict = {}
        for key, tensor in tensors.items():
            owner, parameter, name = key.split(".", 2)
            if int(owner) == number:
                state.setdefault(int(parameter), {})[name] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
