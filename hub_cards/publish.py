"""Publishing a run: each checkpoint a branch, `main` the final model, a tag for the run.

A second call sends nothing new.
"""

from collections.abc import Callable
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import RemoteEntryNotFoundError, RevisionNotFoundError

from hub_cards.cards import model_card
from hub_cards.revisions import Revision, checkpoint_revision, left_out, main_revision, sound_checkpoints
from run_directory.hub import retry
from run_directory.layout import MANIFEST, WEIGHTS
from run_directory.manifests import named_files, read_manifest, sha256
from run_directory.records import load_run

_HUB_FILES = {".gitattributes"}


def publish_run(api: HfApi, path: Path, repo_id: str, dataset_id: str | None = None, report: Callable = print) -> int:
    """Bring a model repository in line with a run directory.

    Args:
        api: of `open_repo`.
        path: the run.
        repo_id: the model repository.
        dataset_id: the dataset repository its people were published to, for the card.
        report: is told, in a line, of each revision that is sent, and of the damaged checkpoints that are not.

    Returns:
        How many revisions were sent.
    """
    run = load_run(path)
    if line := left_out(path):
        report(line)
    steps = [checkpoint_revision(run, step, folder) for step, folder in sound_checkpoints(path).items()]
    revisions = [*steps]
    if (path / WEIGHTS).exists():
        revisions.append(main_revision(run, model_card(run, repo_id, dataset_id), steps))
    sent = [revision for revision in revisions if push_revision(api, repo_id, revision)]
    for revision in sent:
        report(f"published {repo_id} @ {revision.branch}")
    if len(revisions) > len(steps):
        tag = f"run-{sha256(revisions[-1].files[MANIFEST])[:12]}"
        retry(lambda: api.create_tag(repo_id, tag=tag, revision="main", exist_ok=True))
    return len(sent)


def push_revision(api: HfApi, repo_id: str, revision: Revision) -> bool:
    """Make a branch hold exactly the files of a revision, in one commit; False if it does already."""
    return retry(lambda: _push_revision(api, repo_id, revision))


def _push_revision(api: HfApi, repo_id: str, revision: Revision) -> bool:
    if remote_manifest(api, repo_id, revision.branch) == revision.manifest():
        return False
    if revision.branch != "main":
        first = api.list_repo_commits(repo_id)[-1].commit_id  # without the files of main
        api.create_branch(repo_id, branch=revision.branch, revision=first, exist_ok=True)
    there = set(api.list_repo_files(repo_id, revision=revision.branch)) - _HUB_FILES
    operations = [CommitOperationAdd(path, file) for path, file in revision.files.items()]
    operations += [CommitOperationDelete(path) for path in sorted(there - revision.files.keys())]
    message = f"Publish {revision.branch}"
    api.create_commit(repo_id, operations, commit_message=message, revision=revision.branch)
    return True


def remote_manifest(api: HfApi, repo_id: str, branch: str) -> dict | None:
    """manifest.json of a branch; None if there is no such branch, or no manifest of a revision in it."""
    try:
        manifest = read_manifest(Path(api.hf_hub_download(repo_id, MANIFEST, revision=branch)).parent)
    except (RemoteEntryNotFoundError, RevisionNotFoundError):
        return None
    if not isinstance(manifest, dict) or named_files(manifest.get("files")) is None:
        return None
    revisions = manifest.get("revisions", {})  # of `main`; none, of a run without checkpoints
    return manifest if revisions == {} or named_files(revisions) is not None else None
