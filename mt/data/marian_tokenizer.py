"""Marian's tokenizers as Hugging Face keeps them: two SentencePiece models, and a vocabulary of its own for the ids.

Their ids are put into our order: padding, which is what their decoder begins with, becomes 0, the end of the sentence
2, the unknown piece 3, and all others follow in theirs.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import sentencepiece

from mt.data.sampled_encoding import sampled_encoding
from mt.data.tokenizer import EOS, PAD, UNK
from mt.errors import UserError
from mt.files import parse_json

PADDING, END, UNKNOWN = "<pad>", "</s>", "<unk>"


def order(vocabulary: Mapping[str, int]) -> np.ndarray:
    """Their id of each of ours, int [vocab]: what is indexed by it comes into our order."""
    fixed = {PAD: vocabulary[PADDING], EOS: vocabulary[END], UNK: vocabulary[UNKNOWN]}
    others = iter(sorted(set(range(len(vocabulary))) - set(fixed.values())))
    return np.array([fixed[number] if number in fixed else next(others) for number in range(len(vocabulary))])


def read_vocabulary(content: bytes, origin: str) -> dict[str, int]:
    """A vocabulary from its JSON, pieces to ids.

    Raises:
        UserError: it is none, or without the pieces that every one of Marian's has; `origin` is what it says it is of.
    """
    try:
        vocabulary = parse_json(content)
        complete = isinstance(vocabulary, dict) and sorted(vocabulary.values()) == list(range(len(vocabulary)))
    except (ValueError, TypeError):
        complete = False
    if not complete:
        raise UserError(f"{origin}: not a vocabulary of pieces with ids from 0 on, or damaged; put back the right file")
    if missing := [piece for piece in (PADDING, END, UNKNOWN) if piece not in vocabulary]:
        raise UserError(f"{origin}: has no {', '.join(missing)}, so it is no vocabulary of Marian's")
    return vocabulary


class MarianTokenizer:
    """One language's SentencePiece model, with the ids of a vocabulary. Thread-safe."""

    def __init__(self, model: bytes, vocabulary: Mapping[str, int], origin: str):
        """Args:
        model: the bytes of a SentencePiece model file.
        vocabulary: pieces to their ids; see `read_vocabulary`.
        origin: where the model came from, for error messages.

        Raises:
            UserError: it is no SentencePiece model.
        """
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            self._processor.id_to_piece(list(range(len(self._processor))))  # each must be text
        except (RuntimeError, UnicodeDecodeError):
            raise UserError(f"{origin} is not a SentencePiece model, or is damaged: put back the right file") from None
        theirs = {number: piece for piece, number in vocabulary.items()}
        self._pieces = [theirs[number] for number in order(vocabulary).tolist()]
        self._ids = {piece: number for number, piece in enumerate(self._pieces)}

    def __len__(self) -> int:
        """How many pieces there are."""
        return len(self._pieces)

    @functools.cached_property
    def symbols(self) -> frozenset[int]:
        """The ids of languages' codes."""
        return frozenset(number for piece, number in self._ids.items() if re.fullmatch(r">>\S+<<", piece))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text as ids, ended by eos. A text may begin with the code of a language, >>fra<<, which is one piece."""
        codes, rest = self._codes(texts)
        return self._join(codes, self._processor.encode(rest, out_type=str))

    def sample(self, tokens: Sequence[Sequence[int]], strength: float, seed: int) -> list[list[int]]:
        """Sentences as ids, eos included, each cut anew; see `subword_sampling.SubwordSamplingConfig`."""
        codes, rest = self._codes(self.decode(tokens))
        sampled = self._join(codes, sampled_encoding(self._processor, rest, strength, seed, str))
        # What an unknown piece stood for is not to be had from its id, and the vocabulary need not have all pieces.
        return [list(old) if UNK in old or UNK in new else new for old, new in zip(tokens, sampled)]

    def _codes(self, texts: Sequence[str]) -> tuple[list[tuple[str, ...]], list[str]]:
        """Each text's language code, if it begins with one of the vocabulary's, and the rest of each."""
        found = [self._code(text) for text in texts]
        return [code for code, _ in found], [rest for _, rest in found]

    def _join(self, codes: list[tuple[str, ...]], encoded: list[list[str]]) -> list[list[int]]:
        return [
            [self._ids.get(piece, UNK) for piece in (*code, *pieces)] + [EOS] for code, pieces in zip(codes, encoded)
        ]

    def _code(self, text: str) -> tuple[tuple[str, ...], str]:
        end = text.find("<<") + 2 if text.startswith(">>") else 0
        return ((text[:end],), text[end:]) if text[:end] in self._ids else ((), text)

    def decode(self, tokens: Iterable[Sequence[int]]) -> list[str]:
        """Ids as text; special pieces give nothing."""
        special = (PAD, EOS, UNK)
        return self._processor.decode(
            [[self._pieces[token] for token in ids if token not in special] for ids in tokens]
        )

    def pieces(self, tokens: Iterable[int]) -> list[str]:
        """The written form of each id."""
        return [self._pieces[int(token)] for token in tokens]
