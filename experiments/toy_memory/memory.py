"""An associative memory without attention that forgets when it learns new pairs (paper, App. F.4, Figs. Q and R).

python -m experiments.toy_memory.memory     # trains all memories, writes results/runs.jsonl; under two minutes on a CPU

Keys and values are random unit vectors, a key belongs to one of few values, and a multilayer perceptron with one hidden
layer maps keys to values. It is trained on the old pairs, then fine-tuned on new ones, in some variants with replay.
All memories of all seeds are trained at once, as matrices stacked in tensors; they never meet.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from run_directory.layout import replace_text
from sweeps.collect import columns
from sweeps.results import results_file

SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Sizes:
    """The paper's numbers."""

    width: int = 64  # of keys and values
    n_hidden: int = 256
    n_values: int = 30
    n_old: int = 8192
    n_measured: int = 2048  # of the old ones, to save time
    n_new: int = 1024  # the most that a variant has; the paper does not say how many without replay
    batch_size: int = 128
    max_steps: int = 16_000
    learning_rate: float = 0.03  # AdamW, cosine
    weight_decay: float = 0.01
    max_steps_finetune: int = 4_000
    learning_rate_finetune: float = 0.001  # constant


@dataclass(frozen=True)
class Variant:
    """A fine-tuning: on how many new pairs, and how often an old pair is drawn, where a new one has weight 1."""

    n_new: int
    weight_replay: float = 0.0


VARIANTS = {
    "new-128": Variant(128),
    "new-1024": Variant(1024),
    "replay-1/64": Variant(128, 1 / 64),  # half of a batch is old
    "replay-1/512": Variant(128, 1 / 512),  # a ninth
}


@dataclass(frozen=True)
class Pairs:
    """Old pairs, then new ones, of m memories: `keys` (m, pairs, width), `values` (m, n, width), `classes` (m, pairs).

    The value of a pair is `values[m, class]`.
    """

    keys: torch.Tensor
    values: torch.Tensor
    classes: torch.Tensor

    def part(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Pairs":
        """Each tensor changed in the same way."""
        return Pairs(change(self.keys), change(self.values), change(self.classes))


def make_pairs(sizes: Sizes, seeds: tuple[int, ...]) -> Pairs:
    """For each seed a world of its own."""
    return Pairs(*map(torch.stack, zip(*(_of_seed(sizes, seed) for seed in seeds), strict=True)))


def _of_seed(sizes: Sizes, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator, n_pairs = torch.Generator().manual_seed(seed), sizes.n_old + sizes.n_new
    keys, values = (torch.randn(n, sizes.width, generator=generator) for n in (n_pairs, sizes.n_values))
    classes = torch.randint(sizes.n_values, (n_pairs,), generator=generator)
    return functional.normalize(keys, dim=1), functional.normalize(values, dim=1), classes


def new_memories(sizes: Sizes, seeds: tuple[int, ...]) -> list[torch.Tensor]:
    """Both matrices and biases of a perceptron for each seed, as torch initializes linear layers."""
    shapes = [(sizes.width, sizes.n_hidden), (1, sizes.n_hidden), (sizes.n_hidden, sizes.width), (1, sizes.width)]
    bounds = [1 / math.sqrt(fan_in) for fan_in in (sizes.width, sizes.width, sizes.n_hidden, sizes.n_hidden)]
    generators = [torch.Generator().manual_seed(1_000_000 + seed) for seed in seeds]
    made = [[(2 * torch.rand(s, generator=g) - 1) * b for g in generators] for s, b in zip(shapes, bounds, strict=True)]
    return [torch.stack(tensors).requires_grad_() for tensors in made]


def logits(memories: list[torch.Tensor], keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """How well what a memory answers agrees with each value: (m, batch, width) and (m, n, width) to (m, batch, n)."""
    first, first_bias, second, second_bias = memories
    hidden = torch.baddbmm(first_bias, keys, first).relu()
    return torch.baddbmm(second_bias, hidden, second) @ values.mT


def draw(sizes: Sizes, variants: list[Variant | None], seeds: tuple[int, ...], step: int, phase: int) -> torch.Tensor:
    """Which pairs are in the batch of each memory, (seeds x variants, batch); variants of a seed share the numbers.

    A variant that is None is pre-training, on old pairs alone.
    """
    drawn = []
    for seed in seeds:
        generator = torch.Generator().manual_seed((seed * 2 + phase) * 1_000_000 + step)
        which, pair = torch.rand(2, sizes.batch_size, generator=generator)
        for variant in variants:
            n_new, old = (variant.n_new, variant.weight_replay * sizes.n_old) if variant else (0, 1.0)
            of_old, of_new = (pair * sizes.n_old).long(), sizes.n_old + (pair * n_new).long()
            drawn.append(torch.where(which < old / (old + n_new), of_old, of_new))
    return torch.stack(drawn)


def update(memories, optimizer, pairs: Pairs, chosen: torch.Tensor) -> None:
    """One step of every memory on its own batch."""
    n_memories, n_pairs, width = pairs.keys.shape
    rows = (chosen + n_pairs * torch.arange(n_memories)[:, None]).flatten()
    keys, classes = pairs.keys.view(-1, width)[rows], pairs.classes.view(-1)[rows]
    scores = logits(memories, keys.view(n_memories, -1, width), pairs.values).flatten(0, 1)
    losses = functional.cross_entropy(scores, classes, reduction="sum")
    (losses / chosen.shape[1]).backward()
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def measure(memory, pairs: Pairs, part: slice) -> tuple[float, float]:
    """Mean loss (nats) and accuracy (0-1) of a single memory on some pairs."""
    scores, classes = logits(memory, pairs.keys[:, part], pairs.values)[0], pairs.classes[0, part]
    return functional.cross_entropy(scores, classes).item(), (scores.argmax(1) == classes).float().mean().item()


def pretrain(sizes: Sizes, seeds: tuple[int, ...], pairs: Pairs) -> list[torch.Tensor]:
    """A memory of each seed that knows the old pairs."""
    memories = new_memories(sizes, seeds)
    optimizer = torch.optim.AdamW(memories, lr=sizes.learning_rate, weight_decay=sizes.weight_decay, fused=True)
    for step in range(sizes.max_steps):
        factor = 0.5 * (1 + math.cos(math.pi * step / sizes.max_steps))
        optimizer.param_groups[0]["lr"] = sizes.learning_rate * factor
        update(memories, optimizer, pairs, draw(sizes, [None], seeds, step, 0))
    return memories


def finetune(sizes: Sizes, seeds, pairs: Pairs, memories, variants: dict[str, Variant]) -> list[list[dict]]:
    """Records of each memory that is fine-tuned, seed by seed and in it variant by variant."""
    how, due = [*variants.values()], measured_steps(sizes.max_steps_finetune)
    pairs = pairs.part(lambda tensor: tensor.repeat_interleave(len(how), dim=0))
    memories = [m.detach().repeat_interleave(len(how), dim=0).requires_grad_() for m in memories]
    rate, decay = sizes.learning_rate_finetune, sizes.weight_decay
    optimizer = torch.optim.AdamW(memories, lr=rate, weight_decay=decay, fused=True)
    records: list[list[dict]] = [[] for _ in how * len(seeds)]
    for step in range(sizes.max_steps_finetune + 1):
        if step in due:
            _record(records, step, sizes, memories, pairs, how * len(seeds))
        update(memories, optimizer, pairs, draw(sizes, how, seeds, step, 1))
    return records


def measured_steps(max_steps: int) -> set[int]:
    """Dense at the start: twelve in each tenfold of steps."""
    last = int(12 * math.log10(max_steps))
    return {0, max_steps, *(round(10 ** (number / 12)) for number in range(last + 1))}


def _record(records, step: int, sizes: Sizes, memories, pairs: Pairs, variants: list[Variant]) -> None:
    for number, variant in enumerate(variants):
        one = slice(number, number + 1)
        memory, own_pairs = [tensor[one] for tensor in memories], pairs.part(lambda tensor, one=one: tensor[one])
        old = measure(memory, own_pairs, slice(sizes.n_measured))
        new = measure(memory, own_pairs, slice(sizes.n_old, sizes.n_old + variant.n_new))
        names = ("old_loss", "old_accuracy", "new_loss", "new_accuracy")
        values = (float(f"{value:.5g}") for value in (*old, *new))
        records[number].append({"step": step} | dict(zip(names, values, strict=True)))


def main(folder: Path = Path(__file__).parent, sizes: Sizes = Sizes()) -> None:
    """Train all, and write a line for each fine-tuning, as the sweep runner does."""
    pairs = make_pairs(sizes, SEEDS)
    records = finetune(sizes, SEEDS, pairs, pretrain(sizes, SEEDS, pairs), VARIANTS)
    names = [(seed, variant) for seed in SEEDS for variant in VARIANTS]
    lines = [
        {"name": f"{variant}-seed{seed}", "variant": variant, "seed": seed, "settings": vars(VARIANTS[variant]),
         "config": vars(sizes) | {"population_seed": seed}, "records": columns(rows)}  # its pairs are its own
        for (seed, variant), rows in zip(names, records, strict=True)
    ]  # fmt: skip
    results_file(folder).parent.mkdir(exist_ok=True)
    replace_text(results_file(folder), "".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
