import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from data_builder.biographies import Renderer
from data_builder.source import Source
from data_builder.tokenizer import SPECIAL_TOKENS, split_words, train_tokenizer
from settings.data import DataSettings
from tests.helpers.independent import PACKAGE, biography, full_name, one_drawn, value_text, words

# A special token's text stands for the token itself, as in every tokenizer of this kind, and is left out
# when special tokens are. Lone surrogates cannot be drawn: they are no text (UTF-8 has no form for them).
TEXTS = st.text(max_size=60).filter(lambda text: not any(token in text for token in SPECIAL_TOKENS))


@pytest.fixture(scope="module", params=["small", "full"])
def world(request, source, tokenizer, full_source, full_tokenizer):
    return (source, tokenizer) if request.param == "small" else (full_source, full_tokenizer)


def encode(tokenizer, text):
    return tokenizer(text, add_special_tokens=False).input_ids


def encode_piece(tokenizer, piece):
    """Tokens of a piece, which begins with its own space or goes on after a word without one."""
    if piece.startswith(" "):
        return encode(tokenizer, piece[1:])
    comma = encode(tokenizer, ",")
    both = encode(tokenizer, f",{piece}")
    assert both[: len(comma)] == comma
    return both[len(comma) :]


@given(seed=st.integers(0, 10**6))
def test_a_biography_equals_its_slow_rendering_and_spans_cut_names_and_values_in_order(world, seed):
    source, renderer = world[0], Renderer(world[0])
    parts, values, templates, order = one_drawn(source, seed)
    told = renderer.biography(parts, values, templates, order)
    assert told.text == biography(source, parts, values, templates, order)
    assert told.text == " ".join(told.text.split())
    assert "{" not in told.text
    name = full_name(source, parts)
    assert renderer.name(parts) == name
    assert [told.text[begin:end] for begin, end in told.name_spans] == [name] * 6
    assert [told.text[begin:end] for begin, end in told.value_spans] == [
        value_text(source, a, values[a]) for a in order
    ]
    ends = [end for pair in zip(told.name_spans, told.value_spans, strict=True) for span in pair for end in span]
    assert ends == sorted(ends)


@given(seed=st.integers(0, 10**6))
def test_tokens_of_the_pieces_are_the_tokens_of_the_text(world, seed):
    source, tokenizer = world
    parts, values, templates, order = one_drawn(source, seed)
    lines = [source.templates[attribute] for attribute in source.templates]
    ids = []
    for a in order:
        template = lines[a][templates[a]]
        value = value_text(source, a, values[a])
        for piece in (template.head, f" {full_name(source, parts)}", template.middle, f" {value}", template.tail):
            ids += encode_piece(tokenizer, piece)
    assert encode(tokenizer, Renderer(source).biography(parts, values, templates, order).text) == ids


@given(seed=st.integers(0, 10**6))
def test_a_biography_is_one_token_for_each_word_and_decodes_to_itself(world, seed):
    source, tokenizer = world
    text = Renderer(source).biography(*one_drawn(source, seed)).text
    ids = encode(tokenizer, text)
    assert [tokenizer.decode([token]) for token in ids] == words(f" {text}")
    assert tokenizer.decode(ids) == f" {text}"


AWKWARD = ["", " ", "  ", " a", "   a  b ", "\n", "\ta", "a\r\n b", "\u00a0", "\u2028x", "é", "e\u0301", "日本",
           "👩\u200d🚀", "\0", "don't", " .", "Mary ."]  # fmt: skip


@given(text=TEXTS | st.sampled_from(AWKWARD))
def test_any_text_decodes_to_itself_after_bos_and_a_space(world, text):
    """One that begins with a space has it already."""
    _, tokenizer = world
    ids = tokenizer(text).input_ids
    text = text if text.startswith(" ") or not text else f" {text}"
    assert ids == [tokenizer.bos_token_id, *encode(tokenizer, text)]
    assert not {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id} & set(ids[1:])
    assert tokenizer.decode(ids, skip_special_tokens=True) == tokenizer.decode(ids[1:]) == text


@given(text=TEXTS)
def test_isolated_words_are_those_of_the_same_pattern_elsewhere(text):
    assert "".join(split_words(text)) == text
    plain = "".join(c for c in text if c.isascii())
    assert split_words(plain) == [word for word in words(plain) if word]


def test_every_word_of_lists_and_templates_is_one_token_of_its_own(world):
    source, tokenizer = world
    found = {word for piece in source.pieces() for word in words(piece)}
    found |= {word for entries in source.word_lists.lists.values() for e in entries for word in words(f" {e}")}
    assert len(found) > 100
    tokens = {word: encode_piece(tokenizer, word) for word in found}
    assert {word for word, ids in tokens.items() if len(ids) != 1} == set()
    assert len({ids[0] for ids in tokens.values()}) == len(found)


@pytest.mark.parametrize(
    "text", ["Xqzwv", "Mary Xqzwv Smith lives in Örebroköping.", "born on 31 February 12345", "Mary-Ann"]
)
def test_unknown_words_are_encoded_in_pieces_and_decoded_exactly(tokenizer, text):
    ids = encode(tokenizer, text)
    assert len(ids) > len(text.split())
    assert tokenizer.decode(ids) == f" {text}"
    around = encode(tokenizer, f"born {text} born")
    assert around[0] == around[-1] == encode(tokenizer, "born")[0]


def test_the_vocabulary_has_three_special_tokens_and_no_unknown_one_each_time(source, tokenizer):
    assert SPECIAL_TOKENS == ["<pad>", "<bos>", "<eos>"]
    assert (tokenizer.pad_token, tokenizer.bos_token, tokenizer.eos_token) == ("<pad>", "<bos>", "<eos>")
    assert tokenizer.unk_token is None
    assert tokenizer.backend_tokenizer.model.unk_token is None
    assert sorted(tokenizer.all_special_ids) == [0, 1, 2]
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
    again = train_tokenizer(iter(source.pieces()))
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
    batch = again(["born in the", "born"], padding=True)  # its own, because padding once leaves a setting behind
    assert batch.input_ids[1] == [0, 0, *batch.input_ids[0][:2]]
    assert batch.attention_mask == [[1, 1, 1, 1], [0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("world", "digest"),
    [
        (None, "ad62b4932f6095070613aa308c933670356b9c662d3f477d7c590bd8f9f168fa"),
        ("minerals", "503093da9ec264b0dbc82f43011a392b0ffccc7e70341420d9c80b6ef373e137"),
    ],
)
def test_vocabulary_and_ids_of_bundled_texts_are_what_they_were(world, digest):
    """Made by the first version: models that are published go on to fit."""
    texts = {f"{kind}_dir": str(PACKAGE / "worlds" / world / kind) for kind in ("values", "templates") if world}
    source = Source.build(DataSettings(10, 5, 5, 3, **texts))
    tokenizer = train_tokenizer(source.pieces())
    ids = tokenizer([piece.removeprefix(" ") for piece in source.pieces()]).input_ids
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    assert hashlib.sha256(json.dumps([model, ids], sort_keys=True).encode()).hexdigest() == digest


def test_a_saved_tokenizer_gives_the_same_ids_and_texts(world, tmp_path):
    source, tokenizer = world
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    texts = [Renderer(source).biography(*one_drawn(source, seed)).text for seed in range(20)]
    texts += ["", "  two spaces", "Xqzwv 👩\u200d🚀", "a , b . c 's"]
    ids = tokenizer(texts).input_ids
    assert loaded(texts).input_ids == ids
    assert loaded.batch_decode(ids, skip_special_tokens=True) == [
        text if text.startswith(" ") or not text else f" {text}" for text in texts
    ]
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert (loaded.pad_token_id, loaded.bos_token_id, loaded.eos_token_id) == (0, 1, 2)
