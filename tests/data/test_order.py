import collections

import numpy as np
import pytest

from mt.data.mixture import Mixture
from mt.data.permutation import permute


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 65, 1000, 4097])
def test_permute_is_a_permutation(size):
    found = permute(np.arange(size), size, (0,))
    assert sorted(found) == list(range(size))
    np.testing.assert_array_equal(permute(np.arange(size)[::3], size, (0,)), found[::3])


def test_permutations_look_random():
    found = permute(np.arange(10_000), 10_000, (1,))
    other = permute(np.arange(10_000), 10_000, (2,))
    assert (found == other).sum() < 10
    assert abs(np.corrcoef(np.arange(10_000), found)[0, 1]) < 0.05
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.05


def _epoch(mixture, epoch):
    corpus, index = mixture.pairs(epoch, 0, len(mixture))
    return list(zip(corpus.tolist(), index.tolist()))


def test_an_epoch_has_every_pair_once_and_each_epoch_another_order():
    mixture = Mixture((10, 25), (1.0, 1.0), seed=3)
    first, second = _epoch(mixture, 0), _epoch(mixture, 1)
    assert sorted(first) == sorted(second) == [(0, i) for i in range(10)] + [(1, i) for i in range(25)]
    assert first != second
    corpus, index = mixture.pairs(0, 5, 20)
    assert list(zip(corpus.tolist(), index.tolist())) == first[5:20]


def test_weights_are_epochs_an_epoch():
    mixture = Mixture((10, 20), (3.0, 0.5), seed=1)
    first, second = _epoch(mixture, 0), _epoch(mixture, 1)
    assert collections.Counter(pair for pair in first if pair[0] == 0) == {(0, i): 3 for i in range(10)}
    halves = [{index for corpus, index in epoch if corpus == 1} for epoch in (first, second)]
    assert len(halves[0]) == len(halves[1]) == 10
    assert halves[0] | halves[1] == set(range(20))
