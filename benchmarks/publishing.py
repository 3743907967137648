"""What publishing costs a run: the same run with and without it, in turn, against the tests' Hub on this machine.

python -m benchmarks.publishing [--json FILE]
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import report
from run_directory.records import load_run
from tests.helpers.hub_server import HubServer, client_environment

ROUNDS = 5
STEPS = 200
SAVE_STEPS = 50  # ten times as often as in recipes/tiny.yaml


def seconds(folder: Path, hub: HubServer, name: str, push: bool) -> float:
    """Training time of one run, start and end apart, as it records it itself."""
    command = [sys.executable, "run_pretrain.py", "recipes/tiny.yaml", "--output_dir", str(folder / name)]
    command += ["--max_steps", str(STEPS), "--save_steps", str(SAVE_STEPS)]
    if push:
        command += ["--push_to_hub", "--hub_model_id", f"me/{name}"]
    environment = client_environment(hub, folder / "home", "hf_write")
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return load_run(folder / name).records[-1]["seconds"]


def main() -> dict:
    """Five rounds of two runs; the median of the ratios."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder, HubServer() as hub:
        for number in range(ROUNDS):
            plain, pushed = (seconds(Path(folder), hub, f"{push}-{number}", push) for push in (False, True))
            ratios.append(pushed / plain)
            print(f"round {number}: {plain:.1f} s without, {pushed:.1f} s with publishing", flush=True)
    median = statistics.median(ratios)
    print(f"with / without: {median:.3f} (median of {ROUNDS}; {min(ratios):.3f}-{max(ratios):.3f})")
    return {"ratio_published": median, "ratios": ratios}


if __name__ == "__main__":
    report(__doc__, main)
