"""A Hugging Face Hub on loopback, for tests: repositories in memory, served as huggingface_hub 2.4 expects them.

    with HubServer() as hub:
        subprocess.run([...], env=client_environment(hub, home, token="hf_write"))
        assert "config.json" in hub.repo("me/model").files("step-000500")

Clients read HF_ENDPOINT when they are imported: run them in a process of their own, or as `hub_toys.Client.call` does.
Left out: what this project does not ask for, Xet (set HF_HUB_DISABLE_XET), and most checks of YAML.
"""

import http.server
import os
import re
import socket
import sys
import threading
from urllib.parse import parse_qs, unquote

from tests.helpers.hub_endpoints import ROUTES
from tests.helpers.hub_store import HubError


class HubServer:
    """The server, a context manager; tests may look at all of its state, and change it."""

    def __init__(self):
        self.tokens = {
            "hf_write": {"name": "me", "writable": True},
            "hf_read": {"name": "me", "writable": False},
            "hf_expired": {"name": "me", "writable": True, "expired": True},
            "hf_other": {"name": "other", "writable": True},
        }
        self.repos, self.lfs = {}, {}  # (type, id) → Repo; sha256 → bytes
        self.requests, self.received_commits = [], []
        self.faults, self.lock, self.closing = [], threading.RLock(), threading.Event()

    def __enter__(self):
        self.server = Listener(("127.0.0.1", 0), Handler)
        self.server.hub = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def repo(self, repo_id, repo_type="model"):
        """A repository to look into."""
        return self.repos[repo_type, repo_id]

    def fail(self, match, times=1, kind="500", seconds=0.0, retry_after=None):
        """Let the next `times` requests go wrong whose "METHOD /path" the regex `match` fits.

        kind: "401", "409", "500" or another status, and nothing is done; "drop": nothing is done, the connection ends
        in mid-request; "lost": all is done, but the answer never sent; "cut": the answer ends half-way;
        "hang": all is done, `seconds` later. A status may ask to come back after some seconds.
        """
        headers = {"Retry-After": retry_after} if retry_after else {}
        self.faults.append({"match": match, "times": times, "kind": kind, "seconds": seconds, "headers": headers})

    def take_fault(self, line):
        """Kind, seconds and headers of the fault that hits this request, which thereby is used up a bit."""
        with self.lock:
            fault = next(
                (f for f in self.faults if re.search(f["match"], line)), {"kind": "", "seconds": 0, "headers": {}}
            )
            if fault in self.faults:
                fault["times"] -= 1
                self.faults = [other for other in self.faults if other["times"] > 0]
            return fault["kind"], fault["seconds"], fault["headers"]


def client_environment(hub, home, token=None):
    """Environment for a client process. `home` becomes HF_HOME: a new folder means empty caches.

    The Hub is also its proxy: whatever the client asks of another host ends here, in a 404 and in `hub.requests`.
    """
    ours = re.compile(r"HF_|HUGGING_?FACE_|(all|no|https?)_proxy$", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    off = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS")
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": token or "", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
    settings |= dict.fromkeys((*off, "HF_DATASETS_DISABLE_PROGRESS_BARS"), "1")
    proxies = {"http_proxy": hub.url, "https_proxy": hub.url, "no_proxy": "127.0.0.1"}
    return kept | settings | proxies


class Listener(http.server.ThreadingHTTPServer):
    """Keeps quiet about clients that left, not about errors of its own."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads a request, lets the fault happen that waits for it, and sends what its endpoint replies."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_request(self):
        self.hub = self.server.hub
        self.address, _, query = self.path.partition("?")
        self.query = parse_qs(query)
        asked = (self.command, unquote(self.address))
        self.hub.requests.append(asked)
        kind, seconds, headers = self.hub.take_fault(" ".join(asked))
        length = int(self.headers.get("Content-Length", 0))
        if kind == "drop":
            self.rfile.read(length // 2)
            return self.hang_up()
        self.body = self.rfile.read(length)
        self.hub.closing.wait(seconds)
        answer = HubError(int(kind), headers=headers).reply if kind.isdigit() else self.answer()
        return self.hang_up() if kind == "lost" else self.send(*answer, cut=kind == "cut")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_CONNECT = handle_request

    def log_message(self, *_):
        """Stay quiet."""

    def hang_up(self):
        """End the connection as if the network had."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def send(self, status, headers, body, cut=False):
        """Send an answer, or half of it."""
        self.send_response(status)
        for name, value in ({"Content-Length": len(body)} | headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.hang_up()

    def answer(self):
        """What the endpoint of this address replies."""
        try:
            for pattern, endpoint, writes in ROUTES:
                found = re.fullmatch(pattern, f"{self.command} {self.address}")
                if found:
                    groups = {name: unquote(value) for name, value in found.groupdict().items() if value}
                    with self.hub.lock:
                        return endpoint(self, **self.with_repo(groups, writes))
            raise HubError(404, "Not found")
        except HubError as error:
            return error.reply

    def with_repo(self, groups, writes):
        """Put the repository in the place of its name, if this user may know of it and, where needed, write to it."""
        if "repo_id" not in groups:
            return groups
        repo_id, repo_type = groups.pop("repo_id"), groups.pop("repo_type", "model")
        owned, repo = self.owns(repo_id), self.hub.repos.get((repo_type, repo_id))
        if repo is None or (repo.private and not owned):
            raise HubError(404, "Repository not found", "RepoNotFound")
        if writes:
            self.check_writable(repo_id)
        return {"repo": repo} | groups

    @property
    def user(self):
        """The token's record, None without one; a bad token is an error even where none is needed."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        user = self.hub.tokens.get(token)
        if token and (user is None or user.get("expired")):
            raise HubError(401)
        return user

    def owns(self, repo_id):
        """Whether the repository is the user's."""
        return self.user is not None and repo_id.split("/")[0] == self.user["name"]

    def check_writable(self, repo_id):
        """Refuse who may not write there."""
        if self.user is None:
            raise HubError(401, "Invalid username or password.")
        if not self.user.get("writable") or not self.owns(repo_id):
            raise HubError(403)
