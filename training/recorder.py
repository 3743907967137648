"""What goes on around the steps of a run: its record, evaluations, checkpoints, resuming, and a progress bar."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from tqdm.auto import tqdm

from command_line import Stopped, UserError
from run_directory.config import note_environment
from run_directory.layout import CHECKPOINT
from run_directory.records import truncate_records
from run_directory.states import keep_newest
from settings.training import TrainingSettings
from training.automatic import AutomaticSaves
from training.checkpoints import Progress, find_checkpoint, load_checkpoint, save_checkpoint, save_final
from training.forecast import Forecast, duration
from training.start import environment_of


@dataclass
class Recorder:
    """Is told when a run begins, when a step is done, and when all are.

    Args:
        optimizers: as accelerate prepared them.
        schedule: of the stream.
        accelerator, model, tokenizer, measure, settings, run, saved, progress: as of `training.loop.train`.
    """

    accelerator: Accelerator
    model: object
    tokenizer: object
    optimizers: list
    schedule: object
    measure: Callable[[object], dict[str, float]]
    settings: TrainingSettings
    run: Path
    saved: Callable[[Path], None]
    progress: Progress

    def begin(self) -> None:
        """Go on from a checkpoint, or record what a model knows that this run has not trained yet."""
        self.bar: tqdm | None = None
        self.begun = time.perf_counter()
        self.losses: list[torch.Tensor] = []  # of each step since the last record
        self.saved_at: int | None = None
        self.last_loss: float | None = None
        self.metrics: dict[str, float] = {}
        n_parameters = sum(parameter.numel() for parameter in self.model.parameters())
        planned = self.settings.evaluations(self.schedule.turns())
        self.evaluations = {*planned, self.progress.step}
        self.forecast = Forecast(self.settings, self.progress.step, planned)
        self.chosen, self.automatic = self.settings.chosen_saves(), AutomaticSaves(self.settings, n_parameters)
        if self.settings.resume_from_checkpoint:
            checkpoint = find_checkpoint(self.run, self.settings.resume_from_checkpoint, self.accelerator.print)
            self.progress, losses, self.schedule.state = load_checkpoint(checkpoint, self.model, self.optimizers)
            self.losses = [torch.tensor(loss, device=self.accelerator.device) for loss in losses]
            self.accelerator.wait_for_everyone()
            kept = [False]
            if self.accelerator.is_main_process:
                kept = [truncate_records(self.run, self.progress.step, self.accelerator.print)]
            if not broadcast_object_list(kept)[0]:
                self.evaluations.add(self.progress.step)
                self._record()  # all is lost; there shall be something to go on from
            here = environment_of(self.accelerator)
            if self.accelerator.is_main_process and (others := note_environment(self.run, self.progress.step, here)):
                self._print(f"note: the run had another environment; now {others}: last bits may differ")
            self.accelerator.print(f"resuming from {checkpoint}")
            self.begun -= self.progress.seconds
        else:
            self._record()
            if self.progress.step in self.chosen:
                self._save()
        self.bar = tqdm(
            total=self.settings.last_step,
            initial=self.progress.step,
            disable=not self.accelerator.is_main_process,
            unit="step",
            mininterval=0.2 if sys.stderr.isatty() else 10,  # a log file needs fewer lines
            dynamic_ncols=True,
        )
        self.step_begun = time.perf_counter()

    def step_done(self, losses: torch.Tensor, n_tokens: int, n_biographies: int) -> None:
        """Note an update: its mean loss of a token and of a value, (2,), and what it learned from."""
        progress, settings, now = self.progress, self.settings, time.perf_counter()
        self.losses.append(losses)
        progress.step += 1
        progress.tokens += n_tokens
        progress.biographies += n_biographies
        progress.seconds = now - self.begun
        self._print(self.forecast.note(now - self.step_begun, progress))
        step, every = progress.step, settings.save_steps
        is_paused = step == settings.last_step < settings.max_steps  # before its schedule's end, to be gone on with
        save = bool(every and step % every == 0) or step in self.chosen or is_paused
        if save or step in self.evaluations or step % settings.logging_steps == 0:
            self._record()
        if save:
            self._save()
        elif self.accelerator.is_main_process and self.automatic.is_due() and self._is_finite():
            self._save_in_case()
        self.bar.update()
        said = [] if self.last_loss is None else [f"loss {self.last_loss:.2f}"]
        if self.metrics:
            loss, baseline = self.metrics["seen_attribute_loss"], self.metrics["no_knowledge_baseline"]
            said.append(f"attribute loss {loss:.2f} (baseline {baseline:.2f})")
        said.append(f"{progress.tokens / progress.seconds / 1000:.1f}k tokens/s")
        self.bar.set_postfix_str(", ".join(said), refresh=False)
        self.step_begun = time.perf_counter()

    def stop(self, received: str | None) -> None:
        """Save where the run stands, and end it.

        Raises:
            Stopped: always, but where all steps are done.
        """
        step = self.progress.step
        if step == self.settings.last_step:
            return
        if self.saved_at != step:
            self._check_finite()
            self._save()
        raise Stopped(
            f"by {received or 'a signal to another process'} after step {step:,}; saved "
            f"{self.run / f'{CHECKPOINT}{step}'}; go on with --resume_from_checkpoint latest"
        )

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            self._save_state()
        self.saved_at = self.progress.step
        self.accelerator.wait_for_everyone()

    def _save_in_case(self) -> None:
        """Save what nobody asked for. The main process does so alone: no other one waits for it, and no record is
        written, so that the run is the same whenever that is. A full disk is no reason to end a run.
        """
        try:
            self._save_state(automatic=True)
        except OSError as error:
            self._print(f"note: could not save a state to go on from: {error.strerror or error}; the run goes on")
            self.automatic.saved(0.0)

    def _save_state(self, automatic: bool = False) -> None:
        """Save, and delete what need not be kept any more."""
        begun, step = time.perf_counter(), self.progress.step
        losses = [loss.tolist() for loss in self.losses]
        state = (self.model, self.tokenizer, self.optimizers, self.progress, losses, self.schedule.state)
        checkpoint = save_checkpoint(self.run, *state, automatic)
        keep_newest(self.run, step, self.settings.save_total_limit, self.chosen)
        self.automatic.saved(time.perf_counter() - begun)
        self.saved(checkpoint)

    def close(self) -> None:
        """Leave the progress bar as it stands."""
        if self.bar is not None:
            self.bar.close()

    def end(self) -> None:
        """Save the final model."""
        self.close()
        share = self.progress.evaluation_seconds / self.progress.seconds
        self._print(f"took {duration(self.progress.seconds)}, {share:.0%} of it for measuring knowledge")
        if self.accelerator.is_main_process:
            save_final(self.run, self.model, self.tokenizer)
        self.accelerator.wait_for_everyone()

    def _record(self) -> None:
        """Write a line of metrics: the mean losses since the last one, and knowledge where it is due."""
        progress, losses, measured = self.progress, self._mean_losses(), {}
        self.last_loss = losses["loss"]
        if progress.step in self.evaluations:  # by all processes together
            begin = time.perf_counter()
            with self.accelerator.autocast():
                measured = self.metrics = self.measure(self.model)
            progress.evaluation_seconds += time.perf_counter() - begin
            progress.seconds = time.perf_counter() - self.begun
        others = {"predicted_seconds": self.forecast.seconds, "learning_rate": self.optimizers[0].param_groups[0]["lr"]}
        record = asdict(progress) | others | losses | self.schedule.metrics(progress.step) | measured
        step = record.pop("step")
        self.accelerator.log(record, step)

    def _mean_losses(self) -> dict[str, float | None]:
        """Means over the updates since the last call: of a token and of a value; None before the first."""
        if not self.losses:
            return {"loss": None, "train_attribute_loss": None}
        losses, self.losses = self._check_finite(), []
        token_loss, attribute_loss = (sum(column) / len(losses) for column in zip(*losses, strict=True))
        return {"loss": token_loss, "train_attribute_loss": attribute_loss}

    def _check_finite(self) -> list[list[float]]:
        """The losses since the last record.

        Raises:
            UserError: one is not finite. Nothing was saved since, for this is checked before each save.
        """
        losses = self._losses()
        for step, (loss, _) in enumerate(losses, self.progress.step - len(losses) + 1):
            if not abs(loss) < float("inf"):
                raise UserError(
                    f"the loss of step {step} is {loss}; stopped. The checkpoints before it are kept; "
                    "lower the learning rate and begin anew"
                )
        return losses

    def _is_finite(self) -> bool:
        """Of the losses since the last record; the next record says so if it is not."""
        return all(abs(loss) < float("inf") for loss, _ in self._losses())

    def _losses(self) -> list[list[float]]:
        return torch.stack(self.losses).tolist() if self.losses else []

    def _print(self, line: str | None) -> None:
        if line and self.accelerator.is_main_process:
            tqdm.write(line, file=sys.stderr)  # above the bar
