"""The stream of a run, by what its settings ask for."""

from data_builder.asking import AskingStream, with_questions
from data_builder.mixture import MixedStream
from data_builder.schedules import Plan, build_schedule
from data_builder.source import Source
from data_builder.stream import BiographyStream


def build_stream(
    source: Source, tokenizer, plan: Plan, seed: int, *, random_words: float = 0.0, invented: float = 0.0,
    share_questions: float = 0.0, share_asked: float = 0.5, **told,
) -> BiographyStream:  # fmt: skip
    """The stream of a run, with rows about nobody or questions if it has a share of them.

    Args:
        plan: what the schedule may know of the run.
        source, tokenizer, seed: of `BiographyStream`.
        random_words, invented: of `MixedStream`.
        share_questions, share_asked: of `AskingStream`.
        told: further arguments of `BiographyStream`, where no rows are about nobody.

    Raises:
        UserError: a schedule or shares that can't be.
    """
    schedule = build_schedule(plan)
    if random_words or invented:
        return MixedStream(random_words, invented, source, tokenizer, schedule, seed)
    if share_questions:
        return AskingStream(share_questions, share_asked, source, tokenizer, schedule, seed, **told)
    return BiographyStream(source, tokenizer, schedule, seed, **told)


def pieces_of(source: Source, share_questions: float) -> list[str]:
    """Every text that the stream is made of: what its tokenizer is trained on."""
    return (with_questions(source) if share_questions else source).pieces()
