"""What each revision of a published run holds, worked out from the run directory alone."""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from command_line import ENVIRONMENT_KEY, UserError
from run_directory.layout import (
    ADAPTER_FOLDER,
    CONFIG,
    DATASET,
    FIGURES,
    GENERATED_TEXTS,
    LAST_STATE,
    MANIFEST,
    METRICS,
    STATE,
    STEP_BRANCH,
    STEP_METRICS,
    STEP_TAG,
    WRITTEN,
)
from run_directory.manifests import (
    checkpoints,
    damaged_model,
    is_sound,
    named_files,
    parse_manifest,
    read_manifest,
    sha256,
)
from run_directory.records import Run
from run_directory.states import is_automatic
from settings import MAY_DIFFER_ON_RESUME, public

_OF_MAIN = (".json", ".jsonl", ".safetensors")
_RUN_FOLDERS = (FIGURES, DATASET, ADAPTER_FOLDER)


@dataclass(frozen=True)
class Revision:
    """A branch and its files, by path in the repository, as content or as the local file that has it."""

    branch: str
    files: dict[str, Path | bytes]

    @property
    def tag(self) -> str | None:
        """Beside the branch."""
        return tag_of(self.branch)

    def manifest(self) -> dict:
        """The content of manifest.json."""
        return json.loads(self.files[MANIFEST])


def checkpoint_branch(step: int) -> str:
    """`step-000500` for step 500, as Pythia's checkpoints are shared."""
    return f"{STEP_BRANCH}{step:06d}"


def tag_of(branch: str) -> str | None:
    """`step500` of the branch `step-000500`; None of others."""
    step = branch.removeprefix(STEP_BRANCH)
    is_step = branch.startswith(STEP_BRANCH) and step.isascii() and step.isdecimal()
    return f"{STEP_TAG}{int(step)}" if is_step else None


def sound_checkpoints(run: Path) -> dict[int, Path]:
    """The checkpoints that somebody asked for and that are as their manifests say, by step, ascending."""
    return {step: path for step, path in _asked_for(run).items() if is_sound(path)}


def _asked_for(run: Path) -> dict[int, Path]:
    return {step: path for step, path in checkpoints(run).items() if not is_automatic(path)}


def left_out(run: Path) -> str | None:
    """A line that names the damaged checkpoints, which are neither published nor listed; None if all are sound."""
    sound = sound_checkpoints(run)
    damaged = [path.name for step, path in _asked_for(run).items() if step not in sound]
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


def run_mark(config: dict) -> str:
    """What the revisions of a run have in common, and those of others have not: sha256 of what decides its weights."""
    decisive = {key: value for key, value in public(config).items() if key not in MAY_DIFFER_ON_RESUME}
    return sha256(json.dumps(decisive, sort_keys=True, default=str).encode())


def marked(manifest: bytes) -> str | None:
    """The mark of the run in a published manifest; None of an older one, or of something else."""
    content = parse_manifest(manifest)
    return content.get("run") if isinstance(content, dict) else None


def checkpoint_revision(run: Run, step: int, checkpoint: Path, with_state: bool = False) -> Revision:
    """A checkpoint's model, tokenizer and config, and the metrics of its step; on request all that going on needs."""
    return _of_checkpoint(checkpoint_branch(step), run, step, checkpoint, with_state)


def state_revision(run: Run, step: int, checkpoint: Path) -> Revision:
    """The newest checkpoint, with all that going on needs, in the branch that is written again and again."""
    return _of_checkpoint(LAST_STATE, run, step, checkpoint, with_state=True)


def _of_checkpoint(branch: str, run: Run, step: int, checkpoint: Path, with_state: bool) -> Revision:
    ours = named_files(read_manifest(checkpoint)) or {}
    files: dict = {path: checkpoint / path for path in sorted(ours) if with_state or path not in STATE}
    record = next((record for record in run.records if record["step"] == step), {"step": step})
    files[STEP_METRICS] = (json.dumps(record, indent=1) + "\n").encode()
    if with_state:
        until = (record for record in run.records if record["step"] <= step)
        files[METRICS] = "".join(json.dumps(record) + "\n" for record in until).encode()
        files[CONFIG] = _public_config(run.config).encode()
        files |= _files_below(run.path, DATASET)
        if (run.path / GENERATED_TEXTS).exists():
            files[GENERATED_TEXTS] = run.path / GENERATED_TEXTS
    return _with_manifest(Revision(branch, files), run)


def _files_below(run: Path, folder: str) -> dict[str, Path]:
    """The files in a folder of a run, by their place in it."""
    paths = sorted(path for path in (run / folder).rglob("*") if not path.name.startswith("."))
    return {path.relative_to(run).as_posix(): path for path in paths if path.is_file()}


def main_revision(run: Run, card: str, revisions: dict[str, str]) -> Revision:
    """The final model, the record of the run, the card, and which step revisions there should be.

    Args:
        run: a loaded run.
        card: README.md.
        revisions: the sha256 of each one's manifest, by branch.
    """
    names = (name for name in WRITTEN if name.endswith(_OF_MAIN) and name != MANIFEST)
    files: dict = {name: run.path / name for name in sorted(names) if (run.path / name).is_file()}
    for folder in _RUN_FOLDERS:
        files |= _files_below(run.path, folder)
    files["README.md"] = card.encode()
    files[CONFIG] = _public_config(run.config).encode()
    return _with_manifest(Revision("main", files), run, revisions)


def _public_config(config: dict) -> str:
    environment = {key: value for key, value in (config.get(ENVIRONMENT_KEY) or {}).items() if key != "command"}
    return yaml.safe_dump(public(config) | {ENVIRONMENT_KEY: environment}, sort_keys=False, allow_unicode=True)


def _with_manifest(revision: Revision, run: Run, revisions: dict[str, str] | None = None) -> Revision:
    sums = {path: sha256(content_of(file)) for path, file in sorted(revision.files.items())}
    manifest: dict = {"files": sums, "run": run_mark(run.config)}
    if revisions is not None:
        manifest["revisions"] = revisions
    return Revision(revision.branch, revision.files | {MANIFEST: json.dumps(manifest, indent=1).encode()})


def content_of(file: Path | bytes) -> bytes:
    """The bytes of a file of a revision."""
    return file if isinstance(file, bytes) else file.read_bytes()
