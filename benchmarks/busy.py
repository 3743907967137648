"""A step of `tiny` on all cores, alone and beside one busy process per core, for ways in which threads wait.

python -m benchmarks.busy [--json FILE]

OpenMP's threads spin before they sleep. On an idle machine that saves a wake-up; on a busy one they spin on a core that
the thread they wait for needs. Each way has its own process, and they take turns, first alone, then beside the others.
"""

import multiprocessing
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from benchmarks.contenders import World, ours
from benchmarks.report import report
from benchmarks.throughput import Turns

ROUNDS, STEPS = 5, 3
# libgomp spins 300,000 times by itself. One thread waits for nobody.
WAYS = {
    "default": {"GOMP_SPINCOUNT": "300000"},
    **{f"{count:,} spins": {"GOMP_SPINCOUNT": str(count)} for count in (100_000, 30_000, 10_000, 3_000, 1_000)},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


def contend(pipe) -> None:
    """A way's process: a round to warm up, then rounds when told to."""
    world = World.build("tiny")
    pipe.send(None)
    ours(world, (2 * ROUNDS + 1) * STEPS, Turns(pipe, STEPS))


@contextmanager
def waiting(way: dict[str, str]) -> Iterator[None]:
    """What processes that begin now find in their environment."""
    kept = {name: os.environ.pop(name) for name in {key for each in WAYS.values() for key in each} & {*os.environ}}
    os.environ |= way
    try:
        yield
    finally:
        for name in way:
            del os.environ[name]
        os.environ |= kept


@contextmanager
def company() -> Iterator[None]:
    """A process for each core that never rests."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def race(pipes: dict) -> dict[str, list[float]]:
    """Milliseconds of a step in each round, by way."""
    times = {name: [] for name in pipes}
    for _ in tqdm(range(ROUNDS), "rounds"):
        for name, pipe in pipes.items():
            pipe.send("go")
            times[name].append(1000 * pipe.recv() / STEPS)
    return times


def main() -> dict:
    """Alone, then in company; ratios to `default` alone, of each round."""
    context, pipes = multiprocessing.get_context("spawn"), {}
    for name, way in WAYS.items():
        pipes[name], theirs = context.Pipe()
        with waiting(way):
            context.Process(target=contend, args=(theirs,), daemon=True).start()
        theirs.close()
    for pipe in pipes.values():
        pipe.recv()  # built
    for pipe in pipes.values():
        pipe.recv()  # warmed up
    alone = race(pipes)
    with company():
        busy = race(pipes)
    for pipe in pipes.values():
        pipe.send("end")
    print(f"{'':16}{'alone (ms)':>12}{'times default':>15}{'busy (ms)':>12}{'times default alone':>21}")
    for name in pipes:
        cells = (alone[name], ratios(alone[name], alone), busy[name], ratios(busy[name], alone))
        print(f"{name:16}{told(cells[0]):>12}{told(cells[1]):>15}{told(cells[2]):>12}{told(cells[3]):>21}")
    return {"milliseconds_alone": alone, "milliseconds_busy": busy}


def ratios(times: list[float], alone: dict[str, list[float]]) -> list[float]:
    """Each round against the same round of `default`, alone."""
    return [mine / theirs for mine, theirs in zip(times, alone["default"], strict=True)]


def told(values: list[float]) -> str:
    """The median."""
    value = statistics.median(values)
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    report(__doc__, main)
