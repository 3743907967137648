"""The settings of a training run. Defaults are the paper's default run (Sec. 1, App. G)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from command_line import UserError
from settings.declare import Role, setting


@dataclass
class TrainingSettings:
    """How to train, measure and save."""

    output_dir: str | None = setting(None, "the run's directory (required)", Role.PLACE)
    seed: int = setting(0, "seed of initial weights and all batches", Role.REPETITION, at_least=0, below=2**63)
    data_seed: int | None = setting(
        None, "seed of all batches; seed if None", Role.REPETITION, at_least=0, below=2**63
    )  # fmt: skip
    model_seed: int | None = setting(
        None, "seed of initial weights (with lora: of the additions); seed if None", Role.REPETITION, at_least=0,
        below=2**63,
    )  # fmt: skip
    max_steps: int = setting(16_000, "updates in the whole schedule", at_least=1, cost=True)
    stop_at: int | None = setting(
        None, "end at this step, max_steps if None; to go on, resume with a later one or without", Role.SAVING,
        at_least=1, cost=True,
    )  # fmt: skip
    per_device_train_batch_size: int = setting(
        128, "biographies per forward pass of one process", Role.SHARE, at_least=1, cost=True
    )
    gradient_accumulation_steps: int = setting(1, "forward passes per update", Role.SHARE, at_least=1, cost=True)
    optim: str = setting("adamw", "optimizer; with muon, matrices by Muon and the rest by AdamW", cost=True)
    learning_rate: float = setting(4e-4, "peak learning rate of AdamW", at_least=0)
    muon_learning_rate: float = setting(2e-2, "peak learning rate of Muon, for the matrices", at_least=0)
    lr_scheduler_type: str = setting("cosine", "decay of the learning rate, to 0 unless constant")
    warmup_steps: int = setting(
        0, "updates in which the learning rate rises from 0 to its peak; the paper has none", at_least=0
    )
    weight_decay: float = setting(0.1, "weight decay of all matrices", at_least=0)
    muon_weight_decay: float | None = setting(
        None, "that of Muon's matrices, weight_decay if None; a step takes rate x decay off a weight", at_least=0
    )
    adam_beta1: float = setting(0.9, "decay of AdamW's first moment", at_least=0, below=1)
    adam_beta2: float = setting(0.95, "decay of AdamW's second moment", at_least=0, below=1)
    adam_epsilon: float = setting(1e-8, "AdamW's epsilon; the paper leaves it open", at_least=0)
    template_weight: float = setting(
        1.0, "weight of template tokens (all but values) in the loss", at_least=0, formerly="text_weight"
    )
    template_share: float = setting(
        1.0,
        "share of template tokens that are learned from, drawn anew in each batch; on average as a template_weight of "
        "the same size, in less time",
        at_least=0,
        at_most=1,
        cost=True,
    )
    max_grad_norm: float = setting(1.0, "norm that gradients are clipped to; the paper leaves it open", above=0)
    mixed_precision: Literal["no", "bf16"] = setting("no", "precision of forward passes; bf16 for a GPU", cost=True)
    gradient_checkpointing: bool = setting(
        False, "compute the inside of blocks again in the backward pass: less memory, slower", Role.SAVING, cost=True
    )
    num_threads: int | None = setting(
        None,
        "CPU threads per process; if None as OMP_NUM_THREADS says, or an equal share of all cores",
        Role.SAVING,
        at_least=1,
        at_most=1024,
    )
    cpu_tricks: bool = setting(
        True, "faster code for a CPU (modeling/cpu.py); changes results in their last bits", cost=True
    )
    logging_steps: int = setting(10, "steps between lines of metrics", Role.MEASURING, at_least=1)
    eval_steps: int = setting(100, "steps between evaluations", Role.MEASURING, at_least=1, cost=True)
    evals_per_decade: int | None = setting(
        None,
        "further evaluations in each tenfold of steps (1-10, 10-100, ...), evenly on a log scale; none if None",
        Role.MEASURING,
        at_least=1,
        at_most=1000,
        cost=True,
    )
    eval_individuals: int = setting(512, "individuals of each group evaluated", Role.PROBE, at_least=1, cost=True)
    attention_individuals: int = setting(
        32, "seen individuals of these whose attention is measured", Role.MEASURING, at_least=1
    )
    eval_groups: bool = setting(
        False,
        "also measure each group of the schedule apart (sequential, celebrities, warm_up), and where turns end",
        Role.MEASURING,
        cost=True,
    )
    save_steps: int | None = setting(
        None,
        "steps between checkpoints; if None, one is kept while the run lasts, minutes old at most, to go on from",
        Role.SAVING,
        at_least=1,
    )
    save_at: list[int] | None = setting(
        None, "further steps to checkpoint; 0 is the model before training", Role.SAVING, at_least=0
    )
    saves_per_decade: int | None = setting(
        None,
        "further checkpoints: step 0, and so many in each tenfold of steps (1-10, 10-100, ...), evenly on a log scale",
        Role.SAVING,
        at_least=1,
        at_most=1000,
    )
    save_total_limit: int | None = setting(
        None,
        "checkpoints that can be gone on from: the newest so many; older ones are deleted, but those of save_at and "
        "saves_per_decade keep their models; all if None",
        Role.SAVING,
        at_least=1,
    )
    draw_figures: bool = setting(
        True, "draw the run's figures when it ends; `python -m analysis` does so at any time", Role.SAVING
    )
    resume_from_checkpoint: str | None = setting(
        None,
        "`latest`, a checkpoint of this run (checkpoint-500), `auto`: latest if there is one, else begin; or a state "
        "on the Hub: me/facts@last-checkpoint, me/facts@step-000500",
        Role.ACTION,
    )
    overwrite_output_dir: bool = setting(False, "delete the run that is there and start anew", Role.ACTION)
    report_to: list[str] | None = setting(
        None, "accelerate trackers beside metrics.jsonl, e.g. trackio tensorboard; `none` or None for none", Role.PLACE
    )
    run_name: str | None = setting(None, "the run's name for trackers, that of its directory if None", Role.PLACE)
    project: str = setting("fact-learning", "the project that trackers file the run under", Role.PLACE)
    trackio_space_id: str | None = setting(
        None, "Space that trackio sends its numbers to, e.g. me/facts; on this machine alone if None", Role.PLACE
    )

    # Whether `resume_from_checkpoint auto` found nothing to go on from.
    began_by_itself: ClassVar[bool] = False

    def __post_init__(self):
        """As transformers spells it."""
        self.report_to = None if self.report_to == ["none"] else self.report_to

    @property
    def seed_of_data(self) -> int:
        """What batches are drawn with."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def seed_of_model(self) -> int:
        """What initial weights are drawn with."""
        return self.seed if self.model_seed is None else self.model_seed

    @property
    def last_step(self) -> int:
        """Where the run ends, of the schedule's max_steps."""
        return self.stop_at or self.max_steps

    def batch_size(self, n_processes: int) -> int:
        """Biographies in an update, over all processes."""
        return n_processes * self.per_device_train_batch_size * self.gradient_accumulation_steps

    def evaluations(self, turns: Iterable[int] = ()) -> list[int]:
        """The steps at which knowledge is measured, ascending; the first and the last are always among them.

        Args:
            turns: of the schedule; with `eval_groups` they are among them, too.
        """
        last = self.last_step
        steps = {0, last, *range(0, last, self.eval_steps)}
        if self.eval_groups:
            steps |= {step for step in turns if step < last}
        return sorted(steps | _log_spaced(self.evals_per_decade, last))

    def chosen_saves(self) -> set[int]:
        """The steps of `save_at` and `saves_per_decade`, at which a model is saved to stay."""
        first = {0} if self.saves_per_decade else set()
        return first | {*(self.save_at or [])} | _log_spaced(self.saves_per_decade, self.last_step)

    def check(self) -> None:
        """What no single number's bounds can say.

        Raises:
            UserError: steps beyond the schedule's end.
        """
        if self.warmup_steps >= self.max_steps:
            raise UserError(f"warmup_steps is {self.warmup_steps}; it must be below max_steps {self.max_steps}")
        for name, step in [("stop_at", self.stop_at), *(("save_at", step) for step in self.save_at or [])]:
            if step is not None and step > self.max_steps:
                raise UserError(f"{name} is {step:,}; it must be at most max_steps {self.max_steps:,}")


def _log_spaced(per_decade: int | None, last: int) -> set[int]:
    """Steps from 1 to `last`, so many in each tenfold; none if None."""
    n = int(per_decade * math.log10(last)) if per_decade else -1
    return {round(10 ** (number / per_decade)) for number in range(n + 1)}
