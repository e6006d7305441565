"""Which source token each target token comes from, learnt from a corpus of pairs alone. Pure numpy.

IBM model 2 with a prior that favours the diagonal (Dyer et al. 2013, "A Simple, Fast, and Effective Reparameterization
of IBM Model 2"), by expectation maximisation; in both directions, of which the links are kept that both find.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mt.data.mixture import Mixture
from mt.data.tokenized import TokenizedCorpus, gather

_PAIRS = 50_000  # that are learnt from
_PASSES = 5
_TENSION = 4.0  # how much the diagonal is favoured
_TO_NOTHING = 0.08  # the prior of a token that comes from none
_RARE = 1e-7  # the probability of what has never been seen together


class _Table(NamedTuple):
    """The probability of one token given another, of those that have been seen together.

    Attributes:
        keys: int64, given * vocab + token, in order.
        probabilities: float64, of each key.
        vocab: more than any token.
    """

    keys: np.ndarray
    probabilities: np.ndarray
    vocab: int

    def __call__(self, given: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """int arrays of one shape -> float64 of that shape."""
        keys = given.astype(np.int64) * self.vocab + tokens
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.probabilities[places], _RARE)


class WordAlignment:
    """Links the tokens of pairs."""

    def __init__(self, sources: Sequence[np.ndarray], targets: Sequence[np.ndarray]):
        """Args:
        sources: tokens of some sentences.
        targets: those of their translations.
        """
        self._forward = _learnt(sources, targets)
        self._backward = _learnt(targets, sources)

    @classmethod
    def of(cls, corpora: Sequence[TokenizedCorpus], mixture: Mixture) -> "WordAlignment":
        """Learns from the first pairs that a training sees."""
        corpus, index = mixture.pairs(0, 0, min(len(mixture), _PAIRS))
        return cls(*(gather(corpora, corpus, index, side) for side in ("source", "target")))

    def links(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The source token's place that each target token comes from, int32 [target]; -1 where that is not sure."""
        forward = _best(self._forward, source, target)
        backward = _best(self._backward, target, source)
        agree = (forward >= 0) & (backward[forward] == np.arange(len(target)))
        return np.where(agree, forward, -1).astype(np.int32)

    def of_batch(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """As `links`, of all pairs of a batch: places in the source's row, int32 [rows, target_length]."""
        found = np.full(batch["target_tokens"].shape, -1, np.int32)
        for row, segments in enumerate(batch["target_segments"]):
            for segment in range(1, int(segments.max(initial=0)) + 1):
                source = np.flatnonzero(batch["source_segments"][row] == segment)
                target = np.flatnonzero(segments == segment)
                links = self.links(batch["source_tokens"][row, source], batch["target_tokens"][row, target])
                found[row, target] = np.where(links >= 0, source[links], -1)
        return found


def _prior(given: int, length: int) -> np.ndarray:
    """Of each of `length` tokens, the prior of coming from each of `given`, [length, given]."""
    apart = np.abs((np.arange(length)[:, None] + 0.5) / length - (np.arange(given)[None] + 0.5) / given)
    weights = np.exp(-_TENSION * apart)
    return (1 - _TO_NOTHING) * weights / weights.sum(axis=1, keepdims=True)


def _learnt(givens: Sequence[np.ndarray], texts: Sequence[np.ndarray]) -> _Table:
    """The probability of a text's tokens given another text's."""
    vocab = 1 + max(int(max(tokens.max(initial=0) for tokens in side)) for side in (givens, texts))
    keys, priors, groups, first = [], [], [], 0
    for given, text in zip(givens, texts):
        keys.append((given.astype(np.int64)[None] * vocab + text[:, None]).reshape(-1))
        priors.append(_prior(len(given), len(text)).reshape(-1))
        groups.append(np.repeat(np.arange(first, first + len(text)), len(given)))
        first += len(text)
    different, number = np.unique(np.concatenate(keys), return_inverse=True)
    prior, group = np.concatenate(priors), np.concatenate(groups)
    given_of = different // vocab
    # What comes from nothing is as likely as it is frequent.
    text = np.concatenate(texts)
    nothing = _TO_NOTHING * (np.bincount(text, minlength=vocab) / len(text))[text]
    probabilities = np.full(len(different), 1.0 / vocab)
    for _ in range(_PASSES):
        weights = probabilities[number] * prior
        totals = np.bincount(group, weights, minlength=first) + nothing
        counts = np.bincount(number, weights / totals[group], minlength=len(different))
        probabilities = counts / np.maximum(np.bincount(given_of, counts)[given_of], 1e-12)
    return _Table(different, probabilities, vocab)


def _best(table: _Table, given: np.ndarray, text: np.ndarray) -> np.ndarray:
    """The place that each of a text's tokens most likely comes from; -1 of an empty text."""
    if not len(given) or not len(text):
        return np.full(len(text), -1)
    shape = len(text), len(given)
    likely = table(np.broadcast_to(given[None], shape), np.broadcast_to(text[:, None], shape))
    return (likely * _prior(len(given), len(text))).argmax(axis=1)
