"""How fast people, datasets and batches are made.

python -m benchmarks.data [--json FILE]
"""

import statistics
import subprocess
import sys
import tempfile
import time

from datasets import disable_progress_bars

from benchmarks.report import report
from data_builder.builder import BiographyBuilder
from data_builder.schedules import Plan, Uniform
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tokenizer import train_tokenizer
from modeling.cpu import use_tricks
from modeling.loss import IGNORED_LABEL, TokenLoss
from modeling.presets import build_model
from settings.data import DataSettings
from settings.model import ModelSettings
from settings.training import TrainingSettings
from training.optimizers import build_optimizers

ROUNDS = 5
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def seconds(function) -> float:
    """Wall-clock time of one call."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def population() -> dict:
    """A million people: time, and the peak memory of a process that does nothing else."""
    done = subprocess.run([sys.executable, "-c", _POPULATION], check=True, capture_output=True, text=True)
    elapsed, peak = map(float, done.stdout.split())
    return {"population_1m_seconds": elapsed, "population_1m_peak_mb": peak}


_POPULATION = """
import time
from benchmarks.memory import peak_mb
from data_builder.population import build_population
begin = time.perf_counter()
build_population((900, 900, 1000), (74_400, 800, 200, 100, 500, 800), (25,) * 6, (1_000_000, 0, 0), 5, 0)
print(time.perf_counter() - begin, peak_mb())
"""


def growth() -> dict:
    """A batch of 128 from populations of growing size: microseconds, and peak memory beside that of the imports."""
    figures: dict[str, dict] = {name: {} for name in ("stream_batch_microseconds", "stream_peak_mb", "imports_peak_mb")}
    for size in SIZES:
        command = [sys.executable, "-c", _GROWTH, str(size)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        for name, value in zip(figures, map(float, done.stdout.split()), strict=True):
            figures[name][size] = value
    return figures


# One process for each size: memory once taken would not be given back.
_GROWTH = """
import statistics, sys, time
from benchmarks.memory import peak_mb
from data_builder.schedules import Plan, Uniform
from settings.data import DataSettings
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tokenizer import train_tokenizer

imports = peak_mb()
source = Source.build(DataSettings(n_individuals=int(sys.argv[1]), n_unseen=0, n_new=0))
batches = BiographyStream(
    source, train_tokenizer(source.pieces()), Uniform(Plan(source.population.groups["seen"])), seed=0
)
times = []
for step in range(200):
    begin = time.process_time()
    batches.batch(step, 128)
    times.append(time.process_time() - begin)
print(1e6 * statistics.median(times), peak_mb(), imports)
"""


def dataset() -> dict:
    """Biographies a second to Arrow, in one process."""
    disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        builder = BiographyBuilder(cache_dir=cache, n_individuals=50_000, n_unseen=0, n_new=0)
        elapsed = seconds(builder.download_and_prepare)
    return {"dataset_biographies_per_second": 100_000 / elapsed}  # train and validation


def stream() -> dict:
    """Biographies a second from the stream, and its share of a training step of `tiny`; interleaved."""
    source = Source.build(DataSettings())
    tokenizer = train_tokenizer(source.pieces())
    batches = BiographyStream(source, tokenizer, Uniform(Plan(source.population.groups["seen"])), seed=0)
    model = build_model(ModelSettings(preset="tiny"), tokenizer, batches.tables.max_length, seed=0)
    objective, (optimizer,) = TokenLoss(model), build_optimizers(model, TrainingSettings())

    def step(number: int) -> None:
        batch = batches.batch(number, 32)
        loss, _ = objective(batch["input_ids"], batch["labels"], batch["attribute_ids"])
        (loss / (batch["labels"] != IGNORED_LABEL).sum()).backward()
        optimizer.step()
        optimizer.zero_grad()

    step(0)
    times = [(seconds(lambda n=n: batches.batch(n, 32)), seconds(lambda n=n: step(n))) for n in range(1, 4 * ROUNDS)]
    figures = {"stream_share_of_tiny_step": statistics.median(batch / whole for batch, whole in times)}
    for size in (128, 1024):
        alone = statistics.median(seconds(lambda n=n, b=size: batches.batch(n, b)) for n in range(10 * ROUNDS))
        figures[f"stream_biographies_per_second_batch_{size}"] = size / alone
    return figures


def _text(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key:,} people {_text(one)}" for key, one in value.items())
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def main() -> dict:
    """Run all of it on one thread (`tiny` steps on all cores) and print the figures."""
    use_tricks(True)
    figures = population() | growth() | dataset() | stream()
    for name, value in figures.items():
        print(f"{name:45} {_text(value)}")
    return figures


if __name__ == "__main__":
    report(__doc__, main)
