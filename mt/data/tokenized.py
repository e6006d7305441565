"""A corpus as token ids on disk: filtered, memory-mapped, and kept under a hash of all that made it."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from mt.checksums import crc32_of_file
from mt.data.datasets import Languages, fingerprint, read_pairs
from mt.data.text import batched
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError
from mt.files import atomic_folder, parse_json, write_json

_FORMAT = 3
_CHUNK = 8192
_NAMES = ("source", "target")
_COUNTS = "counts.json"
_DOCUMENTS = "documents.npy"
Pairs: TypeAlias = Iterable[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class FilterConfig:
    """Which training pairs are left out. How many, and for which reason, is printed; what is kept is kept whole.

    Attributes:
        max_length: the most tokens either side may have, its end-of-sentence included; 0 is as many as fit a batch row.
        max_ratio: the most tokens one side may have for each token of the other, ends included.
        duplicates: whether a pair that has stood before, letter for letter, is left out.
    """

    max_length: int = 0
    max_ratio: float = 4.0
    duplicates: Literal["drop", "keep"] = "drop"

    def __post_init__(self):
        if self.max_length < 0:
            raise UserError(f"data.filter.max_length: {self.max_length} is negative; 0 means as many as fit")
        if not self.max_ratio >= 1:
            raise UserError(f"data.filter.max_ratio: {self.max_ratio} is not a number from 1 on; no pair could meet it")


class Side(NamedTuple):
    """One language of a corpus.

    Attributes:
        tokens: the ids of all sentences, one after the other, each ended by eos; uint16 or int32.
        starts: int64 [pairs], where each sentence begins.
        lengths: int32 [pairs], its tokens, eos included.
    """

    tokens: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


class TokenizedCorpus(NamedTuple):
    """Aligned sentences as ids.

    Attributes:
        source: of the language that is translated; sentences of no token where there is none.
        target: of the language that it is translated into.
        counts: of what was read and left out.
        start: the id that a decoder reads before the first of a target.
        documents: int32 [pairs], the number of the document that each is in, ascending; None where pairs are in no
            order.
    """

    source: Side
    target: Side
    counts: dict[str, int]
    start: int
    documents: np.ndarray | None = None

    def __len__(self) -> int:  # type: ignore[override]
        return len(self.source.starts)


def default_cache() -> pathlib.Path:
    """$MT_CACHE, or `mt` in the user's cache folder."""
    if "MT_CACHE" in os.environ:
        return pathlib.Path(os.environ["MT_CACHE"])
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mt"


def tokenized_corpus(
    corpus: str,
    split: str,
    languages: Languages,
    tokenizers: Tokenizers,
    filters: FilterConfig | None,
    cache: pathlib.Path,
    progress: Callable[[Pairs], Pairs] = lambda pairs: pairs,
) -> TokenizedCorpus:
    """Tokenises a corpus, or finds it tokenised.

    Args:
        corpus: see `datasets.read_pairs`.
        split: "train", "dev" or "test".
        languages: the direction.
        tokenizers: of both sides.
        filters: what to leave out, with `max_length` resolved; None keeps every pair.
        cache: folder of tokenised corpora.
        progress: wraps the pairs as they are read.

    Raises:
        UserError: the corpus cannot be read, or no pair of it is left.
    """
    made_of = {
        "format": _FORMAT,
        "corpus": fingerprint(corpus, split, languages),
        "languages": languages.both,
        "tokenizer": tokenizers.sha256,
        "filters": filters and dataclasses.asdict(filters),
    }
    folder = cache / "tokenized" / hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:24]
    if folder.is_dir() and not _is_whole(folder):
        print(f"{folder}: damaged; {corpus} is tokenised anew", file=sys.stderr)
        aside = folder.with_name(f".{folder.name}.{os.getpid()}")  # another process may be about to do the same
        with contextlib.suppress(FileNotFoundError):
            folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    if not folder.is_dir():
        with atomic_folder(folder, or_another=True) as temporary:
            pairs = progress(read_pairs(corpus, split, languages))
            _write(temporary, pairs, tokenizers, filters, sourceless=not languages.source)
            write_json(temporary / "made_of.json", made_of)
    found = _read(folder, tokenizers.start)
    if not len(found):
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.counts.items())
        raise UserError(f"corpus {corpus!r} has no {split} pair to use ({reasons}); check the files and the filters")
    return found


def gather(corpora: Sequence[TokenizedCorpus], corpus: np.ndarray, index: np.ndarray, name: str) -> list[np.ndarray]:
    """One side ("source" or "target") of some pairs, given by the corpus of each and its index there."""
    sides = [getattr(each, name) for each in corpora]
    return [
        sides[which].tokens[sides[which].starts[place] : sides[which].starts[place] + sides[which].lengths[place]]
        for which, place in zip(corpus, index)
    ]


def pack(sentences: Sequence[np.ndarray]) -> Side:
    """Sentences as one side of a corpus."""
    lengths = np.fromiter(map(len, sentences), np.int32, len(sentences))
    return Side(np.concatenate(sentences), np.cumsum(lengths, dtype=np.int64) - lengths, lengths)


def _write(
    folder: pathlib.Path, pairs: Pairs, tokenizers: Tokenizers, filters: FilterConfig | None, sourceless: bool
) -> None:
    counts = {"read": 0, "empty": 0, "too long": 0, "badly proportioned": 0, "duplicate": 0}
    vocab = max(len(tokenizers.source), len(tokenizers.target))
    dtype = np.uint16 if vocab <= 1 << 16 else np.int32
    hashes: list[np.ndarray] = []
    starts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    lengths: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    documents: list[np.ndarray] = []
    breaks = 0
    written = [0, 0]
    for name in _NAMES:
        (folder / f"{name}.tokens").touch()
    for chunk in batched(pairs, _CHUNK):
        tokens = [side.encode(texts) for side, texts in zip((tokenizers.source, tokenizers.target), zip(*chunk))]
        if sourceless:
            tokens[0] = [[] for _ in chunk]  # not even an end
        sizes = np.array([[len(ids) for ids in side] for side in tokens], np.int32)  # [2, chunk]
        blank = np.array([not (source.strip() or target.strip()) for source, target in chunk])
        counts["read"] += int((~blank).sum())  # what parts documents is no pair
        kept = np.ones(len(chunk), bool)
        if filters:
            longest, shortest = sizes.max(0), sizes[int(sourceless) :].min(0)
            for reason, drop in (
                ("empty", shortest < 2),
                ("too long", longest > filters.max_length),
                ("badly proportioned", longest > filters.max_ratio * shortest),
            ):
                counts[reason] += int((kept & drop & ~blank).sum())
                kept &= ~drop
            hashes.append(np.array([_hash(*pair) for pair in chunk], np.uint64)[kept])
        documents.append((breaks + np.cumsum(blank))[kept].astype(np.int32))
        breaks += int(blank.sum())
        for number, side in enumerate(tokens):
            own = sizes[number, kept]
            starts[number].append(written[number] + np.cumsum(own, dtype=np.int64) - own)
            lengths[number].append(own)
            chosen = itertools.chain.from_iterable(itertools.compress(side, kept))
            with open(folder / f"{_NAMES[number]}.tokens", "ab") as file:
                file.write(np.fromiter(chosen, dtype).tobytes())
            written[number] += int(own.sum())
    first: np.ndarray | slice = slice(None)
    if filters and filters.duplicates == "drop" and hashes:
        every = np.concatenate(hashes)
        first = np.sort(np.unique(every, return_index=True)[1])
        counts["duplicate"] = len(every) - len(first)
    for number, name in enumerate(_NAMES):
        np.save(folder / f"{name}.starts.npy", np.concatenate(starts[number] or [np.empty(0, np.int64)])[first])
        np.save(folder / f"{name}.lengths.npy", np.concatenate(lengths[number] or [np.empty(0, np.int32)])[first])
    np.save(folder / _DOCUMENTS, np.concatenate(documents or [np.empty(0, np.int32)])[first])
    described = {"counts": counts, "dtype": np.dtype(dtype).name}
    write_json(folder / _COUNTS, described | {"crc32": _sums(folder)})


def _sums(folder: pathlib.Path) -> dict[str, int]:
    """The CRC-32 of each file of tokens, starts, lengths and documents."""
    files = [path for name in _NAMES for path in sorted(folder.glob(f"{name}.*"))]
    return {path.name: crc32_of_file(path) for path in (*files, folder / _DOCUMENTS)}


def _is_whole(folder: pathlib.Path) -> bool:
    """Whether all is as it was written."""
    try:
        return parse_json((folder / _COUNTS).read_text())["crc32"] == _sums(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _read(folder: pathlib.Path, start: int) -> TokenizedCorpus:
    described: dict[str, Any] = parse_json((folder / _COUNTS).read_text())
    sides = []
    for name in _NAMES:
        path = folder / f"{name}.tokens"
        sides.append(
            Side(
                np.memmap(path, described["dtype"], "r") if path.stat().st_size else np.empty(0, described["dtype"]),
                np.load(folder / f"{name}.starts.npy", mmap_mode="r"),
                np.load(folder / f"{name}.lengths.npy", mmap_mode="r"),
            )
        )
    documents = np.load(folder / _DOCUMENTS, mmap_mode="r")
    return TokenizedCorpus(sides[0], sides[1], described["counts"], start, documents)


def _hash(source: str, target: str) -> int:
    digest = hashlib.blake2b(f"{source}\n{target}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
