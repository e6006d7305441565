"""A tokenizer that Hugging Face's library `tokenizers` describes, such as BERT's WordPiece and GPT-2's bytes.

Their ids are put into our order: padding becomes 0, what a text begins with 1, its end 2, the unknown piece 3, and all
others follow in theirs. What they do not have is a piece of ours alone.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mt.data.tokenizer import BOS, EOS, PAD
from mt.errors import UserError
from mt.files import parse_json

# What they call padding, beginning, end and unknown, in our order; the first that is there.
_SPECIAL = (("[PAD]", "<pad>"), ("[CLS]", "<s>"), ("[SEP]", "</s>", "<|endoftext|>"), ("[UNK]", "<unk>"))
_OURS = ("<pad>", "<s>", "</s>", "<unk>")
_SPACE = "\u2581"


class HuggingFaceTokenizer:
    """One vocabulary, as tokenizer.json has it. Thread-safe."""

    def __init__(self, content: bytes, origin: str, begins: bool):
        """Args:
        content: of tokenizer.json.
        origin: where it came from, for error messages.
        begins: whether texts begin with BERT's [CLS], if the vocabulary has it.

        Raises:
            UserError: it is none, or the library is not installed.
        """
        try:
            import tokenizers
        except ImportError:
            raise UserError(f"{origin}: needs the package tokenizers; pip install 'mt[huggingface]'") from None
        try:
            self._tokenizer: Any = tokenizers.Tokenizer.from_str(content.decode("utf-8"))
            self._form = parse_json(content)
            vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
            complete = sorted(vocabulary.values()) == list(range(len(vocabulary)))
        except Exception:  # whatever that library may raise
            complete = False
        if not complete:
            raise UserError(f"{origin}: not a tokenizer of Hugging Face's, or damaged; put back the right file")
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        special = [next((vocabulary[name] for name in names if name in vocabulary), -1) for names in _SPECIAL]
        if special[EOS] < 0:
            raise UserError(f"{origin}: has no piece that ends a text ({', '.join(_SPECIAL[EOS])})")
        self._theirs = np.array([*special, *sorted(set(range(len(vocabulary))) - set(special))])
        self._ours = {int(theirs): ours for ours, theirs in enumerate(self._theirs) if theirs >= 0}
        self._begins = begins and special[BOS] >= 0
        names = {number: piece for piece, number in vocabulary.items()}
        self._pieces = [
            self._written(names[number]) if number >= 0 else _OURS[place]
            for place, number in enumerate(self._theirs.tolist())
        ]

    @property
    def order(self) -> np.ndarray:
        """Their id of each of ours, int [vocab]; -1 of those that are ours alone."""
        return self._theirs

    def __len__(self) -> int:
        """How many pieces there are."""
        return len(self._theirs)

    @property
    def symbols(self) -> frozenset[int]:
        """The ids of special pieces."""
        added = {token["id"] for token in self._form.get("added_tokens", [])}
        return frozenset(self._ours[number] for number in added if number in self._ours)

    def _written(self, piece: str) -> str:
        """A piece as SentencePiece would write it: a word's first begins with a mark."""
        kind = self._form["model"].get("type")
        if re.fullmatch(r"\[[A-Z]+\d*\]|<\S+>", piece):
            return piece
        if kind == "WordPiece":
            prefix = self._form["model"].get("continuing_subword_prefix", "##")
            return piece.removeprefix(prefix) if piece.startswith(prefix) else _SPACE + piece
        return piece.replace("\u0120", _SPACE)  # GPT-2's space

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text as ids, ended by eos."""
        found = self._tokenizer.encode_batch([str(text) for text in texts], add_special_tokens=False)
        first = [BOS] * self._begins
        return [[*first, *(self._ours[number] for number in each.ids), EOS] for each in found]

    def sample(self, tokens: Sequence[Sequence[int]], strength: float, seed: int) -> list[list[int]]:
        """Raises UserError: these tokenizers know one way alone to cut a text."""
        raise UserError("data.sampling: these tokenizers know one way alone to cut a text; set it to 0")

    def decode(self, tokens: Iterable[Sequence[int]]) -> list[str]:
        """Ids as text; special pieces give nothing."""
        special = (PAD, BOS, EOS)
        return self._tokenizer.decode_batch(
            [[int(self._theirs[token]) for token in ids if token not in special] for ids in tokens]
        )

    def pieces(self, tokens: Iterable[int]) -> list[str]:
        """The written form of each id."""
        return [self._pieces[int(token)] for token in tokens]


def from_files(files: dict[str, bytes], lower_case: bool) -> bytes | None:
    """The tokenizer.json of what older folders have: BERT's vocab.txt, or GPT-2's vocab.json and merges.txt.

    Args:
        files: of the folder, by name.
        lower_case: whether BERT's text is.

    Returns:
        None where there is nothing to make it of.
    """
    if "tokenizer.json" in files:
        return files["tokenizer.json"]
    import tokenizers

    if "vocab.txt" in files:
        pieces = files["vocab.txt"].decode("utf-8").split("\n")
        vocabulary = {piece.rstrip("\r"): number for number, piece in enumerate(pieces) if piece}
        made: Any = tokenizers.BertWordPieceTokenizer(vocabulary, lowercase=lower_case)
    elif {"vocab.json", "merges.txt"} <= files.keys():
        lines = files["merges.txt"].decode("utf-8").splitlines()
        merges = [tuple(line.split()) for line in lines if line.strip() and not line.startswith("#version")]
        made = tokenizers.ByteLevelBPETokenizer(parse_json(files["vocab.json"]), merges)
    else:
        return None
    return made.to_str().encode()
