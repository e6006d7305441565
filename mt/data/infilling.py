"""Text infilling: a sentence some of whose words are hidden, as the source of the whole."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from mt.data.pieces import mask_of, word_starts
from mt.data.tokenized import TokenizedCorpus, gather, pack
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError


@dataclasses.dataclass(frozen=True)
class InfillingConfig:
    """Text of one language as training for a translator (Lewis et al. 2020, "BART", section 2.2; Liu et al. 2020,
    "Multilingual Denoising Pre-training", section 2.1): a few words in a row are hidden behind one mask each time the
    text is seen, in other places each time, and the model writes the whole of it.

    Attributes:
        share: of the words that are hidden, 0.35 in the second paper; 0 is no infilling.
        span: how many words a mask stands for on average, by Poisson's distribution; one that stands for none is a
            mask more.
    """

    share: float = 0.0
    span: float = 3.5

    def __post_init__(self):
        if not 0 <= self.share < 1:
            raise UserError(f"data.infilling.share: {self.share} is not in [0, 1); 0 is no infilling")
        if not 0 < self.span < math.inf:
            raise UserError(f"data.infilling.span: {self.span} is not positive")


def infill(
    corpora: Sequence[TokenizedCorpus],
    corpus: np.ndarray,
    index: np.ndarray,
    tokenizers: Tokenizers,
    config: InfillingConfig,
    longest: int,
    seed: Sequence[int],
) -> TokenizedCorpus:
    """Some sentences, each with what infilling leaves of it as its source.

    Args:
        corpora: where the sentences are, as targets.
        corpus: int [pairs], the corpus of each.
        index: int [pairs], its index there.
        tokenizers: of both sides, which are one.
        config: how much is hidden.
        longest: the most tokens a source may have; masks that stand for nothing are left out of one that has more.
        seed: what the result is a function of, beside the sentences.

    Returns:
        The pairs in their order.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed))
    mask, starts = mask_of(tokenizers.source), word_starts(tokenizers.source)
    targets = gather(corpora, corpus, index, "target")
    sources = [_hidden(target, starts, mask, config, longest, random) for target in targets]
    return TokenizedCorpus(pack(sources), pack(targets), {}, corpora[0].start)


def _hidden(
    tokens: np.ndarray,
    starts: np.ndarray,
    mask: int,
    config: InfillingConfig,
    longest: int,
    random: np.random.Generator,
) -> np.ndarray:
    """A sentence, eos included, with masks in place of some words."""
    begins = starts[tokens[:-1]]
    begins[:1] = True
    bounds = np.append(np.flatnonzero(begins), len(tokens) - 1)  # of words; the last is eos
    words = len(bounds) - 1
    hidden = int(config.share * words + random.random())
    # The spans go into different gaps between the words that stay, so that each is a mask of its own.
    places = words - hidden + 1
    spans = _spans(hidden, places, config.span, random)
    gaps = np.sort(random.permutation(places)[: len(spans)])
    parts, word, done = [], 0, 0
    room = longest - len(tokens)
    for gap, span in zip(gaps, spans):
        parts.append(tokens[bounds[word] : bounds[word + gap - done]])
        word, done = word + gap - done, gap
        room -= span == 0
        if span or room >= 0:
            parts.append(np.array([mask], tokens.dtype))
        word += span
    return np.concatenate([*parts, tokens[bounds[word] :]])


def _spans(hidden: int, gaps: int, mean: float, random: np.random.Generator) -> list[int]:
    """Lengths by Poisson's distribution until they are so many words together, in random order; no more than there are
    gaps for them, so that some may have to be joined."""
    drawn: list[int] = []
    while (left := hidden - sum(drawn)) > 0:
        drawn.append(min(left, int(random.poisson(mean))))
    spans = [span for span in drawn if span]
    while len(spans) > gaps:
        last = spans.pop()
        spans[-1] += last
    spans += [0] * min(drawn.count(0), gaps - len(spans))
    return [spans[place] for place in random.permutation(len(spans))]
