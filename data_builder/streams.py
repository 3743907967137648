"""The stream of a run, by what its settings ask for."""

from command_line import UserError
from data_builder.asking import AskingStream, with_questions
from data_builder.mixture import UNKNOWN, MixedStream
from data_builder.schedules import Plan, build_schedule
from data_builder.source import Source
from data_builder.stream import BiographyStream
from settings.data import StreamSettings


def build_stream(
    source: Source, tokenizer, plan: Plan, seed: int, *, random_words: float = 0.0, invented: float = 0.0,
    generated: float = 0.0, share_unknown: float = 0.0, share_questions: float = 0.0, share_asked: float = 0.5, **told,
) -> BiographyStream:  # fmt: skip
    """The stream of a run, with rows about nobody or questions if it has a share of them.

    Args:
        plan: what the schedule may know of the run.
        source, tokenizer, seed: of `BiographyStream`.
        random_words, invented, generated, share_unknown: of `MixedStream`.
        share_questions, share_asked: of `AskingStream`.
        told: further arguments of `BiographyStream`.

    Raises:
        UserError: a schedule or shares that can't be.
    """
    schedule = build_schedule(plan)
    if random_words or invented or share_unknown or generated:
        if share_questions:
            raise UserError("share_questions and share_unknown are for runs of their own; leave out one of them")
        shares = {"unknown": share_unknown, "generated": generated}
        return MixedStream(random_words, invented, source, tokenizer, schedule, seed, **shares, **told)
    if share_questions:
        return AskingStream(share_questions, share_asked, source, tokenizer, schedule, seed, **told)
    return BiographyStream(source, tokenizer, schedule, seed, **told)


def train_own_tokenizer(source: Source, told: StreamSettings):
    """The tokenizer of a run that has none yet, from every text that its stream is made of."""
    from data_builder.tokenizer import train_tokenizer

    pieces = (with_questions(source) if told.share_questions else source).pieces()
    return train_tokenizer([*pieces, f" {UNKNOWN}"] if told.share_unknown else pieces)
