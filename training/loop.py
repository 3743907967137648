"""The training loop. It knows batches, not biographies. What is noted, saved and shown on the way is recorder.py."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator

from data_builder.random import uniforms
from modeling.loss import IGNORED_LABEL, TokenLoss
from settings.training import TrainingSettings
from training.checkpoints import Progress
from training.optimizers import build_optimizers, learning_rate_factor
from training.recorder import Recorder
from training.signals import stop_signals


def train(
    accelerator: Accelerator, model, tokenizer, stream, measure: Callable[[object], dict[str, float]],
    settings: TrainingSettings, run: Path, saved: Callable[[Path], None] = lambda checkpoint: None,
    objective: Callable[..., torch.nn.Module] = TokenLoss, progress: Progress | None = None,
) -> None:  # fmt: skip
    """Train a model in place, from where the run stands to its last step, and save it.

    Args:
        accelerator: of accelerate; with trackers.
        model: a stock causal language model.
        tokenizer: saved beside the model.
        stream: `stream.batch(step, size)` gives the whole batch of a step, over all processes;
            `stream.schedule` decides who is in it.
        measure: `measure(model)` gives metrics for an evaluation.
        settings: how to train.
        run: the run's directory.
        saved: is told of each checkpoint that was written (on the main process).
        objective: makes the module whose `forward` is the loss, from the model and a `template_weight`; `TokenLoss`
            or a kind of it.
        progress: where the run begins; at step 0, unless the model was trained before.

    Raises:
        Stopped: a signal asked for it; all that was learned is saved.
    """
    optimizers = build_optimizers(model, settings)
    loss, *optimizers = accelerator.prepare(objective(model, template_weight=settings.template_weight), *optimizers)
    batch_size, schedule = settings.batch_size(accelerator.num_processes), stream.schedule
    recorder = Recorder(
        accelerator, model, tokenizer, optimizers, schedule, measure, settings, run, saved, progress or Progress()
    )
    with stop_signals() as stop, contextlib.closing(recorder):  # an error is not to be printed into the bar
        recorder.begin()
        for step in range(recorder.progress.step, settings.last_step):
            batch = stream.batch(step, batch_size)
            means, n_tokens = train_step(accelerator, loss, optimizers, batch, step, settings)
            if schedule.watching:
                schedule.observe(step + 1, means[1].item())
            recorder.step_done(means, n_tokens, batch_size)
            if stop.asked(accelerator):
                recorder.stop(stop.received)
        recorder.end()


def train_step(
    accelerator: Accelerator, loss, optimizers: list, batch: dict, step: int, settings: TrainingSettings
) -> tuple[torch.Tensor, int]:
    """Update `step` (0, 1, ...), on all processes together.

    Args:
        accelerator: of accelerate, which prepared `loss` and `optimizers`.
        loss: gives sums over tokens, as `TokenLoss` does.
        optimizers: of its parameters.
        batch: the whole batch, each (b, length); b = rows of a pass · processes · accumulated passes.
        step: decides the learning rate.
        settings: how to train.

    Returns:
        Means over the whole batch, (2,): the loss of a token and that of a value. The number of tokens.
    """
    n_rows, n_processes = settings.per_device_train_batch_size, accelerator.num_processes
    n_tokens, n_values = token_and_value_counts(batch)
    batch = batch | {"labels": drawn_labels(batch, settings, step)}
    sums = torch.zeros(2, device=accelerator.device)
    # This process's passes, at every n_processes-th group of rows.
    starts = range(accelerator.process_index * n_rows, len(batch["input_ids"]), n_rows * n_processes)
    for start in starts:
        rows = slice(start, start + n_rows)
        width = int(batch["attention_mask"][rows].sum(dim=1).max())  # of the longest of these rows
        inputs = [batch[key][rows, :width].to(accelerator.device) for key in ("input_ids", "labels", "attribute_ids")]
        # Processes exchange gradients once, after the last pass.
        with contextlib.nullcontext() if start == starts[-1] else accelerator.no_sync(loss):
            total, value_loss = loss(*inputs)  # sums, in nats
            # They average them over processes; with this factor the average is the mean over all tokens.
            accelerator.backward(total * (n_processes / n_tokens))
        sums += torch.stack((total.detach(), value_loss))

    accelerator.clip_grad_norm_(loss.parameters(), settings.max_grad_norm)
    factor = learning_rate_factor(settings.lr_scheduler_type, step, settings.max_steps, settings.warmup_steps)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("peak_lr", group["lr"]) * factor
        optimizer.step()
        optimizer.zero_grad()
    return accelerator.reduce(sums, "sum") / torch.tensor((n_tokens, n_values), device=sums.device), n_tokens


def drawn_labels(batch: dict[str, torch.Tensor], settings: TrainingSettings, step: int) -> torch.Tensor:
    """The labels (b, length) of all values and of a random `template_share` of the template tokens of biographies.

    The loss is a sum over them, divided by the number of all tokens. On average it is that of a `template_weight` of
    the same size.
    """
    labels, attributes = batch["labels"], batch["attribute_ids"]
    if settings.template_share == 1:
        return labels
    draws = uniforms(settings.seed_of_data, "learned template tokens", tuple(labels.shape), step)
    is_template = (attributes == 0) & (attributes > 0).any(1, keepdim=True)  # random words are none
    return labels.masked_fill(is_template & torch.from_numpy(draws >= settings.template_share), IGNORED_LABEL)


def token_and_value_counts(batch: dict[str, torch.Tensor]) -> tuple[int, int]:
    """Tokens that are predicted in a batch, and attribute values (runs of one attribute id)."""
    attributes = batch["attribute_ids"]
    begins = (attributes[:, 1:] > 0) & (attributes[:, 1:] != attributes[:, :-1])
    return int((batch["labels"][:, 1:] != IGNORED_LABEL).sum()), int(begins.sum())
