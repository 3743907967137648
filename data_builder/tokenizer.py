"""The custom tokenizer: one token for each word of the word lists and templates.

Names and values never merge with what surrounds them (paper, Sec. 1 and App. B: placeholders are
filled after tokenization), because words, numbers and punctuation marks are isolated before the
byte-level BPE sees them. A text is read as if a space preceded it, if none does, so that a name is
the same token at the start of a text and inside it. Decoding keeps that space: what a model writes
goes on after a prompt, and stock generation decodes it alone.
"""

import json
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ["<pad>", "<bos>", "<eos>"]
# Room for pieces of words that are not in the lists (a user's own people, later).
N_SUBWORDS = 512

# Marks belong to words: vowel signs of Hindi, Tamil or Thai, accents that no letter is composed with. So do joiners
# (U+200C, U+200D) after a letter or mark, as in Persian and Malayalam; elsewhere they join symbols, not letters.
_LETTERS = r"[\p{L}\p{M}][\p{L}\p{M}\x{200C}\x{200D}]*"
_ISOLATE = pre_tokenizers.Split(Regex(rf" ?{_LETTERS}| ?\p{{N}}+| ?[^\s\p{{L}}\p{{M}}\p{{N}}]|\s"), "isolated")
# Before a text, unless one is there already.
_SPACE_BEFORE = normalizers.Sequence([normalizers.Prepend(" "), normalizers.Replace(Regex(r"\A  "), " ")])
_BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def split_words(text: str) -> list[str]:
    """The units that never merge: words and numbers with the space before them, punctuation marks."""
    return [word for word, _ in _ISOLATE.pre_tokenize_str(text)]


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train the tokenizer on the entries of word lists and the words of templates.

    Args:
        texts: entries and pieces of sentences, each with its leading space.

    Returns:
        A stock fast tokenizer. `<bos>` is put before each text; `<eos>` is not (a prompt goes on). A decoded text
        begins with the space of its first word.
    """
    texts = list(texts)
    words = sorted({word for text in texts for word in split_words(text)})
    tokenizer = Tokenizer(_subword_model(texts, words))
    tokenizer.normalizer = _SPACE_BEFORE
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([_ISOLATE, _BYTES])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        padding_side="left",  # so that the continuations of a batch of prompts begin where the prompts end
        clean_up_tokenization_spaces=False,
    )


def _subword_model(texts: list[str], words: list[str]) -> models.BPE:
    """BPE with few merges for unknown words, and each known word whole (`ignore_merges` finds it first)."""
    trainer = BpeTrainer(
        vocab_size=len(SPECIAL_TOKENS) + 256 + N_SUBWORDS,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([_ISOLATE, _BYTES])
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = tokenizer.get_vocab()
    for word in words:
        vocabulary.setdefault(_BYTES.pre_tokenize_str(word)[0][0], len(vocabulary))
    merges = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    return models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True)
