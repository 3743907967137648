"""What a repository on the Hub holds now, by the Hub's own word, never by a cache that answers in its place."""

import hashlib
import tempfile
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile

from run_directory.manifests import sha256

# The Hub's own; it makes them, and may change them.
HUB_FILES = {".gitattributes"}


def tree(api: HfApi, repo_id: str, revision: str | None = None, repo_type: str = "model") -> dict[str, RepoFile]:
    """Each file of a revision by its path, with its sums; one request for a thousand files."""
    entries = api.list_repo_tree(repo_id, recursive=True, revision=revision, repo_type=repo_type)
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def holds(entry: RepoFile | None, content: bytes) -> bool:
    """Whether a file on the Hub has this content; nothing is fetched for it."""
    if entry is None:
        return False
    return entry.lfs.sha256 == sha256(content) if entry.lfs else entry.blob_id == _git_id(content)


def read(api: HfApi, repo_id: str, entry: RepoFile, revision: str | None = None, repo_type: str = "model") -> bytes:
    """The content of a file as its entry in the tree has it.

    Raises:
        OSError: something else came; it may pass, as when the branch has changed since.
    """
    # An empty folder of its own: from its cache, the client would give an older file if the Hub does not answer.
    with tempfile.TemporaryDirectory() as folder:
        place = {"revision": revision, "repo_type": repo_type, "local_dir": folder}
        content = Path(api.hf_hub_download(repo_id, entry.path, **place)).read_bytes()
    if not holds(entry, content):
        raise OSError(f"{entry.path} is not what the Hub lists")
    return content


def _git_id(content: bytes) -> str:
    """The name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
