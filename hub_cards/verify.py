"""Checking a published run: every revision against its manifest, by what the Hub says now."""

from collections import defaultdict
from dataclasses import dataclass

from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile

from hub_cards.remote import HUB_FILES, read, tree
from run_directory.hub import retry
from run_directory.layout import MANIFEST, STEP_BRANCH, WEIGHTS
from run_directory.manifests import named_files, parse_manifest, sha256


def verify(api: HfApi, repo_id: str) -> list[str]:
    """Compare every step revision and `main` with their manifests.

    Files kept in large-file storage are compared by the sha256 that the Hub has for them, the others are downloaded,
    each content once.

    Returns:
        What is wrong, a line each; empty if nothing is.
    """
    refs = retry(lambda: api.list_repo_refs(repo_id))
    commits = {branch.name: branch.target_commit for branch in refs.branches}
    ours = [name for name in sorted(commits) if name == "main" or name.startswith(STEP_BRANCH)]
    fetch = _Fetch(api, repo_id)
    revisions = {name: fetch.revision(commits[name]) for name in ours}
    problems, weights = [], defaultdict(list)
    for name, revision in revisions.items():
        problems += [f"{name}: {problem}" for problem in _check(revision, fetch)]
        if name != "main" and revision.manifest:
            weights[revision.manifest["files"].get(WEIGHTS)].append(name)
    problems += [f"{', '.join(same)}: the same weights" for same in weights.values() if len(same) > 1]
    return problems + _check_named(revisions)


@dataclass(frozen=True)
class _Published:
    """A commit: its files, its manifest if that is one, and the sha256 of the manifest."""

    commit: str
    files: dict[str, RepoFile]
    manifest: dict | None
    manifest_sha256: str | None


class _Fetch:
    """What is asked of the Hub; each content once, as revisions share most of their small files."""

    def __init__(self, api: HfApi, repo_id: str):
        self.api, self.repo_id, self._sums = api, repo_id, {}

    def revision(self, commit: str) -> _Published:
        files = retry(lambda: tree(self.api, self.repo_id, commit))
        content = self._read(commit, files[MANIFEST]) if MANIFEST in files else None
        if content is None:
            return _Published(commit, files, None, None)
        return _Published(commit, files, _manifest(content), sha256(content))

    def sha256(self, commit: str, entry: RepoFile) -> str:
        if entry.lfs:
            return entry.lfs.sha256
        if entry.blob_id not in self._sums:
            self._sums[entry.blob_id] = sha256(self._read(commit, entry))
        return self._sums[entry.blob_id]

    def _read(self, commit: str, entry: RepoFile) -> bytes:
        return retry(lambda: read(self.api, self.repo_id, entry, commit))


def _manifest(content: bytes) -> dict | None:
    """The manifest of a revision; None if it is of another form."""
    manifest = parse_manifest(content)
    if not isinstance(manifest, dict) or named_files(manifest.get("files")) is None:
        return None
    revisions = manifest.get("revisions", {})  # of `main`; none, of a run without checkpoints
    return manifest if revisions == {} or named_files(revisions) is not None else None


def _check(revision: _Published, fetch: _Fetch) -> list[str]:
    if revision.manifest is None:
        return ["no manifest"]
    there, named = revision.files, revision.manifest["files"]
    problems = [f"{path} is missing" for path in named.keys() - there.keys()]
    problems += [f"{path} is not in the manifest" for path in there.keys() - named.keys() - HUB_FILES - {MANIFEST}]
    for path in there.keys() & named.keys():
        if fetch.sha256(revision.commit, there[path]) != named[path]:
            problems.append(f"{path} differs from the manifest")
    return sorted(problems)


def _check_named(revisions: dict[str, _Published]) -> list[str]:
    """Whether the step revisions are those that `main` says there are."""
    main, there = revisions.get("main"), revisions.keys() - {"main"}
    if main is None or main.manifest is None:
        return ["main: not published yet"] if main is None else []
    expected = main.manifest.get("revisions", {})
    problems = [f"{branch}: missing, though main names it" for branch in sorted(expected.keys() - there)]
    problems += [f"{branch}: main does not name it" for branch in sorted(there - expected.keys())]
    for branch in sorted(expected.keys() & there):
        if revisions[branch].manifest and revisions[branch].manifest_sha256 != expected[branch]:
            problems.append(f"{branch}: its manifest is not the one that main names")
    return problems
