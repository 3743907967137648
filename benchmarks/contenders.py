"""Ways to train the same model on the same batches, for `benchmarks.throughput`.

A contender is a function of a world, a number of steps, and what is to be called after each of them.
"""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from data_builder.schedules import Plan, Uniform
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tokenizer import train_tokenizer
from evaluation.signatures import attention_metrics, forward_with_gradients
from modeling.loss import IGNORED_LABEL, TokenLoss
from modeling.patching import Patched
from modeling.presets import build_model
from settings.data import DataSettings
from settings.model import ModelSettings
from settings.training import TrainingSettings
from training.optimizers import build_optimizers

# The people of recipes/tiny.yaml, and those of the paper; a batch of 44m is as large as a CPU has time for.
_PEOPLE = {
    "tiny": DataSettings(n_individuals=1024, n_unseen=512, n_new=512, entries_per_list=64),
    "44m": DataSettings(),
}
_BATCH_SIZES = {"tiny": 32, "44m": 8}


@dataclass
class World:
    """What all contenders begin with."""

    tokenizer: object
    stream: BiographyStream
    model: object
    batch_size: int

    @classmethod
    def build(cls, preset: str) -> "World":
        """The same in every process."""
        source = Source.build(_PEOPLE[preset])
        tokenizer = train_tokenizer(source.pieces())
        stream = BiographyStream(source, tokenizer, Uniform(Plan(source.population.groups["seen"])), seed=0)
        model = build_model(ModelSettings(preset=preset), tokenizer, stream.tables.max_length, seed=0)
        return cls(tokenizer, stream, model, _BATCH_SIZES[preset])

    def settings(self, n_steps: int, **more) -> TrainingSettings:
        """The paper's AdamW, at a constant learning rate, since that is what all have."""
        return TrainingSettings(
            max_steps=n_steps, per_device_train_batch_size=self.batch_size, lr_scheduler_type="constant", **more
        )


def ours(world: World, n_steps: int, step_done: Callable[[], None], objective: Callable = TokenLoss, **more) -> None:
    """Steps of a run, from the stream on, with more settings."""
    from training.loop import train_step
    from training.start import start_accelerate

    settings = world.settings(n_steps, **more)
    with tempfile.TemporaryDirectory() as directory:
        accelerator = start_accelerate(Path(directory) / "run", settings)
        optimizers = build_optimizers(world.model, settings)
        loss, *optimizers = accelerator.prepare(objective(world.model), *optimizers)
        for step in range(n_steps):
            batch = world.stream.batch(step, world.batch_size)
            train_step(accelerator, loss, optimizers, batch, step, settings)
            step_done()


def muon(world: World, n_steps: int, step_done: Callable[[], None]) -> None:
    """Ours, with the optimizer of recipes/tiny.yaml."""
    ours(world, n_steps, step_done, optim="muon")


def bf16(world: World, n_steps: int, step_done: Callable[[], None]) -> None:
    """Ours, in bfloat16."""
    ours(world, n_steps, step_done, mixed_precision="bf16")


def patched(world: World, n_steps: int, step_done: Callable[[], None]) -> None:
    """Ours, with the attention of a frozen model (run_patching.py)."""
    reference = copy.deepcopy(world.model)
    ours(world, n_steps, step_done, objective=lambda model: TokenLoss(Patched(model, reference)))


def measured(world: World, n_steps: int, step_done: Callable[[], None]) -> None:
    """Ours, and after each step the attention signatures that a run measures at its evaluations."""
    probe = world.stream.probe("seen", TrainingSettings().attention_individuals)

    def measured_step() -> None:
        _, attention, gradients = forward_with_gradients(world.model, probe)
        attention_metrics(attention, gradients, probe)
        step_done()

    ours(world, n_steps, measured_step)


def eager(world: World, n_steps: int, step_done: Callable[[], None]) -> None:
    """A plain loop as in nanoGPT, on padded batches that are there before it begins."""
    batches = [world.stream.batch(step, world.batch_size) for step in range(n_steps)]
    (optimizer,) = build_optimizers(world.model, world.settings(n_steps))
    for batch in batches:
        logits = world.model(input_ids=batch["input_ids"]).logits[:, :-1]
        targets = batch["labels"][:, 1:].flatten()
        functional.cross_entropy(logits.flatten(0, 1), targets, ignore_index=IGNORED_LABEL).backward()
        torch.nn.utils.clip_grad_norm_(world.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step_done()


def trainer_bf16(world: World, n_steps: int, step_done: Callable[[], None]) -> None:
    """`transformers.Trainer`, in bfloat16."""
    trainer(world, n_steps, step_done, bf16=True)


def trainer(world: World, n_steps: int, step_done: Callable[[], None], **more) -> None:
    """`transformers.Trainer` as its users set it up on a CPU, on a dataset of token ids."""
    import transformers

    class _Turns(transformers.TrainerCallback):
        def on_step_end(self, *arguments, **more):
            step_done()

    settings = world.settings(n_steps)
    options = {name: getattr(settings, name) for name in _SHARED}
    with tempfile.TemporaryDirectory() as directory:
        transformers.Trainer(
            model=world.model,
            args=transformers.TrainingArguments(directory, **options, **_TRAINER_ON_A_CPU, **more),
            train_dataset=_dataset(world, n_steps),
            data_collator=transformers.DataCollatorForLanguageModeling(world.tokenizer, mlm=False),
            callbacks=[_Turns()],
        ).train()


_SHARED = (
    "max_steps", "per_device_train_batch_size", "lr_scheduler_type", "learning_rate", "weight_decay", "adam_beta1",
    "adam_beta2", "adam_epsilon", "max_grad_norm",
)  # fmt: skip
_TRAINER_ON_A_CPU = {
    "use_cpu": True,
    "logging_strategy": "no",
    "save_strategy": "no",
    "disable_tqdm": True,
    "train_sampling_strategy": "sequential",  # so that it has the others' batches
}


def _dataset(world: World, n_steps: int):
    """The biographies of all batches, in turn and without padding."""
    import datasets

    rows = []
    for step in range(n_steps):
        batch = world.stream.batch(step, world.batch_size)
        lengths = batch["attention_mask"].sum(1).tolist()
        rows += [ids[:n].tolist() for ids, n in zip(batch["input_ids"], lengths, strict=True)]
    return datasets.Dataset.from_dict({"input_ids": rows})


CONTENDERS = {
    "ours": ours, "muon": muon, "bf16": bf16, "patched": patched, "measured": measured, "trainer": trainer,
    "trainer_bf16": trainer_bf16, "eager": eager,
}  # fmt: skip
