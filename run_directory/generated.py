"""The texts that an old model wrote at the beginning of a fine-tuning, as its run keeps them."""

import json
from pathlib import Path

from command_line import UserError
from run_directory.layout import GENERATED_TEXTS, replace_text


def write_generated(run: Path, texts: list[list[int]], words: list[str]) -> None:
    """Write `generated.jsonl`: of each text its token ids, and what it reads as."""
    lines = ({"text": text, "input_ids": ids} for text, ids in zip(words, texts, strict=True))
    replace_text(run / GENERATED_TEXTS, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def read_generated(run: Path) -> list[list[int]]:
    """Token ids of the texts that `write_generated` wrote.

    Raises:
        UserError: they are not there, or damaged.
    """
    file = run / GENERATED_TEXTS
    try:
        return [json.loads(line)["input_ids"] for line in file.read_text(encoding="utf-8").split("\n") if line]
    except OSError:
        wrong = "is not there"
    except (ValueError, KeyError, TypeError, RecursionError):
        wrong = "is damaged"
    raise UserError(f"{file}, what the old model wrote, {wrong}; only a run that has it can be read again or go on")
