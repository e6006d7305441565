"""Several corpora's documents as one text: in which order an epoch visits them, their pairs in their own."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from mt.data.mixture import Mixture
from mt.data.tokenized import TokenizedCorpus


class DocumentOrder:
    """An epoch visits each corpus' documents as often as its weight says, shuffled, each epoch differently."""

    def __init__(self, corpora: Sequence[TokenizedCorpus], weights: tuple[float, ...], seed: int):
        """Args:
        corpora: as they were read, in their order.
        weights: see `Mixture`.
        seed: of the order.
        """
        self._bounds = [_bounds(corpus) for corpus in corpora]
        self._mixture = Mixture(tuple(len(bounds) - 1 for bounds in self._bounds), weights, seed)

    def pairs(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All pairs of an epoch.

        Returns:
            The corpus of each, its index there, and its document's number in the epoch, from 1, int64 [pairs] each.
        """
        corpus, document = self._mixture.pairs(epoch, 0, len(self._mixture))
        ends = np.array([self._bounds[number][each + 1] for number, each in zip(corpus, document)], np.int64)
        starts = np.array([self._bounds[number][each] for number, each in zip(corpus, document)], np.int64)
        sizes = ends - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        numbers = np.arange(1, len(corpus) + 1)
        return np.repeat(corpus, sizes), np.repeat(starts, sizes) + within, np.repeat(numbers, sizes)


def apart(pairs: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[int]]:
    """Pairs without those that are blank on both sides, which part documents; and the number of each one's document."""
    every = list(pairs)
    blank = list(map(is_blank, every))
    kept = [(pair, number) for pair, number, parts in zip(every, document_numbers(blank), blank) if not parts]
    return [pair for pair, _ in kept], [number for _, number in kept]


def is_blank(pair: tuple[str, str]) -> bool:
    """Whether there is nothing on either side, as between documents."""
    return not any(map(str.strip, pair))


def document_numbers(blank: Iterable[bool]) -> list[int]:
    """The number of each line's document, given which lines are blank and so part documents; those are of none, and
    have numbers of their own."""
    parts = [int(each) for each in blank]
    return [2 * before - part for before, part in zip(itertools.accumulate(parts), parts)]


def _bounds(corpus: TokenizedCorpus) -> np.ndarray:
    """Where each document begins, and the end: int64 [documents + 1]."""
    assert corpus.documents is not None
    return np.array([0, *np.flatnonzero(np.diff(corpus.documents)) + 1, len(corpus)], np.int64)
