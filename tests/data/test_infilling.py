"""What infilling hides, and what it leaves."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.infilling import InfillingConfig, infill
from mt.data.pieces import mask_of, word_starts
from mt.data.tokenized import TokenizedCorpus, pack
from mt.data.tokenizer import BOS, EOS, Tokenizer, TokenizerConfig
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError
from tests.conftest import shipped_pairs


@functools.cache
def masking():
    """Tokenizers with a mask."""
    texts = [text for pair in shipped_pairs("train", 600) for text in pair]
    return Tokenizers.shared(Tokenizer.train(texts, TokenizerConfig(vocab_size=400, symbols=("<mask>",))))


def _corpus(tokenizers, texts):
    sentences = [np.array(ids, np.uint16) for ids in tokenizers.target.encode(texts)]
    empty = pack([np.array([], np.uint16)] * len(texts))
    return TokenizedCorpus(empty, pack(sentences), {}, BOS), sentences


def _infilled(tokenizers, texts, config, longest=64, seed=0):
    corpus, sentences = _corpus(tokenizers, texts)
    which, index = np.zeros(len(texts), np.int64), np.arange(len(texts))
    found = infill([corpus], which, index, tokenizers, config, longest, [seed])
    ends = found.source.starts + found.source.lengths
    sources = [found.source.tokens[start:end].tolist() for start, end in zip(found.source.starts, ends)]
    assert np.array_equal(found.target.tokens, corpus.target.tokens)
    return sources, [sentence.tolist() for sentence in sentences]


def _words(ids, starts):
    """Words as lists of ids; a mask is a word of its own."""
    words = []
    for place, token in enumerate(ids):
        if place == 0 or starts[token] or token == 4 or words[-1][0] == 4:
            words.append([])
        words[-1].append(token)
    return [tuple(word) for word in words]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.9), st.floats(0.5, 5))
def test_what_is_left_stands_in_order_with_masks_between(seed, share, span):
    texts = [pair[1] for pair in shipped_pairs("train", 12)]
    mask, starts = mask_of(masking().source), word_starts(masking().source)
    assert mask == 4
    sources, targets = _infilled(masking(), texts, InfillingConfig(share, span), seed=seed)
    for source, target in zip(sources, targets):
        assert source[-1] == EOS and len(source) <= 64
        left, whole = _words(source[:-1], starts), _words(target[:-1], starts)
        assert (mask,) not in whole
        for one, other in itertools.pairwise(left):
            assert (one, other) != ((mask,), (mask,))
        at = iter(whole)
        kept = [word for word in left if word != (mask,)]
        assert all(word in at for word in kept)  # a subsequence
        assert abs(len(whole) - len(kept) - share * len(whole)) <= 1 + 1e-6


def test_the_share_and_the_span_are_as_asked():
    texts = [pair[1] for pair in shipped_pairs("train", 600)]
    starts = word_starts(masking().source)
    sources, targets = _infilled(masking(), texts, InfillingConfig(0.35, 3.5))
    words = sum(len(_words(ids[:-1], starts)) for ids in targets)
    kept = sum(len([word for word in _words(ids[:-1], starts) if word != (4,)]) for ids in sources)
    assert 0.32 < 1 - kept / words < 0.36
    assert _infilled(masking(), texts, InfillingConfig(0.35, 3.5))[0] == sources
    assert _infilled(masking(), texts, InfillingConfig(0.35, 3.5), seed=1)[0] != sources


def test_masks_for_nothing_are_left_out_where_there_is_no_room():
    texts = [pair[1] for pair in shipped_pairs("train", 50)]
    for text in texts:
        length = len(masking().target.encode([text])[0])
        for seed in range(5):
            (source,), _ = _infilled(masking(), [text], InfillingConfig(0.2, 0.05), length, seed)
            assert len(source) <= length


def test_what_cannot_be_is_said(tokenizers):
    with pytest.raises(UserError, match="no piece <mask>.*tokenizer.symbols <mask>"):
        mask_of(tokenizers.source)
    with pytest.raises(UserError, match="data.infilling.share: 1.0"):
        InfillingConfig(1.0)
    with pytest.raises(UserError, match="data.infilling.span: 0"):
        InfillingConfig(0.3, 0)
