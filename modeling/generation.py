"""Texts that a model writes by itself, from the beginning of a text on."""

import sys
from collections.abc import Callable

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import GenerationConfig

from command_line import UserError, is_first_process

_ROWS = 128  # texts that are written together


@torch.no_grad()
def write_texts(model, tokenizer, n: int, max_length: int, seed: int, each: Callable = map) -> list[list[int]]:
    """Sample texts token by token from what the model predicts (temperature 1), a function of model and seed.

    Args:
        model: a causal language model.
        tokenizer: its own.
        n: how many texts.
        max_length: tokens at which a text that has no end is cut off.
        seed: of the sample.
        each: how parts of them are written one after the other: by `map`, or by `evaluation.sharing.shared_map`.

    Returns:
        Token ids of each text, with its begin and end.

    Raises:
        UserError: no token tells where a text begins.
    """
    check_writes(tokenizer)
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    how = GenerationConfig(
        # What some models' own generation_config.json says otherwise.
        do_sample=True, temperature=1.0, top_k=0, top_p=1.0, repetition_penalty=1.0, no_repeat_ngram_size=0,
        max_new_tokens=max_length - 1, bos_token_id=begin, eos_token_id=end, pad_token_id=0 if end is None else end,
    )  # fmt: skip
    bar = tqdm(total=n, unit="text", desc="the old model writes", disable=not is_first_process(), file=sys.stderr)

    def part(start: int) -> list[list[int]]:
        rows = min(_ROWS, n - start)
        with torch.random.fork_rng():
            torch.manual_seed(int(np.random.SeedSequence((seed, start)).generate_state(1)[0]))
            begins = torch.full((rows, 1), begin, device=model.device)
            written = model.generate(begins, attention_mask=torch.ones_like(begins), generation_config=how)
        bar.update(rows)
        return [_until(row, end) for row in written.tolist()]

    with bar:
        return [text for texts in each(part, range(0, n, _ROWS)) for text in texts]


def check_writes(tokenizer) -> None:
    """Raise UserError if no token tells where a text begins."""
    if tokenizer.bos_token_id is None:
        raise UserError(
            "the model's tokenizer has no token for the beginning of a text, so that the model cannot write by itself; "
            "leave out share_generated and weight_ewc"
        )


def _until(row: list[int], end: int | None) -> list[int]:
    """A text up to its end; the begin may be the same token."""
    return row[: row.index(end, 1) + 1] if end in row[1:] else row
