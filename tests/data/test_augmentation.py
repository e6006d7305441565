"""Pairs are changed as asked for, both sides alike, as a function of a seed, and nothing is lost."""

import numpy as np
import pytest

from mt.data.augmentation import AugmentationConfig, augment
from mt.data.datasets import Languages
from mt.data.tokenized import FilterConfig, TokenizedCorpus, default_cache, gather, pack, tokenized_corpus
from mt.data.tokenizer import Tokenizer, TokenizerConfig
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError
from tests.conftest import shipped_pairs


@pytest.fixture(scope="module")
def corpus(corpus_folder, tokenizers) -> TokenizedCorpus:
    return tokenized_corpus(
        str(corpus_folder), "train", Languages("en", "fr"), tokenizers, FilterConfig(64), default_cache()
    )


def _texts(corpus: TokenizedCorpus, index: np.ndarray, tokenizers: Tokenizers) -> list[list[str]]:
    which = np.zeros(len(index), np.int64)
    return [
        getattr(tokenizers, name).decode(each.tolist() for each in gather([corpus], which, index, name))
        for name in ("source", "target")
    ]


def _augmented(corpus, tokenizers, seed=(1,), longest=64, **options):
    """What 300 pairs are and what becomes of them, [sources, targets] each."""
    index = np.random.default_rng(0).permutation(len(corpus))[:300]
    which = np.zeros(300, np.int64)
    config = AugmentationConfig(**options)
    found = augment([corpus], which, index, tokenizers, config, longest, seed)
    return _texts(corpus, index, tokenizers), _texts(found, np.arange(len(found)), tokenizers), found


def test_joined_pairs_are_neighbours_and_none_is_lost(corpus, tokenizers):
    before, after, found = _augmented(corpus, tokenizers, joined=0.3)
    assert 180 < len(found) < 240  # 300 less a third, but for those too long together
    pairs = list(zip(*before))
    for joined in zip(*after):
        own = [pairs.pop(0)]
        while joined != tuple(map(" ".join, zip(*own))):
            own.append(pairs.pop(0))
    assert not pairs
    for side in (found.source, found.target):
        assert side.lengths.max() <= 64 and all(side.tokens[side.starts + side.lengths - 1] == 2)
        assert (side.tokens == 2).sum() == len(found)


def test_pairs_of_two_corpora_are_not_joined(corpus, tokenizers):
    index, which = np.arange(300), np.arange(300) % 2
    found = augment([corpus, corpus], which, index, tokenizers, AugmentationConfig(joined=0.9), 64, (1,))
    assert len(found) == 300


def test_sources_are_written_with_less_care_and_targets_stay(corpus, tokenizers):
    before, after, _ = _augmented(corpus, tokenizers, informal=0.5)
    assert before[1] == after[1]
    changed = [(old, new) for old, new in zip(before[0], after[0]) if old != new]
    assert 120 < len(changed) < 180

    def letters(text):
        return "".join(each for each in text.lower() if each.isalnum())

    assert all(letters(old) == letters(new) for old, new in changed)
    kinds = [(new == old.lower(), old.startswith(new)) for old, new in changed]
    assert all(30 < kinds.count(kind) < 75 for kind in ((True, False), (False, True), (False, False)))


def test_capitals_are_on_both_sides(corpus, tokenizers):
    before, after, _ = _augmented(corpus, tokenizers, capitals=0.4)
    changed = [number for number in range(300) if before[0][number] != after[0][number]]
    assert 70 < len(changed) < 140  # a word in capitals has many pieces, and some pairs do not fit
    assert all(after[side][number] == before[side][number].upper() for number in changed for side in (0, 1))


def test_symbols_and_unknown_words_are_left_alone():
    texts = [text for pair in shipped_pairs("train", 300) for text in pair]
    tagged = Tokenizers.shared(Tokenizer.train(texts, TokenizerConfig(vocab_size=500, symbols=("<BT>",))))
    sentences = [f"<BT> {source}" for source, _ in shipped_pairs("train", 100)]
    side = pack([np.asarray(ids) for ids in tagged.source.encode(sentences)])
    assert len(tagged.source.symbols) == 1
    found = augment(
        [TokenizedCorpus(side, side, {}, 1)],
        *(np.zeros(100, np.int64), np.arange(100)),
        *(tagged, AugmentationConfig(informal=0.5, capitals=0.4), 64, (1,)),
    )
    np.testing.assert_array_equal(found.source.tokens, side.tokens)


def test_it_is_a_function_of_the_seed(corpus, tokenizers):
    options = dict(joined=0.2, informal=0.2, capitals=0.1)
    one, same, other = (_augmented(corpus, tokenizers, seed=(seed,), **options)[1] for seed in (1, 1, 2))
    assert one == same and one != other


def test_shares_that_leave_nothing_are_refused():
    with pytest.raises(UserError, match="data.augmentation.joined: 1.0 is not in"):
        AugmentationConfig(joined=1.0)
    with pytest.raises(UserError, match="leave no pair as it is"):
        AugmentationConfig(informal=0.5, capitals=0.5)
