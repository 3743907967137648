"""Tokens a second of a training step, against `transformers.Trainer` and a plain eager loop.

python -m benchmarks.throughput [--json FILE]

Beside them, what Muon, bfloat16 (also of Trainer), attention patching and attention signatures after each step make of
it. Each contender has its own process, and they take turns. All train the same model with the same AdamW in float32 on
the same batches, if not said otherwise; a token counts if it is predicted, so padding does not.
"""

import math
import multiprocessing
import statistics
import time
from dataclasses import dataclass

import torch

from benchmarks.contenders import CONTENDERS, World
from benchmarks.report import report
from modeling.cpu import fast_products, keep_memory
from modeling.loss import IGNORED_LABEL

ROUNDS = 7
SAME_LOSS = 1e-3  # relative; all have then made the same steps
# A round is a few seconds.
STEPS = {"tiny": 20, "44m": 3}


@dataclass
class Turns:
    """In a contender's process: called after each step; every so many steps, reports the time and waits."""

    pipe: object
    steps: int
    done: int = 0
    begin: float = math.nan

    def __call__(self) -> None:
        """After a step."""
        self.done += 1
        if self.done % self.steps == 0:
            self.pipe.send(time.perf_counter() - self.begin)
            self.pipe.recv()
            self.begin = time.perf_counter()


def contend(pipe, name: str, preset: str) -> None:
    """A contender's process: warm-up, the rounds, and at last the loss on a batch that none has trained on."""
    world, steps = World.build(preset), STEPS[preset]
    CONTENDERS[name](world, (ROUNDS + 1) * steps, Turns(pipe, steps))
    batch = world.stream.batch((ROUNDS + 1) * steps, world.batch_size)
    with torch.no_grad():
        pipe.send(world.model(**{key: batch[key] for key in ("input_ids", "attention_mask", "labels")}).loss.item())


def race(preset: str) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each round and the loss at the end, by contender."""
    context, pipes = multiprocessing.get_context("spawn"), {}
    for name in CONTENDERS:
        pipes[name], theirs = context.Pipe()
        context.Process(target=contend, args=(theirs, name, preset), daemon=True).start()
        theirs.close()  # so that a contender that fails ends the race
    for pipe in pipes.values():
        pipe.recv()  # warmed up
    seconds = {name: [] for name in pipes}
    for _ in range(ROUNDS):
        for name, pipe in pipes.items():
            pipe.send("go")
            seconds[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send("end")
    return seconds, {name: pipe.recv() for name, pipe in pipes.items()}


def gflops(rows: int, inner: int, columns: int) -> float:
    """Billions of operations a second of the best of ten matrix products."""
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - begin)
    return 2e-9 * rows * inner * columns / min(times)


def ceilings(width: int) -> dict[str, float]:
    """What matrix products reach here: torch's own, and as training has them; square, and of the model's width."""
    keep_memory()
    figures = {"matmul_ceiling_gflops_of_torch": max(gflops(n, n, n) for n in (1024, 2048))}
    fast_products()
    figures["matmul_ceiling_gflops"] = max(gflops(n, n, n) for n in (1024, 2048))
    figures["matmul_gflops_at_width"] = gflops(1280, width, 4 * width)
    return figures


def flop_per_token(world: World) -> float:
    """Of a training step: 6 for each weight of a matrix, and causal attention over half of a biography on average."""
    config = world.model.config
    batch = world.stream.batch(0, world.batch_size)
    length = batch["attention_mask"].sum(1).float().mean().item()
    matrices = 12 * config.n_layer * config.n_embd**2 + config.vocab_size * config.n_embd
    return 6 * matrices + 6 * config.n_layer * config.n_embd * length


def compare(preset: str) -> dict:
    """All figures of a preset."""
    world, steps = World.build(preset), STEPS[preset]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        figures = pool.apply(ceilings, (world.model.config.n_embd,))
    seconds, losses = race(preset)
    for name in ("trainer", "eager"):
        assert math.isclose(losses[name], losses["ours"], rel_tol=SAME_LOSS), f"{name} has trained otherwise: {losses}"
    batches = [world.stream.batch(step, world.batch_size) for step in range(steps, (ROUNDS + 1) * steps)]
    tokens = sum(int((batch["labels"][:, 1:] != IGNORED_LABEL).sum()) for batch in batches) / ROUNDS
    figures["tokens_per_second"] = tokens / statistics.median(seconds["ours"])
    for name in (contender for contender in CONTENDERS if contender != "ours"):
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["ours"], strict=True)]
        figures[f"ratio_{name}"] = statistics.median(ratios)
        figures[f"ratio_{name}_lowest"], figures[f"ratio_{name}_highest"] = min(ratios), max(ratios)
    figures["model_gflops"] = flop_per_token(world) * figures["tokens_per_second"] / 1e9
    figures["share_of_ceiling"] = figures["model_gflops"] / figures["matmul_ceiling_gflops"]
    return figures


def main() -> dict:
    """Compare on all presets and print the figures."""
    presets = {preset: compare(preset) for preset in STEPS}
    for name in presets["tiny"]:
        print(f"{name:35}" + "".join(f" {preset} {values[name]:<12,.4g}" for preset, values in presets.items()))
    return presets


if __name__ == "__main__":
    report(__doc__, main)
