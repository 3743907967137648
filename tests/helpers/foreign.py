"""Tokenizers and models that are not of this project, made on the spot."""

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, GPTNeoXConfig, LlamaConfig, PreTrainedTokenizerFast

_VOCABULARY = 700
SPECIAL = ["<unk>", "<s>", "</s>"]


def _bpe(**how):
    return models.BPE(**how), trainers.BpeTrainer


def _byte_level(*first, use_regex=True, **more):
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return {"model": _bpe(), "pre": pre_tokenizers.Sequence([*first, last]), "alphabet": alphabet, **more}


_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_PREPENDED = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
_PUNCTUATION = pre_tokenizers.Punctuation()


def _metaspace(scheme):
    return pre_tokenizers.Metaspace(prepend_scheme=scheme)


KINDS = {
    "byte-level BPE (GPT-2, GPT-NeoX)": _byte_level(),
    "byte-level BPE, three digits at a time (Llama 3)": _byte_level(
        pre_tokenizers.Split(Regex(_LLAMA_3), "isolated"), use_regex=False, bos=True
    ),
    "byte-level BPE, each digit alone (SmolLM)": _byte_level(pre_tokenizers.Digits(True)),
    "SentencePiece BPE, prefix space": {"model": _bpe(), "pre": pre_tokenizers.Sequence([_metaspace("first")])},
    "SentencePiece BPE, no prefix space": {
        "model": _bpe(), "pre": pre_tokenizers.Sequence([_metaspace("never"), _PUNCTUATION]), "bos": True,
    },
    "SentencePiece BPE as a normalizer (Llama 2)": {"model": _bpe(), "normalizer": _PREPENDED, "bos": True},
    "SentencePiece BPE, digits split": {
        "model": _bpe(), "pre": pre_tokenizers.Sequence([_metaspace("always"), pre_tokenizers.Digits(True)]),
    },
    "Unigram": {"model": (models.Unigram(), trainers.UnigramTrainer), "pre": _metaspace("always")},
    "Unigram, punctuation apart, ends a text itself (T5)": {
        "model": (models.Unigram(), trainers.UnigramTrainer),
        "pre": pre_tokenizers.Sequence([_metaspace("always"), _PUNCTUATION]), "eos": True,
    },
    "WordPiece": {
        "model": (models.WordPiece(unk_token="<unk>"), trainers.WordPieceTrainer),
        "pre": pre_tokenizers.BertPreTokenizer(), "bos": True, "eos": True,
    },
    "WordPiece, lower case": {
        "model": (models.WordPiece(unk_token="<unk>"), trainers.WordPieceTrainer),
        "pre": pre_tokenizers.BertPreTokenizer(), "normalizer": normalizers.BertNormalizer(),
    },
}  # fmt: skip


def foreign_tokenizer(kind, texts):
    """A stock fast tokenizer of a kind, trained on texts."""
    how = KINDS[kind]
    model, trainer = how["model"]
    tokenizer = Tokenizer(type(model)(**({"unk_token": "<unk>"} if isinstance(model, models.WordPiece) else {})))
    if "normalizer" in how:
        tokenizer.normalizer = how["normalizer"]
    if "pre" in how:
        tokenizer.pre_tokenizer = how["pre"]
    named = {"unk_token": "<unk>"} if isinstance(model, models.Unigram) else {}
    alphabet = how.get("alphabet", sorted({letter for text in texts for letter in text + "a"}))
    tokenizer.train_from_iterator(
        texts,
        trainer(
            vocab_size=_VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False, **named
        ),
    )
    tokenizer.decoder = decoders.ByteLevel() if "alphabet" in how else decoders.Metaspace()
    begin, end = ("<s> " if how.get("bos") else ""), (" </s>" if how.get("eos") else "")
    if begin or end:
        ids = [(token, tokenizer.token_to_id(token)) for token in SPECIAL]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin}$A{end}", special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>" if begin else None, eos_token="</s>"
    )


def foreign_model(path, tokenizer, family="llama", seed=0, n_positions=256):
    """A small stock model with its tokenizer, as anybody might have saved it."""
    shared = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": n_positions, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    config = {"llama": LlamaConfig, "gpt_neox": GPTNeoXConfig}[family](**shared)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
