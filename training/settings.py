"""The settings of a training run. Defaults are the paper's default run (Sec. 2, App. B)."""

import math
from dataclasses import dataclass
from typing import Literal

from command_line import setting


@dataclass
class TrainingSettings:
    """How to train, measure and save."""

    output_dir: str | None = setting(None, "the run's directory (required)")
    seed: int = setting(0, "of initial weights and of all batches")
    max_steps: int = setting(16_000, "updates")
    per_device_train_batch_size: int = setting(128, "biographies in a forward pass of one process")
    gradient_accumulation_steps: int = setting(1, "forward passes in an update")
    optim: Literal["adamw", "muon"] = setting("adamw", "muon: matrices by Muon, the rest by AdamW")
    learning_rate: float = setting(4e-4, "peak learning rate of AdamW")
    muon_learning_rate: float = setting(2e-2, "peak learning rate of Muon, for the matrices")
    lr_scheduler_type: Literal["cosine", "constant", "linear"] = setting("cosine", "how it decays to 0, or does not")
    warmup_steps: int = setting(0, "updates in which the learning rate rises from 0 to its peak; the paper has none")
    weight_decay: float = setting(0.1, "of all matrices")
    adam_beta1: float = setting(0.9, "decay of AdamW's first moment")
    adam_beta2: float = setting(0.95, "decay of AdamW's second moment")
    adam_epsilon: float = setting(1e-8, "the paper leaves it open")
    text_weight: float = setting(1.0, "weight in the loss of tokens that are not values, which count 1")
    max_grad_norm: float = setting(1.0, "gradients are clipped to this norm; the paper leaves it open")
    mixed_precision: Literal["no", "bf16"] = setting("no", "bf16 for a GPU")
    num_threads: int | None = setting(None, "CPU threads of each process; all cores, shared out, if not given")
    logging_steps: int = setting(10, "write a line of metrics every so many steps")
    eval_steps: int = setting(100, "measure knowledge every so many steps")
    evals_per_decade: int | None = setting(
        None, "beside eval_steps, measure so often in each tenfold of steps (1-10, 10-100, ...), evenly on a log scale"
    )
    eval_individuals: int = setting(512, "individuals measured in each group")
    attention_individuals: int = setting(32, "on how many of the seen ones of these attention is measured, too")
    save_steps: int | None = setting(None, "checkpoint every so many steps")
    save_at: list[int] | None = setting(None, "checkpoint at these steps")
    resume_from_checkpoint: str | None = setting(None, "`latest`, or a checkpoint directory of this run")
    overwrite_output_dir: bool = setting(False, "delete the run that is there and start anew")
    report_to: list[str] | None = setting(None, "accelerate trackers beside metrics.jsonl, e.g. trackio tensorboard")

    def batch_size(self, n_processes: int) -> int:
        """Biographies in an update, over all processes."""
        return n_processes * self.per_device_train_batch_size * self.gradient_accumulation_steps

    def evaluations(self) -> list[int]:
        """The steps at which knowledge is measured, ascending; the first and the last are always among them."""
        steps = {0, self.max_steps, *range(0, self.max_steps, self.eval_steps)}
        if self.evals_per_decade:
            last = int(self.evals_per_decade * math.log10(self.max_steps))
            steps |= {round(10 ** (number / self.evals_per_decade)) for number in range(last + 1)}
        return sorted(steps)
