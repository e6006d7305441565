"""Subword regularisation: each time that a sentence is trained on, it is cut into other pieces."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mt.data.tokenized import Side, TokenizedCorpus
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError

_CHUNK = 8192


@dataclasses.dataclass(frozen=True)
class SamplingConfig:
    """Whether training sentences are cut into pieces anew each time they are seen.

    For a unigram vocabulary (Kudo 2018, section 3.3) the numbers are the exponent alpha of each way's probability: 0.1
    makes most ways nearly as likely as the best, 1 follows the model, more stays near the best. For a BPE vocabulary
    they are the probability by which a merge is left out (BPE-dropout, Provilkov et al. 2020), 0.1 in that paper. Dev
    and test sentences are always cut in the best way, and so is what would not fit a batch's row otherwise.

    Attributes:
        source: of the source's sentences; 0 is no sampling.
        target: of the target's.
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
    config: SamplingConfig,
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
        tokens, lengths = [], []
        for start in range(0, len(corpus), _CHUNK):
            sentences = [
                _sentence(getattr(corpora[which], name), place)
                for which, place in zip(corpus[start : start + _CHUNK], index[start : start + _CHUNK])
            ]
            if strength:
                state = np.random.SeedSequence([*seed, number, start]).generate_state(1)
                sampled = tokenizer.sample([each.tolist() for each in sentences], strength, int(state[0]))
                sentences = [
                    np.asarray(new, old.dtype) if len(new) <= longest else old for new, old in zip(sampled, sentences)
                ]
            tokens.append(np.concatenate(sentences))
            lengths.append(np.fromiter(map(len, sentences), np.int32, len(sentences)))
        length = np.concatenate(lengths)
        sides.append(Side(np.concatenate(tokens), np.cumsum(length, dtype=np.int64) - length, length))
    return TokenizedCorpus(sides[0], sides[1], {}, corpora[0].start)


def _sentence(side: Side, place: int) -> np.ndarray:
    return side.tokens[side.starts[place] : side.starts[place] + side.lengths[place]]
