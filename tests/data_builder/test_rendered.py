"""Token ids and marks of biographies are those of the rendered text, whatever model the tokenizer is of."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from command_line import UserError
from data_builder.biographies import Renderer
from data_builder.encoding import Encoder
from data_builder.population import Wording
from data_builder.rendered import RenderedTables, token_tables
from data_builder.source import Source
from settings.data import DataSettings
from tests.helpers.foreign import KINDS, foreign_tokenizer
from tests.helpers.independent import drawn
from tests.helpers.toys import ADA, table, write_world


def texts_of(source, n=40):
    renderer = Renderer(source)
    rows = zip(*(array.tolist() for array in drawn(source, 1, n)), strict=True)
    return [renderer.biography(*row).text for row in rows]


@pytest.fixture(scope="module", params=KINDS)
def kind(request, source):
    return foreign_tokenizer(request.param, texts_of(source))


@pytest.fixture(scope="module")
def both(kind, source):
    return token_tables(source, kind), RenderedTables(source, Encoder(kind))


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 6))
def test_ids_are_the_tokenizers_own_and_marks_its_offsets(kind, both, source, seed, n):
    for tables in both:
        check(tables, kind, source, *drawn(source, seed, n))


def check(tables, tokenizer, source, names, values, templates, order):
    """A second and slow way: one text at a time, character by character."""
    made = tables.assemble(names, values, Wording(templates, order), with_names=True)
    for number, row in enumerate(zip(*(a.tolist() for a in (names, values, templates, order)), strict=True)):
        told = Renderer(source).biography(*row)
        encoded = tokenizer(told.text, return_offsets_mapping=True, return_special_tokens_mask=True)
        ids, end = encoded.input_ids, tokenizer.eos_token_id
        ids = ids if ids[-1] == end else [*ids, end]
        length = int(made["attention_mask"][number].sum())
        assert made["input_ids"][number][:length].tolist() == ids
        assert not made["input_ids"][number][length:].any()
        spans = {
            "attribute_ids": zip((a + 1 for a in row[3]), told.value_spans, strict=True),
            "name_ids": enumerate(told.name_spans, 1),
        }
        for key, numbered in spans.items():
            inside = {place: which for which, (a, b) in numbered for place in range(a, b)}
            marks = [
                0 if special else mark(inside, told.text, *offsets)
                for offsets, special in zip(encoded.offset_mapping, encoded.special_tokens_mask, strict=True)
            ]
            assert made[key][number][:length].tolist() == marks + [0] * (length - len(marks))


def mark(inside, text, begin, end):
    if text[begin:end] == " ":
        return inside.get(end, 0)
    return next((inside[place] for place in range(begin, end) if place in inside), 0)


def test_lengths_are_bounded(both, kind, source):
    for tables in both:
        made = tables.assemble(*(rows := drawn(source, 5, 50))[:2], Wording(*rows[2:]))
        assert made["attention_mask"].sum(1).max() <= tables.max_length


EXACT = {
    "byte-level BPE (GPT-2, GPT-NeoX)", "byte-level BPE, three digits at a time (Llama 3)",
    "byte-level BPE, each digit alone (SmolLM)",
    "SentencePiece BPE, no prefix space", "Unigram", "Unigram, punctuation apart, ends a text itself (T5)", "WordPiece",
    "WordPiece, lower case",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_where_pieces_merge_batches_are_tokenized_as_text_and_a_note_says_so(source, kind, capsys):
    tables = token_tables(source, foreign_tokenizer(kind, texts_of(source)))
    said = capsys.readouterr().err
    assert isinstance(tables, RenderedTables) == (kind not in EXACT)
    assert ("note: each batch is tokenized as text, since for this tokenizer" in said) == (kind not in EXACT)
    assert ("note: the model's tokenizer reads" in said) == (kind == "WordPiece, lower case")


WORDS = st.text("ab. ,'s1 é", min_size=1, max_size=8).map(lambda text: " ".join(text.split())).filter(bool)


@settings(max_examples=15)
@given(
    words=st.lists(WORDS, min_size=3, max_size=3, unique=True),
    kind=st.sampled_from(sorted(KINDS.keys() - {"WordPiece, lower case"})),
)
def test_awkward_values_and_names_are_no_exception(words, kind):
    """Ends of values that merge with the full stop after them (`Inc.` and `.`) are the reason for all this."""
    lines = [f"{word}{number}" for number, word in enumerate(words)]
    endings = [f"{number}{word}" for number, word in enumerate(words)]
    with tempfile.TemporaryDirectory() as folder:
        world = write_world(
            Path(folder), ["who"], {"has": ["thing"], "is": ["thing"]}, {"who": lines, "thing": endings}
        )
        try:
            source = Source.build(DataSettings(2, 1, 0, 1, **world))
        except UserError:  # entries that begin with one another
            return
    rows = (source.population.names, source.population.values, np.array([[0, 1], [3, 3], [2, 0]]))
    order = np.array([[0, 1], [1, 0], [0, 1]])
    renderer = Renderer(source)
    texts = [renderer.biography(*row).text for row in zip(*(a.tolist() for a in (*rows, order)), strict=True)]
    tokenizer = foreign_tokenizer(kind, texts)
    check(token_tables(source, tokenizer), tokenizer, source, *rows, order)


def test_what_a_tokenizer_cannot_tell_apart_or_write_is_one_line(source, tmp_path):
    lower = foreign_tokenizer("WordPiece, lower case", texts_of(source))
    own = source.with_individuals(table(tmp_path / "mine.csv", ADA, ADA | {"name": "Bob", "company": "BABBAGE & CO."}))
    lower.backend_tokenizer.model = models.WordPiece(
        lower.get_vocab() | {letter: 5000 + i for i, letter in enumerate("&’")}, unk_token="<unk>"
    )
    with pytest.raises(UserError, match=r"company: .* reads 'Babbage & Co.' and 'BABBAGE & CO.' alike; leave out one"):
        token_tables(own, lower)
    words = Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>"))
    with pytest.raises(UserError, match="the model's tokenizer has no tokens for '.*', so nothing could be learned"):
        token_tables(source, PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>"))
    special = foreign_tokenizer("byte-level BPE (GPT-2, GPT-NeoX)", texts_of(source))
    special.add_special_tokens({"additional_special_tokens": ["Marylebone"]})
    with pytest.raises(UserError, match="Marylebone is a token of its own for this model and cannot be in a text"):
        token_tables(own, special)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_a_pre_tokenizer_drops_is_told_and_nothing_of_others(source, kind):
    texts = texts_of(source)
    tokenizer = foreign_tokenizer(kind, texts)
    if "lower" not in kind:
        assert Encoder(tokenizer).losses(texts) is None
    backend = tokenizer.backend_tokenizer
    split = [pre_tokenizers.Split(Regex("o"), "removed"), *([backend.pre_tokenizer] if backend.pre_tokenizer else [])]
    backend.pre_tokenizer = pre_tokenizers.Sequence(split)
    assert Encoder(tokenizer).losses(["London"]) == "'London' as 'Lndn'"
