"""Tokenizing pieces of texts as they are tokenized inside a text, with the tokenizer of any model."""

from collections.abc import Iterable

from transformers import PreTrainedTokenizerFast

from command_line import UserError

# Stands before a piece while it is tokenized, so that the tokenizer does not take it for the beginning of a text.
_ANCHOR = "a"
_SPACES = " \t\n\r▁ĠĊĉč"  # as vocabularies write them: SentencePiece's, and those of bytes


class Encoder:
    """A fast tokenizer, for texts and for pieces of them.

    Attributes:
        begin, end: ids before each text and after it: what the tokenizer puts there, and its `eos_token`.

    Args:
        tokenizer: of this project or of any other model.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self._backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        self._backend.no_padding()  # what an earlier call may have left behind
        self._backend.no_truncation()
        self._special = set(tokenizer.all_special_tokens)
        self._unknown = tokenizer.unk_token_id
        self._anchor = self._ids(_ANCHOR)
        around = self._backend.encode(_ANCHOR).ids
        where = next((i for i in range(len(around)) if around[i:][: len(self._anchor)] == self._anchor), 0)
        self.begin, self.end = around[:where], around[where + len(self._anchor) :]
        if tokenizer.eos_token_id not in (None, *self.end):
            self.end = [*self.end, tokenizer.eos_token_id]
        self.inexact: str | None = None  # the first reason that was met why pieces are not tokens of their own

    def texts(self, texts: list[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Ids of whole texts, without `begin` and `end`, and the characters of each token."""
        return [(e.ids, e.offsets) for e in self._backend.encode_batch(texts, add_special_tokens=False)]

    def pieces(self, pieces: Iterable[str]) -> list[list[int]]:
        """Ids of pieces inside a text, each with the space before it, if there is one.

        Raises:
            UserError: a piece that this tokenizer cannot tell from others.
        """
        pieces, skip = list(pieces), len(self._anchor)
        encoded = self._backend.encode_batch([_ANCHOR + piece for piece in pieces], add_special_tokens=False)
        found = []
        for piece, ids in zip(pieces, (e.ids for e in encoded), strict=True):
            if ids[:skip] != self._anchor:
                self.inexact = self.inexact or f"'{piece.strip()}' merges with what stands before it"
            self._check(piece, ids)
            found.append(ids[skip:])
        return found

    def beginnings(self, pieces: Iterable[str]) -> list[list[int]]:
        """Ids of pieces at the beginning of a text, where no space is before them."""
        return [ids for ids, _ in self.texts([piece.removeprefix(" ") for piece in pieces])]

    def goes_together(self, lefts: set[str], rights: set[str]) -> None:
        """Note in `inexact` if words have other tokens where one of some endings (`.`, `'s`) follows them at once."""
        endings = dict(zip(rights, self.pieces(rights), strict=True))
        for right, of_right in endings.items():
            words = sorted(lefts)
            alone, together = self.pieces(f" {word}" for word in words), self.pieces(f" {w}{right}" for w in words)
            for word, apart, ids in zip(words, alone, together, strict=True):
                if ids != apart + of_right:
                    self.inexact = self.inexact or f"'{word}' and '{right}' merge"
                    return

    def note_spaces(self) -> None:
        """Note in `inexact` if a token reaches over a space into the next word."""
        for token in self._backend.get_vocab(with_added_tokens=False):
            word = token.lstrip(_SPACES)
            if any(space in word for space in _SPACES):
                self.inexact = self.inexact or f"the token '{token}' reaches over a space"
                return

    def losses(self, texts: Iterable[str]) -> str | None:
        """The first text that the tokenizer reads as another one, and how; None if it reads all as they are."""
        normalizer, texts = self._backend.normalizer, list(texts)
        for text, (_, offsets) in zip(texts, self.texts(texts), strict=True):
            kept = {place for begin, end in offsets for place in range(begin, end)}
            # What its pre-tokenizer drops is in no token; what its normalizer makes of a text is in all of them.
            read = "".join(letter for place, letter in enumerate(text) if letter.isspace() or place in kept)
            if read == text and normalizer:
                read = normalizer.normalize_str(text).replace("▁", " ")
            if read.split() != text.split():
                return f"'{text.strip()}' as '{' '.join(read.split())}'"
        return None

    def _ids(self, text: str) -> list[int]:
        return self._backend.encode(text, add_special_tokens=False).ids

    def _check(self, piece: str, ids: list[int]) -> None:
        if special := next((token for token in self._special if token in piece), None):
            raise UserError(
                f"{special} is a token of its own for this model and cannot be in a text: '{piece.strip()}'"
            )
        if self._unknown is not None and self._unknown in ids:
            raise UserError(
                f"the model's tokenizer has no tokens for '{piece.strip()}', so nothing could be learned of it"
            )
