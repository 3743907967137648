"""Processes that tests start and wait for."""

import subprocess
import time

# A run that writes what a dry run reads, and then goes on for ever.
TALKER = """\
import json, pathlib, sys, time
run = pathlib.Path(sys.argv[sys.argv.index("--output_dir") + 1])
run.mkdir()
(run / "config.yaml").write_text("max_steps: 100")
(run / "metrics.jsonl").write_text(json.dumps({"step": 5, "seconds": 3, "predicted_seconds": 180}) + "\\n")
time.sleep(1000)
"""


def wait_for(condition, seconds=120):
    until = time.time() + seconds
    while not condition():
        assert time.time() < until
        time.sleep(0.02)


def processes_of(folder):
    """Command lines of living processes that name a folder."""
    lines = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if str(folder) in line]
