"""Publishing to a Hub that errs."""

import shutil
from collections import Counter
from pathlib import Path

import run_directory.hub
from tests.campaign.trial import expect, finish, pretraining
from tests.helpers.hub_server import HubServer
from tests.helpers.hub_store import Blob
from tests.helpers.hub_toys import Client

PLACES = ("POST .*commit", "preupload", "/tree/", "resolve", "refs", "lfs", "whoami", "branch", "create", ".")
FAULTS = ("500", "502", "503", "504", "409", "drop", "lost", "cut")


class Campaign:
    """One run, published again and again to repositories of its own, by clients whose caches stay."""

    def __init__(self, directory: Path):
        self.run = directory / "whole"
        finish(pretraining(self.run))
        run_directory.hub.FIRST_WAIT = 0.01

    def trial(self, draw, home: Path) -> Counter:
        """Faults while it is published, a change by somebody else, then peace: all is there, and verified."""
        counts = Counter()
        with HubServer() as hub:
            client = Client(hub, home)
            publish = ("publish", self.run, "--repo", "me/facts")
            for _ in range(draw.randint(1, 3)):
                for _ in range(draw.randint(0, 4)):
                    hub.fail(draw.choice(PLACES), draw.randint(1, 6), draw.choice(FAULTS))
                counts[self._attempt(client, publish)] += 1
                hub.faults = []
                if ("model", "me/facts") in hub.repos and draw.random() < 0.5:
                    counts[_change(draw, hub.repo("me/facts"))] += 1
            client.hub_cards(*publish)
            said = client.hub_cards("verify", "me/facts").stdout
            expect("as its manifest says" in said, f"verify: {said}")
            expect("everything was there" in client.hub_cards(*publish).stdout, "sent twice")
        shutil.rmtree(home, ignore_errors=True)
        return counts

    def _attempt(self, client: Client, publish: tuple) -> str:
        try:
            client.hub_cards(*publish)
            return "published at once"
        except AssertionError as error:  # it ended with another code than 0
            lines = [line for line in str(error).splitlines() if line.startswith("error: ")]
            expect(len(lines) == 1 and "Traceback" not in str(error), str(error)[-1000:])
            return "refused in a line"


def _change(draw, repo) -> str:
    """What somebody else does to a branch."""
    branch = draw.choice(sorted(repo.branches))
    blobs = dict(repo.branches[branch].blobs)
    if not blobs:
        return "nothing to change"
    name, how = draw.choice(sorted(blobs)), draw.choice(["changed", "deleted", "added", "emptied"])
    if how == "changed":
        blobs[name] = Blob(b"changed")
    elif how == "deleted":
        del blobs[name]
    elif how == "added":
        blobs["mine.txt"] = Blob(b"mine")
    else:
        blobs = {}
    repo.add(branch, blobs, "me", "by hand")
    return f"file {how}"
