"""Checking a published run: every revision against its manifest."""

from collections import defaultdict
from pathlib import Path

from huggingface_hub import HfApi

from hub_cards.publish import remote_manifest
from run_directory.layout import MANIFEST, STEP_BRANCH, WEIGHTS
from run_directory.manifests import sha256

_HUB_FILES = {".gitattributes", MANIFEST}


def verify(api: HfApi, repo_id: str) -> list[str]:
    """Compare every step revision and `main` with their manifests.

    Files kept in large-file storage are compared by the sha256 that the Hub has for them, the others are downloaded.

    Returns:
        What is wrong, a line each; empty if nothing is.
    """
    branches = sorted(branch.name for branch in api.list_repo_refs(repo_id).branches)
    problems, weights, manifests = [], defaultdict(list), {}
    for branch in branches:
        if branch == "main" or branch.startswith(STEP_BRANCH):
            manifests[branch] = remote_manifest(api, repo_id, branch)
            found = _check_branch(api, repo_id, branch, manifests[branch])
            problems += [f"{branch}: {problem}" for problem in found]
            if branch != "main" and manifests[branch]:
                weights[manifests[branch]["files"].get(WEIGHTS)].append(branch)
    problems += [f"{', '.join(same)}: the same weights" for same in weights.values() if len(same) > 1]
    return problems + _check_revisions(api, repo_id, manifests)


def _check_branch(api: HfApi, repo_id: str, branch: str, manifest: dict | None) -> list[str]:
    if manifest is None:
        return ["no manifest"]
    there = {entry.path: entry for entry in api.list_repo_tree(repo_id, recursive=True, revision=branch)}
    files = {path: entry for path, entry in there.items() if hasattr(entry, "blob_id")}
    problems = [f"{path} is missing" for path in manifest["files"].keys() - files.keys()]
    problems += [f"{path} is not in the manifest" for path in files.keys() - manifest["files"].keys() - _HUB_FILES]
    for path in files.keys() & manifest["files"].keys():
        if _sha256(api, repo_id, branch, files[path]) != manifest["files"][path]:
            problems.append(f"{path} differs from the manifest")
    return sorted(problems)


def _sha256(api: HfApi, repo_id: str, branch: str, entry) -> str:
    if entry.lfs is not None:
        return entry.lfs.sha256
    return sha256(Path(api.hf_hub_download(repo_id, entry.path, revision=branch)).read_bytes())


def _check_revisions(api: HfApi, repo_id: str, manifests: dict[str, dict | None]) -> list[str]:
    """Whether the step revisions are those that `main` says there are."""
    main = manifests.get("main")
    if main is None:
        return ["main: not published yet"] if "main" not in manifests else []
    expected, there = main.get("revisions", {}), manifests.keys() - {"main"}
    problems = [f"{branch}: missing, though main names it" for branch in sorted(expected.keys() - there)]
    problems += [f"{branch}: main does not name it" for branch in sorted(there - expected.keys())]
    for branch in sorted(expected.keys() & there):
        content = Path(api.hf_hub_download(repo_id, MANIFEST, revision=branch)).read_bytes()
        if manifests[branch] is not None and sha256(content) != expected[branch]:
            problems.append(f"{branch}: its manifest is not the one that main names")
    return problems
