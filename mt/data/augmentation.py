"""Training pairs as people write them, beside how they stand in a corpus of clean sentences."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mt.data.tokenized import TokenizedCorpus, gather, pack
from mt.data.tokenizer import UNK
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError

_END, _INNER = re.compile(r"\s*[.!?…]+$"), re.compile(r"[,;:]")


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """Which training pairs are changed whenever they are seen, others each time. Dev and test sets stay as they are,
    and so does what would not fit a batch's row otherwise.

    Attributes:
        joined: share of the pairs that are added to the pair before them, so that they are one (Kondo et al. 2021):
            otherwise a model that was trained on single sentences translates a paragraph's first and forgets the rest.
        informal: share of the pairs whose source loses its capitals, its punctuation, or both, and whose target does
            not.
        capitals: share of the pairs that are written in capitals, on both sides.
    """

    joined: float = 0.0
    informal: float = 0.0
    capitals: float = 0.0

    def __post_init__(self):
        for field in ("joined", "informal", "capitals"):
            if not 0 <= getattr(self, field) < 1:
                raise UserError(f"data.augmentation.{field}: {getattr(self, field)} is not in [0, 1)")
        if self.informal + self.capitals >= 1:
            raise UserError("data.augmentation: informal and capitals leave no pair as it is; lower them")


def augment(
    corpora: Sequence[TokenizedCorpus],
    corpus: np.ndarray,
    index: np.ndarray,
    tokenizers: Tokenizers,
    config: AugmentationConfig,
    longest: int,
    seed: Sequence[int],
) -> TokenizedCorpus:
    """Some pairs, a share of them changed.

    Args:
        corpora: where the pairs are.
        corpus: int [pairs], the corpus of each.
        index: int [pairs], its index there.
        tokenizers: of both sides.
        config: which, and how.
        longest: the most tokens a sentence may have.
        seed: what the result is a function of, beside the pairs.

    Returns:
        The pairs in their order; fewer, where some were joined.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed))
    sides = [gather(corpora, corpus, index, name) for name in ("source", "target")]
    drawn, kinds, joins = (random.random(len(index)) for _ in range(3))
    informal = np.flatnonzero(drawn < config.informal)
    capitals = np.flatnonzero((config.informal <= drawn) & (drawn < config.informal + config.capitals))
    _rewrite(sides[:1], informal, [_informal(3 * kind) for kind in kinds[informal]], [tokenizers.source], longest)
    _rewrite(sides, capitals, [str.upper] * len(capitals), [tokenizers.source, tokenizers.target], longest)
    joined: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    last = -1
    for number, (own, *pair) in enumerate(zip(corpus, *sides)):
        follows = joins[number] < config.joined and own == last
        if follows and all(len(side[-1]) - 1 + len(each) <= longest for side, each in zip(joined, pair)):
            for side, each in zip(joined, pair):
                side[-1] = np.concatenate([side[-1][:-1], each])
        else:
            for side, each in zip(joined, pair):
                side.append(each)
        last = own
    return TokenizedCorpus(pack(joined[0]), pack(joined[1]), {}, corpora[0].start)


def _informal(kind: float) -> Callable[[str], str]:
    """One of three ways to write a text with less care; `kind` is in [0, 3)."""
    if kind < 1:
        return str.lower
    if kind < 2:
        return lambda text: _END.sub("", text)
    return lambda text: _INNER.sub("", _END.sub("", text)).lower()


def _rewrite(
    sides: list[list[np.ndarray]],
    chosen: np.ndarray,
    changes: list[Callable[[str], str]],
    tokenizers: list[Any],
    longest: int,
) -> None:
    """Changes the text of some of the pairs, unless a side of it would be empty or too long then, or has a symbol,
    which is not text, or a word that is not known, and so is not to be had from its ids."""
    encoded = []
    for side, tokenizer in zip(sides, tokenizers):
        kept = tokenizer.symbols | {UNK}
        changes = [str if kept.intersection(side[number].tolist()) else each for number, each in zip(chosen, changes)]
    for side, tokenizer in zip(sides, tokenizers):
        texts = tokenizer.decode([side[number].tolist() for number in chosen])
        encoded.append(tokenizer.encode([change(text) for change, text in zip(changes, texts)]))
    for number, change, *pair in zip(chosen, changes, *encoded):
        if change is not str and all(1 < len(ids) <= longest for ids in pair):
            for side, ids in zip(sides, pair):
                side[number] = np.asarray(ids, side[number].dtype)
