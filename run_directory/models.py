"""A trained model and what belongs to it, from a run directory, one of its checkpoints, or the Hub."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import validate_repo_id

from command_line import UserError
from run_directory.config import last_step, read_config
from run_directory.hub import hub_api, hub_errors
from run_directory.layout import CHECKPOINT, CONFIG, DATASET, STATE, STEP_BRANCH, WEIGHTS, WEIGHTS_INDEX, is_run
from run_directory.manifests import checkpoints, damaged_model, sha256
from run_directory.states import is_automatic

_LOADED = (WEIGHTS, "config.json", "tokenizer.json")
# What other people's repositories hold beside a model: the same weights once more, as pickles or for other programs.
_NOT_LOADED = ["*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.onnx", "*.gguf", "*.ot", "*.tflite"]
_FAST = ", of which a fast tokenizer is made; AutoTokenizer's save_pretrained writes it"
_DEEPEST = 1024  # layers of a model; more would take hours before they fail


@dataclass(frozen=True)
class FoundModel:
    """Where a model lies.

    Attributes:
        path: the directory of weights, config and tokenizer.
        config: config.yaml of its run; empty if there is none.
        dataset: the directory of the people it was trained on; None if there is none.
        repository: on the Hub, that it was fetched from; None for a local one.
    """

    path: Path
    config: dict
    dataset: Path | None
    repository: str | None = None

    @property
    def foreign(self) -> bool:
        """Whether it is no model of this project."""
        return not self.config and not self.dataset

    def facts(self) -> dict[str, str | None]:
        """What a run that begins with it records: the repository, and which weights exactly."""
        sums = [_sha256(file) for file in weight_files(self.path)]
        digest = sums[0] if len(sums) == 1 else sha256(" ".join(sums).encode())
        return {"base_model": self.repository, "base_model_sha256": digest}

    def load(self):
        """The model, in float32, and its tokenizer, by stock transformers. The one way in: nothing is loaded that its
        manifest contradicts, no code or pickle of a directory is run, and no weight is made up.

        Raises:
            UserError: it is damaged, or no causal language model with a tokenizer of its own.
        """
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()  # it warns of padding without a mask: see modeling/loss.py
        self._check_files()
        safe = {"trust_remote_code": False, "local_files_only": True}
        try:
            n_layers = getattr(AutoConfig.from_pretrained(self.path, **safe), "num_hidden_layers", 0)
            if n_layers > _DEEPEST:
                raise ValueError(f"config.json says {n_layers:,} layers")
            tokenizer = AutoTokenizer.from_pretrained(self.path, **safe)
            model, told = AutoModelForCausalLM.from_pretrained(
                self.path, use_safetensors=True, output_loading_info=True, dtype="float32", **safe
            )
        except Exception as error:  # whatever a foreign file makes a parser do
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"cannot load {self.path}: {reason}") from None
        self._check_loaded(model, tokenizer, sorted(told["missing_keys"]))
        return model, tokenizer

    def _check_files(self) -> None:
        weights = [str(file.relative_to(self.path)) for file in weight_files(self.path)] or [WEIGHTS]
        for name in (*weights, *_LOADED[1:]):
            if not (self.path / name).is_file():
                advice = _FAST if name == "tokenizer.json" else "; pickles and code are never loaded"
                raise UserError(f"cannot load {self.path}: it has no {name}{advice}")
        if adapter := next(self.path.glob("adapter_*"), None):
            raise UserError(
                f"cannot load {self.path}: {adapter.name} would alter its weights; merge it, or move it away"
            )
        if damaged := damaged_model(self.path):
            raise UserError(f"{self.path} is damaged: {damaged} is not as its manifest says; take another one")

    def _check_loaded(self, model, tokenizer, missing: list[str]) -> None:
        saved_as = (model.config.architectures or ["nothing"])[0]
        if saved_as != type(model).__name__:
            raise UserError(f"{self.path} holds a {saved_as}, no causal language model")
        if missing:
            raise UserError(f"cannot load {self.path}: {WEIGHTS} lacks {missing[0]}")
        if len(tokenizer) > model.config.vocab_size:
            sizes = f"{len(tokenizer):,} tokens, the model {model.config.vocab_size:,}"
            raise UserError(f"{self.path} has the tokenizer of another model: it has {sizes}")


def weight_files(directory: Path) -> list[Path]:
    """The files of a model's weights: one, or those that an index names; none where there is no model."""
    if (directory / WEIGHTS).is_file():
        return [directory / WEIGHTS]
    try:
        names = json.loads((directory / WEIGHTS_INDEX).read_bytes())["weight_map"].values()
        return sorted({directory / name for name in names})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def find_model(model: str, revision: str | None = None) -> FoundModel:
    """Find a model and its people.

    Args:
        model: a run directory, a checkpoint directory in one, or a repository id.
        revision: of the repository, e.g. `step-000500`; the people are always those of `main`.

    Raises:
        UserError: there is none.
    """
    path = Path(model)
    if not path.exists() and path.name.startswith(CHECKPOINT) and is_run(path.parent):
        there = ", ".join(folder.name for folder in checkpoints(path.parent).values()) or "none"
        raise UserError(f"{path.parent} has no {path.name}; the checkpoints in it: {there}")
    if not path.exists():
        found = _from_hub(model, revision)
        if not weight_files(found.path):
            raise UserError(f"{model} has no {WEIGHTS} on the Hub; pickles and code are never loaded")
        return found
    if revision:
        raise UserError(f"{model} is a directory and has no revisions; name one of its checkpoints instead")
    if not weight_files(path):
        steps = ", ".join(folder.name for folder in checkpoints(path).values())
        advice = f"name a checkpoint in it: {steps}" if steps else "train one (pickles are never loaded)"
        raise UserError(f"{model} holds no final model; {advice}")
    path = path.resolve()
    return _found(path, path.parent if path.name.startswith(CHECKPOINT) else path)


def find_record(model: str) -> FoundModel:
    """A run, finished or not, for its config and people.

    Args:
        model: a run directory or a repository id.

    Raises:
        UserError: there is none.
    """
    path = Path(model)
    found = _found(path, path) if path.exists() else _from_hub(model, None)
    if not found.config:
        raise UserError(f"{model} has no {CONFIG}; name the directory or repository of a whole run")
    return found


def find_step(model: str, step: int) -> FoundModel:
    """The model of a run as it was at a step: a checkpoint, on the Hub a revision, or the final model.

    Args:
        model: a run directory or a repository id.
        step: after how many updates.

    Raises:
        UserError: it was not saved then; names the steps at which it was.
    """
    record = find_record(model)
    there = checkpoints(record.path) if Path(model).exists() else _revisions(model)
    if step in there:
        return _found(there[step], record.path) if Path(model).exists() else find_model(model, there[step])
    if step in _final(record):
        return record
    saved = ", ".join(map(str, sorted({*there, *_final(record)}))) or "none"
    raise UserError(f"{model} was not saved at step {step}; the steps at which it was: {saved}")


def saved_steps(model: str, record: FoundModel) -> tuple[list[int], list[str]]:
    """At which steps a run's model was saved to stay, ascending, the final one included.

    Args:
        model: a run directory or a repository id.
        record: of `find_record`.

    Returns:
        The steps; a line for each local checkpoint that is damaged and left out.
    """
    if not Path(model).exists():
        return sorted({*_revisions(model), *_final(record)}), []
    there = {step: path for step, path in checkpoints(record.path).items() if not is_automatic(path)}
    damaged = {step: damaged_model(path) or _lacking(path) for step, path in there.items()}
    final = _final(record)
    left_out = [f"{there[step].name} is damaged ({file}) and left out" for step, file in damaged.items() if file]
    if final and (file := damaged_model(record.path)):
        final = []
        left_out.append(f"the final model is damaged ({file}) and left out")
    steps = {step for step in there if not damaged[step]} | {*final}
    return sorted(steps), left_out


def _lacking(path: Path) -> str | None:
    return next((f"no {name}" for name in _LOADED if not (path / name).is_file()), None)


def _final(record: FoundModel) -> list[int]:
    return [last_step(record.config)] if (record.path / WEIGHTS).exists() else []


def _revisions(model: str) -> dict[int, str]:
    """The revisions of a repository that are checkpoints, by step."""
    with hub_errors(model):
        names = [branch.name for branch in hub_api().list_repo_refs(model).branches]
    steps = {name: name.removeprefix(STEP_BRANCH) for name in names if name.startswith(STEP_BRANCH)}
    return {int(step): name for name, step in steps.items() if step.isascii() and step.isdecimal()}


def _from_hub(model: str, revision: str | None) -> FoundModel:
    try:
        validate_repo_id(model)
        api = hub_api()
        of_run = [CONFIG, f"{DATASET}/**", *([] if revision else ["*"])]
        run = Path(api.snapshot_download(model, allow_patterns=of_run, ignore_patterns=_NOT_LOADED))
        others = [*_NOT_LOADED, *STATE, f"{DATASET}/**"]
        path = Path(api.snapshot_download(model, revision=revision, ignore_patterns=others)) if revision else run
    except RevisionNotFoundError:
        raise UserError(f"{model} has no revision {revision} on the Hub") from None
    except (HFValidationError, RepositoryNotFoundError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{model} is no directory and cannot be fetched from the Hub: {reason}") from None
    return _found(path, run, model)


def _found(path: Path, run: Path, repository: str | None = None) -> FoundModel:
    settings = read_config(run) if is_run(run) else {}
    dataset = run / DATASET
    return FoundModel(path, settings, dataset if (dataset / "source").is_dir() else None, repository)
