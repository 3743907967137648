"""Checking a repository of checkpoints, by what the Hub says now: ours by their manifests, any by what it lists."""

from dataclasses import dataclass

from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile
from tqdm.auto import tqdm

from hub_cards.contents import Contents
from hub_cards.remote import HUB_FILES, read, tree
from hub_cards.revisions import tag_of
from hub_cards.step_revisions import StepRevision, problems, step_of, weights_of
from run_directory.hub import retry
from run_directory.layout import LAST_STATE, MANIFEST, STEP_BRANCH
from run_directory.manifests import named_files, parse_manifest, sha256


@dataclass(frozen=True)
class Verified:
    """What came of a check.

    Attributes:
        problems: what is wrong, a line each.
        steps: how many steps there are.
        by_manifests: whether the repository is one of a published run.
    """

    problems: list[str]
    steps: int
    by_manifests: bool


def verify(api: HfApi, repo_id: str, download: bool = False) -> Verified:
    """Check every branch and tag that is a checkpoint, and `main`.

    A published run is compared with its manifests. In any repository two steps with the same weights are found, a step
    without weights, one whose names mean different models, steps that a regular row lacks, files of weights that are
    incomplete. Files kept in large-file storage are compared by the sha256 that the Hub has for them; others are
    downloaded where it is needed, each content once.

    Args:
        api: of the Hub.
        repo_id: the model repository.
        download: whether to fetch large files, too, and compare them with the Hub's own checksums.
    """
    refs = retry(lambda: api.list_repo_refs(repo_id))
    branches, tags = ({ref.name: ref.target_commit for ref in of} for of in (refs.branches, refs.tags))
    ours = [name for name in sorted(branches) if name in ("main", LAST_STATE) or name.startswith(STEP_BRANCH)]
    steps = [
        (name, kind, *found, of_kind[name])
        for kind, of_kind in (("branch", branches), ("tag", tags))
        for name in sorted(of_kind)
        if (found := step_of(name))
    ]
    fetch, contents = _Fetch(api, repo_id), Contents(api, repo_id, download)
    commits = [branches[name] for name in ours] + [commit for *_, commit in steps]
    for commit in tqdm(dict.fromkeys(commits), unit="revision", disable=None):
        fetch.revision(commit)
    revisions = {name: fetch.revision(branches[name]) for name in ours}
    by_manifests = any(MANIFEST in revision.files for revision in revisions.values())
    found = _by_manifests(revisions, branches, tags, fetch) if by_manifests else []
    if not by_manifests and not steps:
        found = ["no branch or tag is a step of a training, as step500 is"]
    named = [StepRevision(*told, weights_of(fetch.revision(told[-1]).files)) for told in steps]
    names = {commit: name for name, *_, commit in reversed(steps)}
    names |= {branches["main"]: "main"} if "main" in branches else {}
    for commit, name in tqdm(names.items(), unit="revision", disable=None):
        if download or fetch.revision(commit).manifest is None:
            found += [f"{name}: {problem}" for problem in contents.problems(commit, fetch.revision(commit).files)]
    found += problems(named, all_known=by_manifests)  # `main` of a published run names the steps that there are
    return Verified(found, len({told[2:4] for told in steps}), by_manifests)


def _by_manifests(revisions: dict, branches: dict[str, str], tags: dict[str, str], fetch: "_Fetch") -> list[str]:
    """What a published run's manifests contradict, and its tags that do not point where its branches do."""
    found = [f"{name}: {problem}" for name, revision in revisions.items() for problem in _check(revision, fetch)]
    found += _check_named({name: revision for name, revision in revisions.items() if name != LAST_STATE})
    wanted = {name: tag for name in revisions if (tag := tag_of(name))}
    if tags.keys() & {*wanted.values()}:  # once there were none
        wrong = {name: tag for name, tag in wanted.items() if tags.get(tag) != branches[name]}
        found += [
            f"{name}: the tag {tag} is {'elsewhere' if tag in tags else 'missing'}" for name, tag in wrong.items()
        ]
    return found


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
        self._revisions: dict[str, _Published] = {}

    def revision(self, commit: str) -> _Published:
        if commit not in self._revisions:
            self._revisions[commit] = self._revision(commit)
        return self._revisions[commit]

    def _revision(self, commit: str) -> _Published:
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
