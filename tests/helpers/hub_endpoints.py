"""How the loopback Hub of `hub_server.py` answers: one function an address, listed in ROUTES at the end.

`request` is the server's Handler: `hub`, `user`, `headers`, `query`, `body`. Paths and revisions arrive unquoted, and
`repo` is there for this user: with_repo() has seen to it.
"""

import base64
import hashlib
import json
import re

from tests.helpers.hub_store import LFS_SUFFIXES, Blob, HubError, Repo, reply

LARGEST_REGULAR_FILE = 10 * 2**20


def whoami(request):
    """The user behind a token."""
    if request.user is None:
        raise HubError(401)
    token = {"displayName": "test", "role": "write" if request.user.get("writable") else "read"}
    user = {"type": "user", "id": "1", "name": request.user["name"], "isPro": False, "orgs": []}
    return reply(user | {"auth": {"type": "access_token", "accessToken": token}})


def validate_yaml(request):
    """Looks only at the shape of a card's header: every line that isn't indented, a list or a comment has a key."""
    header = re.match(r"\s*---\r?\n(.*?)^---", json.loads(request.body)["content"], re.DOTALL | re.MULTILINE)
    if not header:
        return reply({"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
    wrong = [line for line in header[1].splitlines() if not re.match(r"[\s#-]|$|[^:]+:(\s|$)", line)]
    errors = [{"message": f"bad line in metadata: {line}"} for line in wrong]
    return reply({"errors": errors, "warnings": []}, status=400 if errors else 200)


def web_address(hub, repo_type, repo_id):
    """Where people would look at a repository; from it the client reads the type."""
    return f"{hub.url}/{repo_id}" if repo_type == "model" else f"{hub.url}/{repo_type}s/{repo_id}"


def create_repo(request):
    """A 409 must tell the address too: the client reads it where `exist_ok`."""
    asked = json.loads(request.body)
    key = (asked.get("type") or "model", f"{asked['organization']}/{asked['name']}")
    url = web_address(request.hub, *key)
    request.check_writable(key[1])
    if key in request.hub.repos:
        raise HubError(409, "You already created this repo", url=url)
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    request.hub.repos[key] = Repo(*key, private, request.user["name"])
    return reply({"url": url, "name": key[1]})


def auth_check(request, repo):
    """Nothing to tell to who came this far."""
    return reply({})


def info(request, repo, revision="main"):
    """Sha and files; sizes and hashes of the files are always told."""
    commit, first = repo.commit(revision), list(repo.history())[-1]
    about = {"id": repo.id, "author": repo.id.split("/")[0], "private": repo.private, "gated": False, "disabled": False}
    about |= {"sha": commit.id, "lastModified": commit.date, "createdAt": first.date, "tags": [], "downloads": 0}
    return reply(about | {"siblings": [blob.entry(path) for path, blob in sorted(commit.blobs.items())]})


def refs(request, repo):
    def listed(kind, named):
        return [{"name": n, "ref": f"refs/{kind}/{n}", "targetCommit": commit.id} for n, commit in named.items()]

    heads = {"branches": listed("heads", repo.branches), "tags": listed("tags", repo.tags)}
    return reply(heads | {"converts": [], "pullRequests": []})


def commits(request, repo, revision):
    return reply(
        [
            {"id": c.id, "title": c.title, "message": c.message, "date": c.date, "authors": [{"user": c.author}]}
            for c in repo.history(revision)
        ]
    )


def create_branch(request, repo, revision):
    return name(repo.branches, revision, repo.commit(json.loads(request.body).get("startingPoint") or "main"))


def create_tag(request, repo, revision):
    return name(repo.tags, json.loads(request.body)["tag"], repo.commit(revision))


def delete_tag(request, repo, revision):
    if repo.tags.pop(revision, None) is None:
        raise HubError(404, "Tag not found", "RevisionNotFound")
    return reply({})


def name(names, new, commit):
    if new in names:
        raise HubError(409, "Reference already exists")
    names[new] = commit
    return reply({}, status=201)


def preupload(request, repo, revision):
    """Says for each file whether it goes through LFS, and what the revision holds there now."""
    blobs = repo.commit(revision).blobs
    answers = []
    for file in json.loads(request.body)["files"]:
        binary = b"\0" in base64.b64decode(file.get("sample", "")) or file["path"].endswith(LFS_SUFFIXES)
        mode = "lfs" if binary or file["size"] > LARGEST_REGULAR_FILE else "regular"
        there = {"oid": blobs[file["path"]].etag} if file["path"] in blobs else {}
        answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False} | there)
    return reply({"files": answers, "commitOid": repo.commit(revision).id})


def lfs_batch(request, repo):
    """Tells where to PUT each object; one that is there already needs no action."""
    objects = [{"oid": asked["oid"], "size": asked["size"]} for asked in json.loads(request.body)["objects"]]
    for item in objects:
        if item["oid"] not in request.hub.lfs:
            item["actions"] = {"upload": {"href": f"{request.hub.url}/lfs/{item['oid']}"}}
    return reply({"transfer": "basic", "objects": objects})


def lfs_put(request, oid):
    """Takes an object, without a token as on S3."""
    if hashlib.sha256(request.body).hexdigest() != oid:
        raise HubError(400, "The content doesn't have this sha256")
    request.hub.lfs[oid] = request.body
    return reply()


def commit(request, repo, revision):
    """Applies all of the operations, one JSON object a line, or none."""
    if revision not in repo.branches:
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    header, *operations = [json.loads(line) for line in request.body.split(b"\n") if line]
    head, about = repo.branches[revision], header["value"]
    blobs = dict(head.blobs)
    for operation in operations:
        OPERATIONS[operation["key"]](request.hub, blobs, **operation["value"])
    new = repo.add(revision, blobs, request.user["name"], about["summary"], about.get("description", ""))
    request.hub.received_commits.append(new)
    url = f"{web_address(request.hub, repo.type, repo.id)}/commit/{new.id}"
    return reply({"success": True, "commitOid": new.id, "commitUrl": url, "hookOutput": ""})


def put_file(hub, blobs, path, content, encoding="utf-8"):
    blobs[path] = Blob(base64.b64decode(content) if encoding == "base64" else content.encode())


def put_lfs_file(hub, blobs, path, oid, **_):
    if oid not in hub.lfs:
        raise HubError(400, f"LFS pointer pointed to a file that does not exist: {path}")
    blobs[path] = Blob(hub.lfs[oid], lfs=True)


def delete_file(hub, blobs, path):
    if path not in blobs:
        raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
    del blobs[path]


OPERATIONS = {"file": put_file, "lfsFile": put_lfs_file, "deletedFile": delete_file}


def entries(blobs):
    """Files and the folders that hold them, by path."""
    folders = {path[: slash.start()] for path in blobs for slash in re.finditer("/", path)}
    listed = {path: {"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders}
    return dict(sorted((listed | {path: blob.entry(path) for path, blob in blobs.items()}).items()))


def tree(request, repo, revision, path=""):
    """What lies in a folder, or with `recursive` under it."""
    prefix = path.rstrip("/") + "/" if path else ""
    inside = {name: entry for name, entry in entries(repo.commit(revision).blobs).items() if name.startswith(prefix)}
    if path and not inside:
        raise HubError(404, f"{path} does not exist on {revision}", "EntryNotFound")
    deep = request.query.get("recursive", ["false"])[0].lower() in ("true", "1")
    return reply([entry for name, entry in inside.items() if deep or "/" not in name[len(prefix) :]])


def resolve(request, repo, revision, path):
    """A file or a range of it, with the headers from which the client names its cache."""
    commit = repo.commit(revision)
    if path not in commit.blobs:
        raise HubError(404, "Entry not found", "EntryNotFound", headers={"X-Repo-Commit": commit.id})
    blob = commit.blobs[path]
    headers = {"X-Repo-Commit": commit.id, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
    if blob.lfs:
        headers |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": len(blob.data)}
    return send_range(blob.data, request.headers.get("Range"), headers)


def send_range(data, asked, headers):
    """All of the data, or what `bytes=first-last`, `bytes=first-` or `bytes=-length` asks for."""
    if not asked:
        return reply(data, **headers)
    first, last = asked.removeprefix("bytes=").split("-")
    start = int(first) if first else max(len(data) - int(last), 0)
    end = min(int(last) + 1, len(data)) if first and last else len(data)
    if start >= end:
        raise HubError(416, headers={"Content-Range": f"bytes */{len(data)}"})
    return reply(data[start:end], status=206, **headers, **{"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})


NAME = r"(?P<repo_id>[^/]+/[^/]+)"
API = r"/api/(?P<repo_type>model|dataset|space)s/" + NAME
WEB = r"/(?:(?P<repo_type>dataset|space)s/)?" + NAME
REVISION = r"/(?P<revision>[^/]+)"
ROUTES = [  # method and quoted address, endpoint, whether it needs the right to write
    ("GET /api/whoami-v2", whoami, False),
    ("POST /api/validate-yaml", validate_yaml, False),
    ("POST /api/repos/create", create_repo, False),  # it sees to it itself
    (f"GET {API}(?:/revision{REVISION})?", info, False),
    (f"GET {API}/auth-check/write", auth_check, True),
    (f"GET {API}/refs", refs, False),
    (f"GET {API}/commits{REVISION}", commits, False),
    (f"POST {API}/branch{REVISION}", create_branch, True),
    (f"POST {API}/tag{REVISION}", create_tag, True),
    (f"DELETE {API}/tag{REVISION}", delete_tag, True),
    (f"POST {API}/preupload{REVISION}", preupload, True),
    (f"POST {WEB}.git/info/lfs/objects/batch", lfs_batch, True),
    (r"PUT /lfs/(?P<oid>\w+)", lfs_put, False),
    (f"POST {API}/commit{REVISION}", commit, True),
    (f"GET {API}/tree{REVISION}(?:/(?P<path>.+))?", tree, False),
    (f"(?:GET|HEAD) {WEB}/resolve{REVISION}/(?P<path>.+)", resolve, False),
]
