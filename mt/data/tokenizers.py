"""The two sides' tokenizers: one for both, Marian's, or Hugging Face's. They travel as files with every model."""

import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from mt.data.huggingface_tokenizer import HuggingFaceTokenizer
from mt.data.marian_tokenizer import MarianTokenizer, read_vocabulary
from mt.data.tokenizer import BOS, PAD, Tokenizer
from mt.errors import UserError
from mt.files import write_atomically

SHARED, JSON = "tokenizer.model", "tokenizer.json"
SOURCE, TARGET, VOCABULARY, TARGET_VOCABULARY = "source.spm", "target.spm", "vocab.json", "target_vocab.json"
NAMES = (SHARED, JSON, SOURCE, TARGET, VOCABULARY, TARGET_VOCABULARY)


class Side(Protocol):
    """One language's tokenizer."""

    def __len__(self) -> int:
        """How many pieces there are."""
        ...

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text as ids, ended by eos."""
        ...

    def sample(self, tokens: Sequence[Sequence[int]], strength: float, seed: int) -> list[list[int]]:
        """Sentences as ids, eos included, each cut anew; see `subword_sampling.SubwordSamplingConfig`."""
        ...

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Ids as text."""
        ...

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """The written form of each id."""
        ...


class Tokenizers(NamedTuple):
    """What makes text ids on either side.

    Attributes:
        source: of the language that is translated.
        target: of the language that it is translated into.
        start: the id that the decoder begins with.
        files: what they are made of, by name.
    """

    source: Side
    target: Side
    start: int
    files: Mapping[str, bytes]

    @classmethod
    def shared(cls, tokenizer: Tokenizer) -> "Tokenizers":
        """One tokenizer for both sides."""
        return cls(tokenizer, tokenizer, BOS, {SHARED: tokenizer.model})

    @classmethod
    def of_files(cls, files: Mapping[str, bytes], origin: pathlib.Path) -> "Tokenizers":
        """Those that are made of these files, by name.

        Raises:
            UserError: one of them is missing or no tokenizer; `origin` is the folder that it names.
        """
        if SHARED in files:
            return cls.shared(Tokenizer(files[SHARED], str(origin / SHARED)))
        if JSON in files:
            sides = [HuggingFaceTokenizer(files[JSON], str(origin / JSON), begins) for begins in (True, False)]
            return cls(sides[0], sides[1], BOS, {JSON: files[JSON]})
        if missing := [name for name in (SOURCE, TARGET, VOCABULARY) if name not in files]:
            raise UserError(f"{origin / missing[0]}: cannot read the tokenizer (no such file); put back the file")
        names = [VOCABULARY, TARGET_VOCABULARY if TARGET_VOCABULARY in files else VOCABULARY]
        vocabularies = [read_vocabulary(files[name], str(origin / name)) for name in names]
        marians = [
            MarianTokenizer(files[name], vocabulary, str(origin / name))
            for name, vocabulary in zip((SOURCE, TARGET), vocabularies)
        ]
        return cls(marians[0], marians[1], PAD, files)

    @classmethod
    def load(cls, folder: pathlib.Path, sha256: str | None = None) -> "Tokenizers":
        """Reads a model's tokenizers, and checks their hash if one is given.

        Raises:
            UserError: a file is missing, is no tokenizer, or is not the one with that hash.
        """
        found = [name for name in NAMES if (folder / name).is_file()]
        if not found:
            raise UserError(f"{folder / SHARED}: cannot read the tokenizer (no such file); put back the file")
        tokenizers = cls.of_files({name: (folder / name).read_bytes() for name in found}, folder)
        if sha256 is not None and tokenizers.sha256 != sha256:
            where = ", ".join(str(folder / name) for name in found)
            raise UserError(
                f"{where}: not the tokenizer that this model was trained with (SHA-256 {tokenizers.sha256[:12]}…, not "
                f"{sha256[:12]}…): put back the run's own file"
            )
        return tokenizers

    def save(self, folder: pathlib.Path) -> None:
        """Writes the files."""
        for name, content in self.files.items():
            write_atomically(folder / name, content)

    @property
    def sha256(self) -> str:
        """The hash of the one file, or of the names and hashes of several, in hexadecimal."""
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())}
        if len(hashes) == 1:
            return next(iter(hashes.values()))
        return hashlib.sha256(repr(hashes).encode()).hexdigest()
