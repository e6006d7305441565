"""SentencePiece (Kudo and Richardson 2018): text to ids and back, the same in training and in translation."""

import dataclasses
import functools
import hashlib
import io
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import sentencepiece

from mt.data.sampled_encoding import sampled_encoding
from mt.errors import UserError

PAD, BOS, EOS, UNK = 0, 1, 2, 3


@dataclasses.dataclass(frozen=True)
class TokenizerConfig:
    """How the vocabulary is made from the training text.

    Attributes:
        path: an existing SentencePiece model to take; empty trains one. Its pad, bos, eos and unk ids must be 0, 1, 2
            and 3.
        vocab_size: pieces, shared by both languages; 256 of them are bytes, so that no character is unknown. A corpus
            too small for so many gets fewer, and the run says so.
        kind: "unigram" (Kudo 2018) or "bpe" (Sennrich et al. 2016).
        normalization: SentencePiece's rule, "nmt_nfkc" (Unicode NFKC and plain spaces) or "identity".
        symbols: pieces that are never cut and never part of others, such as tags ("<BT>"); empty is none.
        training_lines: how many lines, spread evenly over the text, the vocabulary is learnt from.
    """

    path: str = ""
    vocab_size: int = 32_000
    kind: Literal["unigram", "bpe"] = "unigram"
    normalization: Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"] = "nmt_nfkc"
    symbols: tuple[str, ...] = ()
    training_lines: int = 5_000_000

    def __post_init__(self):
        if self.vocab_size < 300:
            raise UserError(
                f"tokenizer.vocab_size: {self.vocab_size} is too few; 256 are bytes and 4 are special, take 300 or more"
            )
        if not all(symbol and symbol == "".join(symbol.split()) and "," not in symbol for symbol in self.symbols):
            raise UserError("tokenizer.symbols: each must be some characters without space or comma")
        if self.training_lines < 1:
            raise UserError(f"tokenizer.training_lines: {self.training_lines} is not positive")


class Tokenizer:
    """A SentencePiece model. Thread-safe."""

    def __init__(self, model: bytes, origin: str = "the tokenizer"):
        """Args:
            model: the bytes of a SentencePiece model file.
            origin: where they came from, for error messages.

        Raises:
            UserError: they are no SentencePiece model, or one with other special ids.
        """
        self.model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            self._processor.id_to_piece(list(range(len(self._processor))))  # each must be text
        except (RuntimeError, UnicodeDecodeError):
            raise UserError(f"{origin} is not a SentencePiece model, or is damaged: put back the right file") from None
        found = tuple(getattr(self._processor, f"{name}_id")() for name in ("pad", "bos", "eos", "unk"))
        if found != (PAD, BOS, EOS, UNK):
            raise UserError(
                f"{origin} has its pad, bos, eos and unk pieces at {found}; they must be at {(PAD, BOS, EOS, UNK)}: "
                "train it with --pad_id=0 --bos_id=1 --eos_id=2 --unk_id=3"
            )

    @classmethod
    def load(cls, path: pathlib.Path, sha256: str | None = None) -> "Tokenizer":
        """Reads a model file, and checks its hash if one is given.

        Raises:
            UserError: the file is missing, is no SentencePiece model, or is not the one with that hash.
        """
        try:
            model = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot read the tokenizer ({error.strerror}); put back the file") from None
        tokenizer = cls(model, str(path))
        if sha256 is not None and tokenizer.sha256 != sha256:
            raise UserError(
                f"{path} is not the tokenizer that this model was trained with (SHA-256 {tokenizer.sha256[:12]}…, not "
                f"{sha256[:12]}…): put back the run's own file"
            )
        return tokenizer

    @classmethod
    def train(cls, lines: Iterable[str], config: TokenizerConfig) -> "Tokenizer":
        """Learns a vocabulary. The same lines and config give the same model.

        Raises:
            UserError: there is no text to learn from.
        """
        trained = io.BytesIO()
        options: dict[str, Any] = dict(
            model_writer=trained,
            vocab_size=config.vocab_size,
            model_type=config.kind,
            normalization_rule_name=config.normalization,
            byte_fallback=True,
            hard_vocab_limit=False,
            character_coverage=0.9995,
            user_defined_symbols=list(config.symbols),
            pad_id=PAD,
            bos_id=BOS,
            eos_id=EOS,
            unk_id=UNK,
            num_threads=4,  # the trained model depends on it in the last bit: never the machine's own number
            max_sentence_length=1 << 16,
            train_extremely_large_corpus=True,
            minloglevel=2,
        )
        try:
            sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), **options)
        except RuntimeError as error:
            raise UserError(
                f"tokenizer.vocab_size: SentencePiece cannot make {config.vocab_size} pieces of the training text "
                f"({str(error).strip().splitlines()[-1]}); give more text or fewer pieces"
            ) from None
        return cls(trained.getvalue())

    def __len__(self) -> int:
        """How many pieces there are."""
        return len(self._processor)

    @property
    def sha256(self) -> str:
        """The hash of the model file, in hexadecimal."""
        return hashlib.sha256(self.model).hexdigest()

    @functools.cached_property
    def symbols(self) -> frozenset[int]:
        """The ids of pieces that are never cut, see `TokenizerConfig`."""
        from sentencepiece import sentencepiece_model_pb2

        pieces = sentencepiece_model_pb2.ModelProto.FromString(self.model).pieces  # type: ignore[attr-defined]
        return frozenset(number for number, piece in enumerate(pieces) if piece.type == piece.USER_DEFINED)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text as ids, ended by eos."""
        return self._processor.encode(list(texts), add_eos=True)

    def sample(self, tokens: Sequence[Sequence[int]], strength: float, seed: int) -> list[list[int]]:
        """Sentences as ids, eos included, each cut anew; see `subword_sampling.SubwordSamplingConfig`."""
        sampled = sampled_encoding(self._processor, self.decode(tokens), strength, seed, int)
        # What an unknown piece stood for is not to be had from its id.
        # Nor is there an end to a piece of a line that is cut.
        same = (UNK in old or list(old[-1:]) not in ([], [EOS]) for old in tokens)
        return [list(old) if stays else [*new, EOS] for stays, old, new in zip(same, tokens, sampled)]

    def decode(self, tokens: Iterable[Sequence[int]]) -> list[str]:
        """Ids as text; special pieces give nothing, and bytes that form no character U+FFFD."""
        return self._processor.decode([list(ids) for ids in tokens])

    def pieces(self, tokens: Iterable[int]) -> list[str]:
        """The written form of each id."""
        return [self._processor.id_to_piece(int(token)) for token in tokens]
