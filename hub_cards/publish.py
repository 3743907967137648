"""Publishing a run: each checkpoint a branch, `main` the final model, a tag for the run.

A second call sends nothing new, and what was changed on the Hub since it puts right.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.hf_api import RepoFile

from hub_cards.cards import model_card
from hub_cards.remote import HUB_FILES, holds, tree
from hub_cards.revisions import (
    Revision,
    check_final,
    checkpoint_revision,
    content_of,
    left_out,
    main_revision,
    sound_checkpoints,
)
from run_directory.hub import retry
from run_directory.layout import MANIFEST, WEIGHTS
from run_directory.manifests import sha256
from run_directory.records import load_run


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

    Raises:
        UserError: the final model is damaged; nothing is sent.
    """
    run, repository = load_run(path), ModelRepository(api, repo_id)
    check_final(path)
    if line := left_out(path):
        report(line)
    steps = [checkpoint_revision(run, step, folder) for step, folder in sound_checkpoints(path).items()]
    revisions = [*steps]
    if (path / WEIGHTS).exists():
        revisions.append(main_revision(run, model_card(run, repo_id, dataset_id), steps))
    sent = [revision for revision in revisions if repository.push(revision)]
    for revision in sent:
        report(f"published {repo_id} @ {revision.branch}")
    if len(revisions) > len(steps):
        tag = f"run-{sha256(revisions[-1].files[MANIFEST])[:12]}"
        retry(lambda: api.create_tag(repo_id, tag=tag, revision="main", exist_ok=True))
    return len(sent)


class ModelRepository:
    """A model repository to send revisions to.

    Args:
        api: of `open_repo`.
        repo_id: the repository.
    """

    def __init__(self, api: HfApi, repo_id: str):
        self.api, self.repo_id = api, repo_id

    def push(self, revision: Revision) -> bool:
        """Make a branch hold exactly the files of a revision, in one commit; False if it does already, by the Hub's own
        sums of its files.
        """
        return retry(lambda: self._push(revision))

    def _push(self, revision: Revision) -> bool:
        there, files = self._files(revision.branch), revision.files
        operations: list = [
            CommitOperationAdd(path, file)
            for path, file in files.items()
            if not holds(there.get(path), content_of(file))
        ]
        operations += [CommitOperationDelete(path) for path in sorted(there.keys() - files.keys() - HUB_FILES)]
        if operations:
            message = f"Publish {revision.branch}"
            self.api.create_commit(self.repo_id, operations, commit_message=message, revision=revision.branch)
        return bool(operations)

    def _files(self, branch: str) -> dict[str, RepoFile]:
        """What a branch holds; one that is not there is made."""
        if branch in self._branches:
            return tree(self.api, self.repo_id, branch)
        commit, files = self._first
        self.api.create_branch(self.repo_id, branch=branch, revision=commit, exist_ok=True)
        self._branches.add(branch)  # a second attempt looks what came of the first
        return files

    @cached_property
    def _branches(self) -> set[str]:
        return {branch.name for branch in self.api.list_repo_refs(self.repo_id).branches}

    @cached_property
    def _first(self) -> tuple[str, dict[str, RepoFile]]:
        """The first commit, without the files of main, and its files: where branches begin."""
        commit = self.api.list_repo_commits(self.repo_id)[-1].commit_id
        return commit, tree(self.api, self.repo_id, commit)
