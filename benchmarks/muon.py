"""What an update of Muon takes on this CPU, as torch has it (bfloat16) and in float32; of the matrices of `tiny`.

python -m benchmarks.muon [--json FILE]

Medians and ranges of interleaved updates, on one thread.
"""

import statistics
import time

import torch

from benchmarks.report import report
from training.muon import Float32Muon

SHAPES = [(384, 128), (128, 128), (512, 128), (128, 512)] * 2  # of two layers of width 128
ROUNDS = 7


def measure() -> dict:
    """Milliseconds of each update by kind, in the order of the rounds; the first one, which compiles, left out."""
    torch.set_num_threads(1)
    optimizers = {kind.__name__: kind(matrices(), lr=0.01) for kind in (torch.optim.Muon, Float32Muon)}
    times: dict[str, list[float]] = {name: [] for name in optimizers}
    for _ in range(ROUNDS + 1):
        for name, optimizer in optimizers.items():
            start = time.perf_counter()
            optimizer.step()
            times[name].append(1000 * (time.perf_counter() - start))
    times = {name: values[1:] for name, values in times.items()}
    theirs, ours = times.values()
    told = {f"{name} (ms)": values for name, values in times.items()}
    told["torch's / ours"] = [a / b for a, b in zip(theirs, ours, strict=True)]
    for name, values in told.items():
        print(f"{name:20} {statistics.median(values):7.1f} ({min(values):.1f} to {max(values):.1f})")
    return times


def matrices() -> list[torch.nn.Parameter]:
    """With gradients."""
    parameters = [torch.nn.Parameter(torch.randn(*shape)) for shape in SHAPES]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return parameters


if __name__ == "__main__":
    report(__doc__, measure)
