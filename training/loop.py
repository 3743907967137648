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
from run_directory.records import truncate_records
from settings.training import TrainingSettings
from training.checkpoints import Progress, find_checkpoint, load_checkpoint, save_checkpoint, save_final
from training.forecast import Forecast, duration
from training.optimizers import build_optimizers, learning_rate_factor


@dataclass
class Training:
    """A run in progress.

    Args:
        accelerator: of accelerate; with trackers.
        model: a stock causal language model, trained in place.
        tokenizer: saved beside the model.
        stream: `stream.batch(step, size)` gives the whole batch of a step, over all processes;
            `stream.schedule` decides who is in it.
        measure: `measure(model)` gives metrics for an evaluation.
        settings: how to train.
        run: the run's directory.
        saved: is told of each checkpoint that was written (on the main process).
        objective: makes of the model and a `text_weight` the module whose `forward` is the loss; `TokenLoss` or a kind
            of it.
        progress: where the run begins; at step 0, unless the model was trained before.
    """

    accelerator: object
    model: object
    tokenizer: object
    stream: object
    measure: Callable[[object], dict[str, float]]
    settings: TrainingSettings
    run: Path
    saved: Callable[[Path], None] = lambda checkpoint: None
    objective: Callable[..., torch.nn.Module] = TokenLoss
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self):
        optimizers = build_optimizers(self.model, self.settings)
        self.peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
        objective = self.objective(self.model, text_weight=self.settings.text_weight)
        self.objective, *self.optimizers = self.accelerator.prepare(objective, *optimizers)
        n_processes = self.accelerator.num_processes
        self.micro_batch = self.settings.per_device_train_batch_size * n_processes
        self.batch_size = self.settings.batch_size(n_processes)
        self.schedule = self.stream.schedule
        self.losses: list[torch.Tensor] = []
        self.last_loss: float | None = None
        self.metrics: dict[str, float] = {}
        self.evaluations = {*self.settings.evaluations(), self.progress.step}
        self.forecast = Forecast(self.settings, self.progress.step)

    def __call__(self) -> None:
        """Train from where the run stands to its last step, and save the final model."""
        self._begin = time.perf_counter()
        if self.settings.resume_from_checkpoint:
            self._resume()
            self._begin -= self.progress.seconds
        else:
            self._record()
        bar = self._bar()
        for step in range(self.progress.step, self.settings.last_step):
            started = time.perf_counter()
            n_tokens = self._update(step)
            self._advance(n_tokens)
            self._say(self.forecast.note(time.perf_counter() - started, self.progress))
            if self._record_due():
                self._record()
            if self._save_due():
                self._save()
            bar.update()
            bar.set_postfix_str(self._postfix(), refresh=False)
        bar.close()
        of_it = self.progress.evaluation_seconds / self.progress.seconds
        self._say(f"took {duration(self.progress.seconds)}, {of_it:.0%} of it for measuring knowledge")
        if self.accelerator.is_main_process:
            save_final(self.run, self.model, self.tokenizer)
        self.accelerator.wait_for_everyone()

    def _update(self, step: int) -> int:
        """One optimiser step on batch `step`; returns the number of tokens learned from."""
        batch = self.stream.batch(step, self.batch_size)
        counts = n_tokens, _ = token_and_value_counts(batch)
        # Gradients are averaged over processes; this makes the average the mean over all tokens.
        scale = self.accelerator.num_processes / n_tokens
        sums = torch.zeros(2, device=self.accelerator.device)
        for rows, synchronise in self._micro_batches():
            with contextlib.nullcontext() if synchronise else self.accelerator.no_sync(self.objective):
                loss, value_loss = self._losses(batch, rows)
                self.accelerator.backward(loss * scale)
            sums += torch.stack((loss.detach(), value_loss))
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm)
        self._step_optimizers(step)
        self._note(self.accelerator.reduce(sums, "sum") / torch.tensor(counts, device=sums.device))
        return n_tokens

    def _note(self, losses: torch.Tensor) -> None:
        """Keep an update's mean loss of a token and of a value, over all processes."""
        self.losses.append(losses)
        if self.schedule.watching:
            self.schedule.observe(self.progress.step + 1, losses[1].item())

    def _micro_batches(self):
        """This process's rows of each forward pass, and whether gradients are then synchronised."""
        size, rank = self.settings.per_device_train_batch_size, self.accelerator.process_index
        for start in range(rank * size, self.batch_size, self.micro_batch):
            yield slice(start, start + size), start + self.micro_batch >= self.batch_size

    def _losses(self, batch: dict[str, torch.Tensor], rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        width = int(batch["attention_mask"][rows].sum(dim=1).max())
        keys = ("input_ids", "labels", "attribute_ids")
        return self.objective(*(batch[key][rows, :width].to(self.accelerator.device) for key in keys))

    def _step_optimizers(self, step: int) -> None:
        settings = self.settings
        factor = learning_rate_factor(settings.lr_scheduler_type, step, settings.max_steps, settings.warmup_steps)
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

    def _record_due(self) -> bool:
        step = self.progress.step
        return step in self.evaluations or step % self.settings.logging_steps == 0 or self._save_due()

    def _save_due(self) -> bool:
        step, every = self.progress.step, self.settings.save_steps
        return bool(every and step % every == 0) or step in (self.settings.save_at or []) or self._paused()

    def _paused(self) -> bool:
        """Whether the run ends here before its schedule does, to be gone on with."""
        return self.progress.step == self.settings.last_step < self.settings.max_steps

    def _record(self) -> None:
        """Write a line of metrics: the mean losses since the last one, and knowledge where it is due."""
        losses = self._mean_losses()
        self.last_loss = losses["loss"]
        measured = self._evaluate() if self.progress.step in self.evaluations else {}
        others = {
            "predicted_seconds": self.forecast.seconds,
            "learning_rate": self.optimizers[0].param_groups[0]["lr"],
        }
        record = asdict(self.progress) | others | losses | self.schedule.metrics(self.progress.step) | measured
        self.accelerator.log(record, step=self.progress.step)

    def _evaluate(self) -> dict[str, float]:
        """Knowledge, measured on the main process, and what it cost."""
        if not self.accelerator.is_main_process:
            return {}
        begin = time.perf_counter()
        with self.accelerator.autocast():
            self.metrics = self.measure(self.model)
        self.progress.evaluation_seconds += time.perf_counter() - begin
        self.progress.seconds = time.perf_counter() - self._begin
        return self.metrics

    def _mean_losses(self) -> dict[str, float | None]:
        """Means over the updates since the last call: of a token and of a value; None before the first.

        Raises:
            UserError: a loss is not finite. Nothing was saved since, for each save is recorded first.
        """
        if not self.losses:
            return {"loss": None, "train_attribute_loss": None}
        losses = torch.stack(self.losses).tolist()
        first = self.progress.step - len(losses) + 1
        self.losses = []
        for step, (loss, _) in enumerate(losses, first):
            if not abs(loss) < float("inf"):
                raise UserError(
                    f"the loss of step {step} is {loss}; stopped. The checkpoints before it are kept; "
                    "lower the learning rate and begin anew"
                )
        of_tokens, of_values = (sum(column) / len(losses) for column in zip(*losses, strict=True))
        return {"loss": of_tokens, "train_attribute_loss": of_values}

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            state = (self.model, self.tokenizer, self.optimizers, self.progress, self.schedule.state)
            self.saved(save_checkpoint(self.run, *state))
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        checkpoint = find_checkpoint(self.run, self.settings.resume_from_checkpoint, self.accelerator.print)
        self.progress, self.schedule.state = load_checkpoint(checkpoint, self.model, self.optimizers)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            truncate_records(self.run, self.progress.step)
        self.accelerator.print(f"resuming from {checkpoint}")

    def _bar(self) -> tqdm:
        return tqdm(
            total=self.settings.last_step,
            initial=self.progress.step,
            disable=not self.accelerator.is_main_process,
            unit="step",
            mininterval=0.2 if sys.stderr.isatty() else 10,  # a log file needs fewer lines
            dynamic_ncols=True,
        )

    def _say(self, line: str | None) -> None:
        if line and self.accelerator.is_main_process:
            tqdm.write(line, file=sys.stderr)  # above the bar

    def _postfix(self) -> str:
        parts = [] if self.last_loss is None else [f"loss {self.last_loss:.2f}"]
        if self.metrics:
            loss, baseline = self.metrics["seen_attribute_loss"], self.metrics["no_knowledge_baseline"]
            parts.append(f"attribute loss {loss:.2f} (baseline {baseline:.2f})")
        return ", ".join([*parts, f"{self.progress.tokens / self.progress.seconds / 1000:.1f}k tokens/s"])


def token_and_value_counts(batch: dict[str, torch.Tensor]) -> tuple[int, int]:
    """Tokens that are predicted in a batch, and attribute values (runs of one attribute id)."""
    attributes = batch["attribute_ids"]
    begins = (attributes[:, 1:] > 0) & (attributes[:, 1:] != attributes[:, :-1])
    return int((batch["labels"][:, 1:] != IGNORED_LABEL).sum()), int(begins.sum())
