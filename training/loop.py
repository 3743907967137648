"""The training loop. It knows batches, not biographies."""

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from tqdm.auto import tqdm

from command_line import UserError
from modeling.loss import IGNORED_LABEL, TokenLoss
from training.checkpoints import Progress, find_checkpoint, load_checkpoint, save_checkpoint, save_final
from training.optimizers import build_optimizers, learning_rate_factor
from training.run_directory import METRICS
from training.settings import TrainingSettings
from training.tracking import truncate_metrics


@dataclass
class Training:
    """A run in progress.

    Args:
        accelerator: of accelerate; with trackers.
        model: a stock causal language model, trained in place.
        tokenizer: saved beside the model.
        batches: `batches(step, size)` gives the whole batch of a step, over all processes.
        measure: `measure(model)` gives metrics for an evaluation.
        settings: how to train.
        run: the run's directory.
        saved: is told of each checkpoint that was written (on the main process).
    """

    accelerator: object
    model: object
    tokenizer: object
    batches: Callable[[int, int], dict[str, torch.Tensor]]
    measure: Callable[[object], dict[str, float]]
    settings: TrainingSettings
    run: Path
    saved: Callable[[Path], None] = lambda checkpoint: None
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self):
        optimizers = build_optimizers(self.model, self.settings)
        self.peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
        self.objective, *self.optimizers = self.accelerator.prepare(TokenLoss(self.model), *optimizers)
        n_processes = self.accelerator.num_processes
        self.micro_batch = self.settings.per_device_train_batch_size * n_processes
        self.batch_size = self.micro_batch * self.settings.gradient_accumulation_steps
        self.losses: list[torch.Tensor] = []
        self.last_loss: float | None = None
        self.metrics: dict[str, float] = {}

    def __call__(self) -> None:
        """Train from where the run stands to `max_steps`, and save the final model."""
        if self.settings.resume_from_checkpoint:
            self._resume()
        else:
            self._record()
        self._begin = time.perf_counter() - self.progress.seconds
        bar = self._bar()
        for step in range(self.progress.step, self.settings.max_steps):
            n_tokens = self._update(step)
            self._advance(n_tokens)
            if self._due(self.settings.logging_steps, self.settings.eval_steps) or self._save_due():
                self._record()
            if self._save_due():
                self._save()
            bar.update()
            bar.set_postfix_str(self._postfix(), refresh=False)
        bar.close()
        if self.accelerator.is_main_process:
            save_final(self.run, self.model, self.tokenizer)
        self.accelerator.wait_for_everyone()

    def _update(self, step: int) -> int:
        """One optimiser step on batch `step`; returns the number of tokens learned from."""
        batch = self.batches(step, self.batch_size)
        n_tokens = int((batch["labels"][:, 1:] != IGNORED_LABEL).sum())
        # Gradients are averaged over processes; this makes the average the mean over all tokens.
        scale = self.accelerator.num_processes / n_tokens
        loss = torch.zeros((), device=self.accelerator.device)
        for rows, synchronise in self._micro_batches():
            with contextlib.nullcontext() if synchronise else self.accelerator.no_sync(self.objective):
                part = self._loss(batch, rows) * scale
                self.accelerator.backward(part)
            loss += part.detach()
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm)
        self._step_optimizers(step)
        self.losses.append(loss)
        return n_tokens

    def _micro_batches(self):
        """This process's rows of each forward pass, and whether gradients are then synchronised."""
        size, rank = self.settings.per_device_train_batch_size, self.accelerator.process_index
        for start in range(rank * size, self.batch_size, self.micro_batch):
            yield slice(start, start + size), start + self.micro_batch >= self.batch_size

    def _loss(self, batch: dict[str, torch.Tensor], rows: slice) -> torch.Tensor:
        width = int(batch["attention_mask"][rows].sum(dim=1).max())
        inputs = (batch[key][rows, :width].to(self.accelerator.device) for key in ("input_ids", "labels"))
        return self.objective(*inputs)

    def _step_optimizers(self, step: int) -> None:
        factor = learning_rate_factor(self.settings.lr_scheduler_type, step, self.settings.max_steps)
        for optimizer, peaks in zip(self.optimizers, self.peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            optimizer.step()
            optimizer.zero_grad()

    def _advance(self, n_tokens: int) -> None:
        self.progress.step += 1
        self.progress.tokens += n_tokens
        self.progress.biographies += self.batch_size
        self.progress.seconds = time.perf_counter() - self._begin

    def _due(self, *periods: int | None) -> bool:
        step = self.progress.step
        return step == self.settings.max_steps or any(period and step % period == 0 for period in periods)

    def _save_due(self) -> bool:
        step, every = self.progress.step, self.settings.save_steps
        return bool(every and step % every == 0) or step in (self.settings.save_at or [])

    def _record(self) -> None:
        """Write a line of metrics: the mean loss since the last one, and knowledge where it is due."""
        record = asdict(self.progress)
        record["learning_rate"] = self.optimizers[0].param_groups[0]["lr"]
        record["loss"] = self.last_loss = self._mean_loss()
        if self._due(self.settings.eval_steps) and self.accelerator.is_main_process:
            with self.accelerator.autocast():
                self.metrics = self.measure(self.model)
            record |= self.metrics
        self.accelerator.log(record, step=self.progress.step)

    def _mean_loss(self) -> float | None:
        """Mean over the updates since the last call, over all processes; None before the first.

        Raises:
            UserError: a loss is not finite. Nothing was saved since, for each save is recorded first.
        """
        if not self.losses:
            return None
        losses = self.accelerator.reduce(torch.stack(self.losses), "mean").tolist()
        first = self.progress.step - len(losses) + 1
        self.losses = []
        for step, loss in enumerate(losses, first):
            if not abs(loss) < float("inf"):
                raise UserError(
                    f"the loss of step {step} is {loss}; stopped. The checkpoints before it are kept; "
                    "lower the learning rate and begin anew"
                )
        return sum(losses) / len(losses)

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            self.saved(save_checkpoint(self.run, self.model, self.tokenizer, self.optimizers, self.progress))
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        checkpoint = find_checkpoint(self.run, self.settings.resume_from_checkpoint, self.accelerator.print)
        self.progress = load_checkpoint(checkpoint, self.model, self.optimizers)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            truncate_metrics(self.run / METRICS, self.progress.step)
        self.accelerator.print(f"resuming from {checkpoint}")

    def _bar(self) -> tqdm:
        return tqdm(
            total=self.settings.max_steps,
            initial=self.progress.step,
            disable=not self.accelerator.is_main_process,
            unit="step",
            mininterval=0.2 if sys.stderr.isatty() else 10,  # a log file needs fewer lines
            dynamic_ncols=True,
        )

    def _postfix(self) -> str:
        parts = [] if self.last_loss is None else [f"loss {self.last_loss:.2f}"]
        if self.metrics:
            loss, baseline = self.metrics["seen_attribute_loss"], self.metrics["no_knowledge_baseline"]
            parts.append(f"attribute loss {loss:.2f} (baseline {baseline:.2f})")
        return ", ".join([*parts, f"{self.progress.tokens / self.progress.seconds / 1000:.1f}k tokens/s"])
