"""Several corpora's documents as one text: in which order an epoch visits them, their pairs in their own."""

from collections.abc import Sequence

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


def _bounds(corpus: TokenizedCorpus) -> np.ndarray:
    """Where each document begins, and the end: int64 [documents + 1]."""
    assert corpus.documents is not None
    return np.array([0, *np.flatnonzero(np.diff(corpus.documents)) + 1, len(corpus)], np.int64)
