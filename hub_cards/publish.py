"""Publishing a run: each checkpoint a branch and a tag, `main` the final model, a tag for the run.

A second call sends nothing new, and what was changed on the Hub since it puts right.
"""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.hf_api import RepoFile

from hub_cards.cards import model_card
from hub_cards.remote import HUB_FILES, holds, read, tree
from hub_cards.revisions import (
    Revision,
    check_final,
    checkpoint_branch,
    checkpoint_revision,
    content_of,
    left_out,
    main_revision,
    marked,
    run_mark,
    sound_checkpoints,
    state_revision,
)
from run_directory.hub import retry
from run_directory.layout import LAST_STATE, MANIFEST, PROGRESS, STEP_BRANCH, WEIGHTS
from run_directory.manifests import checkpoints, is_sound, sha256
from run_directory.records import load_run
from run_directory.states import has_state


def publish_run(
    api: HfApi, path: Path, repo_id: str, dataset_id: str | None = None, report: Callable = print,
    strategy: str | None = None,
) -> int:  # fmt: skip
    """Bring a model repository in line with a run directory.

    Args:
        api: of `open_repo`.
        path: the run.
        repo_id: the model repository.
        dataset_id: the dataset repository its people were published to, for the card.
        report: is told, in a line, of each revision that is sent, and of the damaged checkpoints that are not.
        strategy: which states are sent, as `hub_strategy` says; as the run was told if None.

    Returns:
        How many revisions were sent.

    Raises:
        UserError: the final model is damaged; nothing is sent.
    """
    run, repository = load_run(path), ModelRepository(api, repo_id)
    check_final(path)
    if line := left_out(path):
        report(line)
    strategy = strategy or run.config.get("hub_strategy") or "every_save"
    here, with_state = sound_checkpoints(path), strategy == "all_checkpoints"
    # What save_total_limit deleted here stays on the Hub: whole checkpoints, or their states.
    whole = {step for step, folder in here.items() if has_state(folder) or not with_state}
    there = repository.earlier(run_mark(run.config), {checkpoint_branch(step) for step in whole})
    steps = [
        checkpoint_revision(run, step, folder, with_state)
        for step, folder in here.items()
        if step in whole or checkpoint_branch(step) not in there
    ]
    revisions = [*steps]
    states = {step: folder for step, folder in checkpoints(path).items() if is_sound(folder) and has_state(folder)}
    newest = max(states, default=None)
    if strategy == "checkpoint" and newest is not None and newest >= repository.newest_state():
        revisions.append(state_revision(run, newest, states[newest]))
    if finished := (path / WEIGHTS).exists():
        named = there | {step.branch: sha256(step.files[MANIFEST]) for step in steps}
        card = model_card(run, repo_id, dataset_id, sorted(named))
        revisions.append(main_revision(run, card, dict(sorted(named.items()))))
    sent = [revision for revision in revisions if repository.push(revision)]
    for revision in sent:
        report(f"published {repo_id} @ {revision.branch}")
    if finished:
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
        """Make a branch hold exactly the files of a revision, in one commit, and its tag point there.

        Returns:
            False if all is so already, by the Hub's own sums of its files.
        """
        return retry(lambda: self._push(revision))

    def earlier(self, mark: str, here: set[str]) -> dict[str, str]:
        """Step revisions that a run published and does not have any more.

        Args:
            mark: of the run, as its manifests have it.
            here: the branches of those that it has.

        Returns:
            The sha256 of each one's manifest, by branch.
        """
        branches = retry(lambda: self._refs).branches
        others = sorted(name for name in branches if name.startswith(STEP_BRANCH) and name not in here)
        manifests = {branch: retry(lambda branch=branch: self._manifest(branch)) for branch in others}
        return {branch: sha256(m) for branch, m in manifests.items() if m and marked(m) == mark}

    def newest_state(self) -> int:
        """The step of the state that is there, to go on from; -1 if there is none."""
        if LAST_STATE not in retry(lambda: self._refs).branches:
            return -1
        entry = retry(lambda: tree(self.api, self.repo_id, LAST_STATE)).get(PROGRESS)
        content = retry(lambda: read(self.api, self.repo_id, entry, LAST_STATE)) if entry else None
        return json.loads(content)["step"] if content else -1

    def _manifest(self, branch: str) -> bytes | None:
        entry = tree(self.api, self.repo_id, branch).get(MANIFEST)
        return read(self.api, self.repo_id, entry, branch) if entry else None

    def _push(self, revision: Revision) -> bool:
        try:
            sent = self._push_files(revision)
            return self._push_tag(revision) or sent
        except Exception:
            self.__dict__.pop("_refs", None)  # a second attempt looks what came of the first
            raise

    def _push_files(self, revision: Revision) -> bool:
        there, files = self._files(revision.branch), revision.files
        operations: list = [
            CommitOperationAdd(path, file)
            for path, file in files.items()
            if not holds(there.get(path), content_of(file))
        ]
        operations += [CommitOperationDelete(path) for path in sorted(there.keys() - files.keys() - HUB_FILES)]
        if operations:
            message = f"Publish {revision.branch}"
            done = self.api.create_commit(self.repo_id, operations, commit_message=message, revision=revision.branch)
            self._refs.branches[revision.branch] = done.oid
        return bool(operations)

    def _push_tag(self, revision: Revision) -> bool:
        tag, tags, commit = revision.tag, self._refs.tags, self._refs.branches[revision.branch]
        if tag is None or tags.get(tag) == commit:
            return False
        if tag in tags:
            self.api.delete_tag(self.repo_id, tag=tag)
        self.api.create_tag(self.repo_id, tag=tag, revision=commit, exist_ok=True)
        tags[tag] = commit
        return True

    def _files(self, branch: str) -> dict[str, RepoFile]:
        """What a branch holds; one that is not there is made."""
        if branch in self._refs.branches:
            return tree(self.api, self.repo_id, branch)
        commit, files = self._first
        self.api.create_branch(self.repo_id, branch=branch, revision=commit, exist_ok=True)
        self._refs.branches[branch] = commit
        return files

    @cached_property
    def _refs(self) -> SimpleNamespace:
        """Branches and tags, and the commit of each."""
        refs = self.api.list_repo_refs(self.repo_id)
        kinds = {"branches": refs.branches, "tags": refs.tags}
        return SimpleNamespace(**{kind: {ref.name: ref.target_commit for ref in of} for kind, of in kinds.items()})

    @cached_property
    def _first(self) -> tuple[str, dict[str, RepoFile]]:
        """The first commit, without the files of main, and its files: where branches begin."""
        commit = self.api.list_repo_commits(self.repo_id)[-1].commit_id
        return commit, tree(self.api, self.repo_id, commit)
