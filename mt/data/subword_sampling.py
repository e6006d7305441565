"""Subword regularisation: each time that a sentence is trained on, it is cut into other pieces."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mt.data.tokenized import TokenizedCorpus, gather, pack
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError

_CHUNK = 8192


@dataclasses.dataclass(frozen=True)
class SubwordSamplingConfig:
    """Whether training sentences are cut into pieces anew each time they are seen.

    For a unigram vocabulary (Kudo 2018, section 3.3) the numbers are the exponent alpha of each way's probability: 0.1
    makes most ways nearly as likely as the best, 1 follows the model, more stays near the best. For a BPE vocabulary
    they are the probability by which a merge is left out (BPE-dropout, Provilkov et al. 2020), 0.1 in that paper. Dev
    and test sentences are always cut in the best way, and so is what would not fit a batch's row otherwise.

    Attributes:
        source: how the source's sentences are cut: with BPE, the probability that a merge is left out, say 0.1; with a
            unigram vocabulary, an exponent, by which a smaller number is more random, say 0.2; 0 is no sampling.
        target: the same of the target's.
    """

    source: float = 0.0
    target: float = 0.0

    def __post_init__(self):
        for field in ("source", "target"):
            if not 0 <= getattr(self, field) < 100:
                raise UserError(f"data.sampling.{field}: {getattr(self, field)} is not a number from 0 on")


def resample(
    corpora: Sequence[TokenizedCorpus],
    corpus: np.ndarray,
    index: np.ndarray,
    tokenizers: Tokenizers,
    config: SubwordSamplingConfig,
    longest: int,
    seed: Sequence[int],
) -> TokenizedCorpus:
    """Some pairs, their sampled sides cut anew.

    Args:
        corpora: where the pairs are.
        corpus: int [pairs], the corpus of each.
        index: int [pairs], its index there.
        tokenizers: of both sides.
        config: which sides, and how.
        longest: the most tokens a sentence may have; one that would have more stays as it is in the corpus.
        seed: what the result is a function of, beside the pairs.

    Returns:
        The pairs in their order.
    """
    sides = []
    for number, name in enumerate(("source", "target")):
        strength, tokenizer = getattr(config, name), getattr(tokenizers, name)
        sentences = gather(corpora, corpus, index, name)
        for start in range(0, len(sentences) if strength else 0, _CHUNK):
            chunk = sentences[start : start + _CHUNK]
            state = np.random.SeedSequence([*seed, number, start]).generate_state(1)
            sampled = tokenizer.sample([each.tolist() for each in chunk], strength, int(state[0]))
            sentences[start : start + _CHUNK] = [
                np.asarray(new, old.dtype) if len(new) <= longest else old for new, old in zip(sampled, chunk)
            ]
        sides.append(pack(sentences))
    return TokenizedCorpus(sides[0], sides[1], {}, corpora[0].start)
