"""Runs for which there is not room enough."""

import contextlib
import os
import resource
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from tests.campaign.trial import check_same, expect, finish, pretraining, start

LARGEST = 4_000_000  # bytes; a whole run takes 5 MB


class Campaign:
    """A file system of its own, if this user may mount one; else files that may not grow beyond a size."""

    def __init__(self, directory: Path):
        self.whole = directory / "whole"
        finish(pretraining(self.whole))

    def trial(self, draw, place: Path) -> Counter:
        """One run that runs out of space, and then has enough."""
        place.mkdir()
        size = draw.randint(0, LARGEST)
        with self._small(place, size) as (limited, kind):
            command = pretraining(place / "run", "--resume_from_checkpoint", "auto")
            process = start(command, preexec_fn=limited)
            said = process.communicate()[0]
            expect("Traceback" not in said, f"{size} bytes: {said[-2000:]}")
            expect(process.returncode in (0, 2), f"{size} bytes: ended with {process.returncode}")
            counts = Counter({kind: 1, "enough room at once": process.returncode == 0})
            if kind == "full file systems":
                subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
            finish(command)
            check_same(self.whole, place / "run")
        shutil.rmtree(place)
        return counts

    @contextlib.contextmanager
    def _small(self, place: Path, size: int):
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={max(size, 4096)}", "tmpfs", str(place)]
        if os.geteuid() == 0 and subprocess.run(mounting, capture_output=True).returncode == 0:
            try:
                yield None, "full file systems"
            finally:
                subprocess.run(["umount", "-l", place], check=True)
        else:
            yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)), "limited files"
