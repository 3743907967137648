"""Runs that are killed, or told to stop, at any moment."""

import shutil
import signal
import sys
from collections import Counter
from pathlib import Path

from run_directory.manifests import checkpoints, is_sound
from tests.campaign.trial import check_same, expect, finish, pretraining, start

SIGNALS = ("SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2")
LONGEST = 20.0  # seconds from the start of a process
_FINETUNING = {
    "plain": ("--weight_replay_finetune", "0.5"),
    "lora": ("--trainable", "lora", "--learning_rate", "0.01"),
    "distillation": ("--share_invented", "0.5", "--share_random_words", "0.2"),
    "rehearsal": ("--share_generated", "0.25", "--n_generated", "32", "--weight_ewc", "3", "--old_attention", "true"),
}


class Campaign:
    """Pre-training, fine-tuning and patching, each against a run that nobody disturbed."""

    def __init__(self, directory: Path):
        finish(pretraining(directory / "adamw"))
        finish(pretraining(directory / "muon", "--optim", "muon"))
        self.wholes, start_from = {}, directory / "adamw"
        words = (
            "--eval_individuals",
            "8",
            "--per_device_train_batch_size",
            "8",
            "--max_steps",
            "40",
            "--num_threads",
            "1",
        )
        tuning = [sys.executable, "run_finetune.py", "--model", str(start_from), *words, "--save_steps", "5"]
        tuning += ["--individuals_finetune", "rare", "--n_individuals_finetune", "8"]
        self.commands = {
            "adamw": pretraining(Path("OUT")),
            "muon": pretraining(Path("OUT"), "--optim", "muon"),
            **{name: [*tuning, *more, "--output_dir", "OUT"] for name, more in _FINETUNING.items()},
            "patching": [
                sys.executable, "run_patching.py", "--reference", str(start_from), "--reference_patching", "20",
                "--num_threads", "1", "--output_dir", "OUT",
            ],
        }  # fmt: skip
        for name in (*_FINETUNING, "patching"):
            finish(self._command(name, directory / name))
        self.directory = directory

    def _command(self, name: str, run: Path, *options: str) -> list[str]:
        return [str(run) if word == "OUT" else word for word in self.commands[name]] + [*options]

    def trial(self, draw, run: Path) -> Counter:
        """One run, stopped up to three times, then left alone."""
        name, counts = draw.choice(list(self.commands)), Counter()
        command = self._command(name, run, "--resume_from_checkpoint", "auto")
        for _ in range(draw.randint(1, 3)):
            there = {step for step, path in checkpoints(run).items() if is_sound(path)}
            counts[self._disturb(draw, command)] += 1
            expect(
                there <= {s for s, path in checkpoints(run).items() if is_sound(path)}, f"{run}: a checkpoint is lost"
            )
        finish(command)
        check_same(self.directory / name, run)
        shutil.rmtree(run)
        return counts

    def _disturb(self, draw, command: list[str]) -> str:
        process = start(command)
        try:
            process.communicate(timeout=draw.uniform(0, LONGEST))
            return "too late"
        except Exception:  # still going on
            which = draw.choice(SIGNALS)
            process.send_signal(getattr(signal, which))
        said = process.communicate()[0]
        expect("Traceback" not in said or which == "SIGINT", f"{which}: {said[-2000:]}")
        return which
