"""Files of runs and datasets that are not what they were."""

import json
import shutil
import traceback
from collections import Counter
from pathlib import Path

import analysis.__main__ as analysis
import evaluation.__main__ as evaluation
import hub_cards.__main__ as hub_cards
import run_finetune
import run_pretrain
from command_line import UserError
from run_directory.models import find_model
from tests.campaign.trial import Broken, expect, finish, one_line, pretraining
from tests.helpers.pretraining import NANO, same, weights

# What a reader reads of a run; it may be any other file of it, too.
READ = {
    "analysis": ("config.yaml", "*.json", "metrics.jsonl"),
    "quiz": ("*.json", "*.safetensors", "dataset/source/*", "config.yaml"),
    "preview": ("*.json", "*.safetensors", "dataset/source/*", "config.yaml", "metrics.jsonl"),
    "load": ("checkpoint-60/*",),
    "resume": ("config.yaml", "metrics.jsonl", "dataset/source/*", "checkpoint-60/*"),
    "finetune": ("checkpoint-60/*", "dataset/source/*", "config.yaml"),
    "dataset": ("dataset/**/*",),
}
OTHER = [
    b"",
    b"3",
    b"[]",
    b"{}",
    b"null",
    b'{"a": 1}',
    b"[1, 2",
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b"- a\n- b\n",
    b"a: {",
]
_STEPS = ("--max_steps", 60, "--eval_steps", 20, "--save_steps", 10, "--num_threads", 1)
_TUNING = ("--max_steps", 2, "--eval_individuals", 8, "--per_device_train_batch_size", 4, "--num_threads", 1)


class Campaign:
    """Copies of one run, each with one file damaged, and whatever reads a run."""

    def __init__(self, directory: Path):
        self.whole = directory / "whole"
        finish(pretraining(self.whole))
        self.readers = {
            "analysis": lambda run: one_line(analysis.main, run),
            "quiz": lambda run: one_line(evaluation.main, run, "--people", 1),
            "preview": lambda run: one_line(hub_cards.main, "preview", run),
            "load": lambda run: self._load(run / "checkpoint-60"),
            "resume": self._resume,
            "finetune": lambda run: one_line(
                run_finetune.main, "--model", run / "checkpoint-60", "--output_dir", run.with_name("tuned"), *_TUNING,
                "--individuals_finetune", "rare", "--n_individuals_finetune", 4,
            ),
            "dataset": lambda run: one_line(
                run_pretrain.main, NANO, "--dataset", run / "dataset", "--output_dir", run.with_name("other"), *_TUNING
            ),
        }  # fmt: skip

    def trial(self, draw, place: Path) -> Counter:
        """One file, damaged in one way, and one reader."""
        run = shutil.copytree(self.whole, place / "run")
        reader = draw.choice(list(self.readers))
        pattern = draw.choice(READ[reader]) if draw.random() < 0.9 else "**/*"
        file = draw.choice(sorted(path for path in run.glob(pattern) if path.is_file() and path.suffix != ".png"))
        how = _damage(draw, file)
        try:
            went = self.readers[reader](run)
        except Broken as broken:
            raise Broken(f"{reader} after {how} of {file.relative_to(run)}: {broken}") from None
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {str(error)[:300]} ({where.filename}:{where.lineno})"
            raise Broken(f"{reader} after {how} of {file.relative_to(run)}: {said}") from error
        shutil.rmtree(place)
        return Counter({"went on as before" if went else "refused in one line": 1})

    def _load(self, run: Path) -> bool:
        try:
            model = find_model(str(run)).load()[0]
        except UserError:
            return False
        expected = weights(self.whole)
        expect(all((model.state_dict()[name] == tensor).all() for name, tensor in expected.items()), "other weights")
        return True

    def _resume(self, run: Path) -> bool:
        words = (NANO, "--output_dir", run, *_STEPS, "--resume_from_checkpoint", "latest")
        if not one_line(run_pretrain.main, *words):
            return False
        expect(same(weights(self.whole), weights(run)), "other weights")
        return True


def _damage(draw, file: Path) -> str:
    data, how = file.read_bytes(), draw.choice(["cut", "bit", "other", "deletion", "garbage line", "doubled"])
    if how == "cut":
        file.write_bytes(data[: draw.randrange(len(data) or 1)])
    elif how == "bit" and data:
        where, altered = draw.randrange(len(data)), bytearray(data)
        altered[where] ^= 1 << draw.randrange(8)
        file.write_bytes(altered)
    elif how == "other":
        file.write_bytes(draw.choice(OTHER))
    elif how == "deletion":
        file.unlink()
    elif how == "garbage line":
        lines = data.splitlines(keepends=True)
        lines.insert(draw.randint(0, len(lines)), json.dumps(draw.random()).encode() + b"\x00\n")
        file.write_bytes(b"".join(lines))
    else:
        file.write_bytes(data + data)
    return how
