"""Several corpora as one: which pair stands at which place of which epoch."""

import dataclasses
import functools

import numpy as np

from mt.data.permutation import permute


@dataclasses.dataclass(frozen=True)
class Mixture:
    """An epoch visits each corpus as often as its weight says, everything globally shuffled, each epoch differently.

    A weight of 2 shows each pair twice an epoch; one of 0.5 shows half of the pairs, and the next epoch the others.

    Attributes:
        sizes: pairs a corpus.
        weights: epochs of the corpus an epoch of the mixture.
        seed: of the order.
    """

    sizes: tuple[int, ...]
    weights: tuple[float, ...]
    seed: int

    @functools.cached_property
    def draws(self) -> np.ndarray:
        """int64 [corpora]: pairs drawn from each in one epoch."""
        return np.array([max(1, round(size * weight)) for size, weight in zip(self.sizes, self.weights)], np.int64)

    def __len__(self) -> int:
        """Pairs an epoch."""
        return int(self.draws.sum())

    def pairs(self, epoch: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """What stands at places [start, stop) of an epoch.

        Returns:
            The corpus of each, int64 [stop - start], and its index there, int64 [stop - start].
        """
        drawn = permute(np.arange(start, stop), len(self), (self.seed, 0, epoch))
        bounds = np.cumsum(self.draws)
        corpus = np.searchsorted(bounds, drawn, side="right")
        index = np.empty_like(drawn)
        for number, (size, draws) in enumerate(zip(self.sizes, self.draws)):
            own = np.flatnonzero(corpus == number)
            draw = epoch * int(draws) + drawn[own] - (bounds[number] - draws)  # counted from the first epoch on
            passes, within = np.divmod(draw, size)
            for each in np.unique(passes):
                chosen = passes == each
                index[own[chosen]] = permute(within[chosen], size, (self.seed, 1, number, int(each)))
        return corpus, index
