"""The texts that an old model wrote at the beginning of a fine-tuning, as its run keeps them."""

import json
from pathlib import Path

from command_line import ENVIRONMENT_KEY, UserError
from run_directory.config import note_fact, read_config
from run_directory.layout import GENERATED_TEXTS, replace_text
from run_directory.manifests import sha256

_DIGEST = "generated_sha256"  # in config.yaml, with what else the run is made from


def write_generated(run: Path, texts: list[list[int]], words: list[str]) -> None:
    """Write `generated.jsonl`: of each text its token ids, and what it reads as; and note in config.yaml what it is."""
    lines = ({"text": text, "input_ids": ids} for text, ids in zip(words, texts, strict=True))
    replace_text(run / GENERATED_TEXTS, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    note_fact(run, _DIGEST, sha256((run / GENERATED_TEXTS).read_bytes()))


def read_generated(run: Path) -> list[list[int]]:
    """Token ids of the texts that `write_generated` wrote.

    Raises:
        UserError: they are not there, or others.
    """
    file, noted = run / GENERATED_TEXTS, read_config(run)[ENVIRONMENT_KEY].get(_DIGEST)
    try:
        content = file.read_bytes()
        if sha256(content) != noted:
            raise ValueError
        return [json.loads(line)["input_ids"] for line in content.decode().split("\n") if line]
    except OSError:
        wrong = "is not there"
    except (ValueError, KeyError, TypeError, RecursionError):
        wrong = "is not what the run began with"
    raise UserError(
        f"{file}, what the old model wrote, {wrong}; bring it back, or begin anew: --overwrite_output_dir true"
    )
