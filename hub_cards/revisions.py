"""What each revision of a published run holds, worked out from the run directory alone."""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from command_line import ENVIRONMENT_KEY, UserError
from run_directory.layout import (
    ADAPTER,
    ADAPTER_FOLDER,
    CONFIG,
    DATASET,
    FIGURES,
    MANIFEST,
    OPTIMIZERS,
    PROGRESS,
    STEP_BRANCH,
    WRITTEN,
)
from run_directory.manifests import checkpoints, damaged_model, is_sound, named_files, read_manifest, sha256
from run_directory.records import Run
from settings import public

# Only needed to resume, twice the size of the model, and of no use without the run's directory.
_NOT_SHARED = {OPTIMIZERS, ADAPTER, PROGRESS, MANIFEST}
_OF_MAIN = (".json", ".jsonl", ".safetensors")
_RUN_FOLDERS = (FIGURES, DATASET, ADAPTER_FOLDER)


@dataclass(frozen=True)
class Revision:
    """A branch and its files, by path in the repository, as content or as the local file that has it."""

    branch: str
    files: dict[str, Path | bytes]

    def manifest(self) -> dict:
        """The content of manifest.json."""
        return json.loads(self.files[MANIFEST])


def checkpoint_branch(step: int) -> str:
    """`step-000500` for step 500, as Pythia's checkpoints are shared."""
    return f"{STEP_BRANCH}{step:06d}"


def sound_checkpoints(run: Path) -> dict[int, Path]:
    """The checkpoints that are as their manifests say, by step, ascending."""
    return {step: path for step, path in checkpoints(run).items() if is_sound(path)}


def left_out(run: Path) -> str | None:
    """A line that names the damaged checkpoints, which are neither published nor listed; None if all are sound."""
    sound = sound_checkpoints(run)
    damaged = [path.name for step, path in checkpoints(run).items() if step not in sound]
    return f"left out, damaged (not as their manifests say): {', '.join(damaged)}" if damaged else None


def check_final(run: Path) -> None:
    """Whether the final model is as the run wrote it. Runs older than their manifest can't tell.

    Raises:
        UserError: it is not.
    """
    if damaged := damaged_model(run):
        raise UserError(
            f"{run} is damaged: {damaged} is not as {MANIFEST} says; going on with the run "
            "(--resume_from_checkpoint latest) writes the final model again"
        )


def checkpoint_revision(run: Run, step: int, checkpoint: Path) -> Revision:
    """A checkpoint's model, tokenizer and config, and the metrics of its step."""
    ours = named_files(read_manifest(checkpoint)) or {}
    files: dict = {path: checkpoint / path for path in sorted(ours) if path not in _NOT_SHARED}
    record = next((record for record in run.records if record["step"] == step), {"step": step})
    files["metrics.json"] = (json.dumps(record, indent=1) + "\n").encode()
    return _with_manifest(Revision(checkpoint_branch(step), files))


def main_revision(run: Run, card: str, steps: list[Revision]) -> Revision:
    """The final model, the record of the run, the card, and which revisions there should be."""
    paths = [run.path / name for name in WRITTEN if name.endswith(_OF_MAIN) and name != MANIFEST]
    for folder in _RUN_FOLDERS:
        paths += (path for path in (run.path / folder).rglob("*") if not path.name.startswith("."))
    files: dict = {path.relative_to(run.path).as_posix(): path for path in sorted(paths) if path.is_file()}
    files["README.md"] = card.encode()
    files[CONFIG] = _public_config(run.config).encode()
    return _with_manifest(Revision("main", files), {step.branch: sha256(step.files[MANIFEST]) for step in steps})


def _public_config(config: dict) -> str:
    environment = {key: value for key, value in (config.get(ENVIRONMENT_KEY) or {}).items() if key != "command"}
    return yaml.safe_dump(public(config) | {ENVIRONMENT_KEY: environment}, sort_keys=False, allow_unicode=True)


def _with_manifest(revision: Revision, revisions: dict[str, str] | None = None) -> Revision:
    manifest = {"files": {path: sha256(content_of(file)) for path, file in sorted(revision.files.items())}}
    if revisions is not None:
        manifest["revisions"] = revisions
    return Revision(revision.branch, revision.files | {MANIFEST: json.dumps(manifest, indent=1).encode()})


def content_of(file: Path | bytes) -> bytes:
    """The bytes of a file of a revision."""
    return file if isinstance(file, bytes) else file.read_bytes()
