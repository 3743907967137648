"""What a model knew before a run taught it: facts of a table, and how well it still reads a text."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from command_line import UserError
from evaluation.knowledge import attribute_accuracies, attribute_losses
from evaluation.probes import probe_predictions
from modeling.loss import wanted_logits

_WINDOW, _WINDOWS = 512, 64  # tokens that are read together, and how often at most


def old_knowledge(
    facts: str | None, text: str | None, tokenizer, n_positions: int | None, size: int, each: Callable = map
) -> Callable:
    """What an evaluation measures beside what is taught.

    Args:
        facts: CSV table that `settings.data` calls `facts`; all of it is asked, in generic sentences.
        text: a text file; its first 32,768 tokens are read.
        tokenizer: of the model.
        n_positions: tokens that the model reads together; None if any number.
        size: individuals of the table that are asked at most.
        each: how the model is shown one part after the other, as of `evaluation.probes`.

    Returns:
        A function from a model to `old_attribute_loss` (nats), `old_attribute_accuracy` (0-1), `old_text_loss`
        (nats per token) and `old_text_perplexity`, those that were asked for.

    Raises:
        UserError: a table or text that can't be used.
    """
    measures = [] if facts is None else [_of_facts(facts, tokenizer, n_positions, size, each)]
    if text is not None:
        measures.append(_of_text(text, tokenizer, n_positions, each))
    return lambda model: {key: value for measure in measures for key, value in measure(model).items()}


def _of_facts(facts: str, tokenizer, n_positions: int | None, size: int, each: Callable) -> Callable:
    from data_builder.source import Source
    from data_builder.stream import BiographyStream
    from settings.data import DataSettings

    source = Source.build(DataSettings(facts=facts, share_unseen=0))
    stream = BiographyStream(source, tokenizer, None, seed=0)
    if n_positions is not None and stream.tables.max_length > n_positions:
        raise UserError(f"{facts}: a row has {stream.tables.max_length} tokens, the model reads {n_positions}")
    probe, n_attributes = stream.probe("seen", size), len(source.world.attributes)

    def measure(model) -> dict[str, float]:
        flat = probe_predictions(model, probe, each)
        where = (flat["rows"], flat["attributes"], n_attributes)
        return {
            "old_attribute_loss": float(attribute_losses(flat["losses"], *where).mean()),
            "old_attribute_accuracy": float(attribute_accuracies(flat["correct"], *where).mean()),
        }

    return measure


def _of_text(text: str, tokenizer, n_positions: int | None, each: Callable) -> Callable:
    try:
        content = Path(text).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {text}: {error}") from None
    width = min(_WINDOW, n_positions or _WINDOW)
    ids = torch.tensor(tokenizer(content, verbose=False).input_ids[: width * _WINDOWS])
    if len(ids) < 2:
        raise UserError(f"{text} is too short to be read: it needs two tokens at least")

    @torch.no_grad()
    def measure(model) -> dict[str, float]:
        device = next(model.parameters()).device
        windows = [window[None].to(device) for window in ids.split(width) if len(window) > 1]

        def loss(window: torch.Tensor) -> float:
            wanted = torch.ones_like(window, dtype=torch.bool)
            wanted[:, 0] = False
            logits = wanted_logits(model, window, wanted)
            return functional.cross_entropy(logits, window[0, 1:], reduction="sum").item()

        mean = sum(each(loss, windows)) / sum(window.shape[1] - 1 for window in windows)
        return {"old_text_loss": mean, "old_text_perplexity": math.exp(min(mean, 700))}

    return measure
