"""What a training step costs, in time and memory, as width, layers, batch and sequences grow.

python -m benchmarks.growth [--json FILE]

Each size has its own process, since memory that was once taken stays. Times are medians of CPU time over threads, which
other jobs on the machine disturb less than wall-clock time.
"""

import multiprocessing
import statistics
import time
from dataclasses import asdict, dataclass, replace

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.memory import peak_mb
from benchmarks.report import report
from modeling.cost import cost
from modeling.cpu import use_tricks
from modeling.loss import TokenLoss
from settings.training import TrainingSettings
from training.optimizers import build_optimizers

WARM_UP, STEPS = 2, 7
VOCABULARY = 5760  # the full word lists
HEAD_WIDTH = 32


@dataclass(frozen=True)
class Size:
    """Of a model and its batches; by default about `tiny` over the full word lists."""

    width: int = 128
    layers: int = 2
    batch: int = 32
    length: int = 80

    @property
    def gflop(self) -> float:
        """Billions of operations of a step."""
        with torch.device("meta"):
            model = GPT2LMHeadModel(_config(self))
        return cost(model, self.batch, self.batch, self.length, few_logits=True).flop / 1e9


BASE = Size()
GRID = {"width": (64, 128, 256, 512), "layers": (1, 2, 4, 8), "batch": (8, 32, 128), "length": (40, 80, 160)}


def sizes() -> list[Size]:
    """The base with one quantity changed at a time."""
    varied = [replace(BASE, **{name: value}) for name, values in GRID.items() for value in values]
    return list(dict.fromkeys([BASE, *varied]))


def measure(size: Size) -> dict[str, float]:
    """Seconds of a step (forward, backward, AdamW) and the peak memory of its process in MB."""
    use_tricks(True)
    objective = TokenLoss(GPT2LMHeadModel(_config(size)))
    (optimizer,) = build_optimizers(objective.model, TrainingSettings())
    generator = torch.Generator().manual_seed(0)
    seconds = []
    for _ in range(WARM_UP + STEPS):
        ids = torch.randint(VOCABULARY, (size.batch, size.length), generator=generator)
        begin = time.process_time()
        loss, _ = objective(ids, ids, torch.zeros_like(ids))
        (loss / ids.numel()).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append((time.process_time() - begin) / torch.get_num_threads())
    step = statistics.median(seconds[WARM_UP:])
    return {"step_seconds": step, "gflops": size.gflop / step, "peak_mb": peak_mb()}


def _config(size: Size) -> GPT2Config:
    return GPT2Config(
        vocab_size=VOCABULARY, n_embd=size.width, n_layer=size.layers, n_head=size.width // HEAD_WIDTH,
        n_positions=size.length, activation_function="gelu_pytorch_tanh", resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip


def main() -> dict:
    """Measure all sizes and print a row for each."""
    rows = []
    for size in sizes():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(asdict(size) | pool.apply(measure, (size,)))
        print(", ".join(f"{name} {value:,.4g}" for name, value in rows[-1].items()), flush=True)
    return {"sizes": rows}


if __name__ == "__main__":
    report(__doc__, main)
