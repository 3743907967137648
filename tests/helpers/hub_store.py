"""What the loopback Hub of `hub_server.py` keeps: files in commits under branches and tags; and how it says no."""

import hashlib
import itertools
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

LFS_SUFFIXES = (".safetensors", ".parquet", ".arrow", ".bin", ".npz", ".gz", ".pt")
MESSAGES = {
    401: "Invalid credentials in Authorization header",
    403: "Forbidden: you must use a write token to upload to a repository.",
    409: "Cannot create repo: another conflicting operation is in progress",  # create_repo repeats at this very text
}


def reply(content=None, status=200, **headers):
    """Status, headers and body of an answer; what isn't bytes is sent as JSON."""
    if isinstance(content, bytes):
        return status, headers, content
    return status, {"Content-Type": "application/json"} | headers, json.dumps(content).encode()


class HubError(Exception):
    """An answer that isn't 2xx; from `code` the client picks its exception."""

    def __init__(self, status, message=None, code=None, headers=(), **content):
        message = message or MESSAGES.get(status, "Something went wrong")
        headers = dict(headers) | {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        if status == 429 and "Retry-After" not in headers:
            headers["RateLimit"] = '"api";r=0;t=0'
        gateway = f"<html>{status}</html>".encode() if status in (502, 503, 504) else None  # answers for the Hub
        self.reply = reply(gateway or {"error": message} | content, status, **headers)


@dataclass(frozen=True)
class Blob:
    """A file's content, and whether git would only hold a pointer to it."""

    data: bytes
    lfs: bool = False

    @property
    def git_id(self):
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()

    @property
    def etag(self):
        """What the client compares to skip files that haven't changed."""
        return hashlib.sha256(self.data).hexdigest() if self.lfs else self.git_id

    def entry(self, path):
        """The file as info (rfilename, blobId, sha256) and tree (path, oid) tell of it."""
        size, sha256 = len(self.data), self.etag
        lfs = {"lfs": {"oid": sha256, "sha256": sha256, "size": size, "pointerSize": 134}} if self.lfs else {}
        oids = {"oid": self.git_id, "blobId": self.git_id}
        return {"type": "file", "path": path, "rfilename": path, "size": size} | oids | lfs


@dataclass
class Commit:
    """A snapshot of all files, and the commit before it."""

    id: str
    parent: "Commit | None"
    title: str
    message: str
    author: str
    blobs: dict
    date: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"))


class Repo:
    """Branches and tags over commits."""

    numbers = itertools.count()

    def __init__(self, repo_type, repo_id, private, author):
        self.type, self.id, self.private = repo_type, repo_id, private
        self.branches, self.tags, self.commits = {}, {}, {}
        rules = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)
        self.add("main", {".gitattributes": Blob(rules.encode())}, author, "initial commit")

    def add(self, branch, blobs, author, title, message=""):
        """Put a commit on top of a branch."""
        commit_id = hashlib.sha1(f"{self.id} {next(self.numbers)}".encode()).hexdigest()
        commit = Commit(commit_id, self.branches.get(branch), title, message, author, blobs)
        self.branches[branch] = self.commits[commit_id] = commit
        return commit

    def commit(self, revision="main"):
        """The commit that a branch, a tag or an id (7 digits will do) means."""
        long_enough = re.fullmatch("[0-9a-f]{7,40}", revision)
        by_id = next((c for i, c in self.commits.items() if i.startswith(revision)), None) if long_enough else None
        found = self.branches.get(revision) or self.tags.get(revision) or by_id
        if found is None:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found

    def history(self, revision="main"):
        """The commits up to a revision, the newest first."""
        commit = self.commit(revision)
        while commit:
            yield commit
            commit = commit.parent

    def files(self, revision="main"):
        """Each path of a revision and its bytes."""
        return {path: blob.data for path, blob in self.commit(revision).blobs.items()}
