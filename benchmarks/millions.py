"""What a thousand to ten million individuals cost: the start of a run, all of a run, and a dataset.

python -m benchmarks.millions [--json FILE] [--figure FILE]

Each figure is of a process of its own, with one thread, since memory once taken would not be given back. A dataset is
made by two processes. CPU time is given where other jobs on the machine would disturb wall-clock time.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib.ticker import LogLocator, NullLocator

from analysis.drawing import legend, name_panels, panels, save, style
from benchmarks.report import report

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
PROCESSES = 2
DONE = {
    "start": "a run until its first step",
    "run": "all of a run of 20 steps",
    "dataset": f"a dataset, made by {PROCESSES} processes",
    "stream": "the first 1,000 rows of it, streamed",
}

_ENDED = """
import json, os, resource, sys, time
from benchmarks.memory import peak_mb

def ended(**more):
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    cpu_seconds = sum(os.times()[:4])
    print("\\n" + json.dumps({"cpu_seconds": cpu_seconds, "peak_mb": max(peak_mb(), children)} | more))
"""

# The names of nano are for a thousand people; full lists are for millions.
_PEOPLE = ["--n_individuals", "{size}", "--n_unseen", "1000", "--n_new", "0"]
_RUN = ["recipes/nano.yaml", *_PEOPLE, "--entries_per_list", "900", "--num_threads", "1", "--max_steps", "20",
        "--draw_figures", "False", "--output_dir", "{folder}/run"]  # fmt: skip

_WHOLE_RUN = """
import run_pretrain
run_pretrain.main(sys.argv[1:])
ended()
"""

# All that comes before the first step.
_START = """
import training.loop
def train(*_, **__):
    ended()
    sys.stdout.flush()
    os._exit(0)
training.loop.train = train
import run_pretrain
run_pretrain.main(sys.argv[1:])
"""

_DATASET = """
from pathlib import Path
from data_builder.__main__ import main
output, begin = Path(sys.argv[-1]), time.perf_counter()
main(sys.argv[1:])
seconds = time.perf_counter() - begin
import pyarrow.parquet as pq
files = [*output.rglob("*.parquet")]
rows = sum(pq.read_metadata(file).num_rows for file in files)
ended(seconds=seconds, rows=rows, rows_per_second=rows / seconds, files=len(files),
      megabytes=sum(file.stat().st_size for file in files) / 1e6)
"""

_STREAM = """
from datasets import load_dataset
begin = time.process_time()
rows = load_dataset(sys.argv[1], "biographies", split="train", streaming=True)
for _ in zip(range(1000), rows): pass
ended(first_1000_cpu_seconds=time.process_time() - begin)
"""


def measured(program: str, words: list[str], **filled) -> dict[str, float]:
    """What a program tells of itself at its end, with these words as its arguments."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-c", _ENDED + program, *(word.format(**filled) for word in words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measure(size: int, folder: Path) -> dict[str, float]:
    """All figures of one size; needs room for the dataset, half a kilobyte an individual."""
    filled, dataset = {"size": size, "folder": folder}, [*_PEOPLE, "--num_proc", str(PROCESSES)]
    figures = {"individuals": size}
    for name, program, words in (
        ("start", _START, _RUN),
        ("run", _WHOLE_RUN, [*_RUN, "--overwrite_output_dir"]),
        ("dataset", _DATASET, [*dataset, "--output_dir", "{folder}/data"]),
        ("stream", _STREAM, ["{folder}/data"]),
    ):
        figures |= {f"{name}_{key}": value for key, value in measured(program, words, **filled).items()}
    return figures


def main() -> dict:
    """Measure all sizes and print a line for each."""
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(size, Path(folder)))
        print(", ".join(f"{name} {value:,.4g}" for name, value in rows[-1].items()), flush=True)
    return {"sizes": rows}


def draw(figures: dict, path: Path) -> None:
    """CPU time and peak memory over individuals."""
    whole, (time, memory) = panels(1, 2, height=2.9)
    for axes, key in ((time, "cpu_seconds"), (memory, "peak_mb")):
        for number, (what, words) in enumerate(DONE.items()):
            rows = [row for row in figures["sizes"] if f"{what}_{key}" in row]  # not of all, if that takes too long
            places, values = zip(*((row["individuals"], row[f"{what}_{key}"]) for row in rows), strict=True)
            axes.plot(places, values, marker="o", markersize=4, label=words, **style(number))
        axes.set(xscale="log", xlabel="individuals")
    time.set_yscale("log")
    time.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_locator=NullLocator())
    memory.set_ylim(bottom=0)
    name_panels((time, memory), ("CPU seconds", "peak memory of the largest process, MB"))
    legend(whole, "one run each, beside other jobs", columns=2)
    save(whole, path)


if __name__ == "__main__":
    report(__doc__, main, draw)
