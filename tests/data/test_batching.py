import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.batching import BatchingConfig, Shape, assemble, fit_buckets, plan_buckets, plan_packing
from mt.data.tokenized import Side, TokenizedCorpus
from mt.data.tokenizer import BOS

LENGTHS = st.lists(st.tuples(st.integers(2, 16), st.integers(2, 16)), min_size=1, max_size=60)


def _corpus(lengths):
    """Sentence i has tokens that only it has."""
    sides = []
    for side in range(2):
        sizes = np.array([pair[side] for pair in lengths], np.int32)
        starts = np.cumsum(sizes) - sizes
        tokens = np.concatenate([1000 * (number + 1) + np.arange(size) for number, size in enumerate(sizes)])
        sides.append(Side(tokens.astype(np.int32), starts.astype(np.int64), sizes))
    return TokenizedCorpus(*sides, counts={}, start=BOS)


@given(LENGTHS, st.sampled_from(["packing", "buckets"]), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_every_pair_is_once_in_a_batch_and_whole(lengths, kind, seed):
    corpus = _corpus(lengths)
    sizes = np.asarray(corpus.source.lengths), np.asarray(corpus.target.lengths)
    if kind == "packing":
        plan = plan_packing(*sizes, Shape(4, 20, 16), seed)
    else:
        plan = plan_buckets(*sizes, [Shape(8, 5, 5), Shape(4, 16, 16)], seed)
    zeros, numbers = np.zeros(len(lengths), np.int64), np.arange(len(lengths))
    found = []
    for batch, shape in enumerate(plan.shapes):
        parts = [assemble([corpus], zeros, numbers, plan, batch, (part, 2)) for part in range(2)]
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        whole = assemble([corpus], zeros, numbers, plan, batch, (0, 1))
        for name in whole:  # two hosts see the halves of what one host sees
            np.testing.assert_array_equal(arrays[name], whole[name])
        assert whole["source_tokens"].shape == (shape.rows, shape.source_length)
        for row in range(shape.rows):
            for segment in range(1, whole["source_segments"][row].max() + 1):
                pair = []
                for side in ("source", "target"):
                    place = whole[f"{side}_segments"][row] == segment
                    tokens = whole[f"{side}_tokens"][row, place]
                    np.testing.assert_array_equal(whole[f"{side}_positions"][row, place], np.arange(len(tokens)))
                    pair.append(tokens)
                    if side == "target":
                        np.testing.assert_array_equal(whole["target_inputs"][row, place], [1, *tokens[:-1]])
                numbers_of = {int(tokens[0]) // 1000 - 1 for tokens in pair}
                assert len(numbers_of) == 1  # source and target are of one pair
                number = numbers_of.pop()
                assert tuple(map(len, pair)) == lengths[number]
                found.append(number)
        for side in ("source", "target"):
            padding = whole[f"{side}_segments"] == 0
            assert not whole[f"{side}_tokens"][padding].any()
    assert collections.Counter(found) == collections.Counter(range(len(lengths)))


@given(LENGTHS, st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_bucket_bounds_are_the_best_there_are(lengths, num_buckets):
    import itertools

    source, target = np.array(lengths).T
    config = BatchingConfig("buckets", batch_tokens=160, row_length=16, num_buckets=num_buckets, row_multiple=1)
    bounds = [shape.target_length for shape in fit_buckets(source, target, config)]
    assert bounds == sorted(set(bounds)) and bounds[-1] == 16 and len(bounds) <= num_buckets

    def positions(bounds):
        return sum(min(bound for bound in bounds if bound >= max(pair)) for pair in lengths)

    choices = ((*some, 16) for count in range(num_buckets) for some in itertools.combinations(range(1, 16), count))
    assert positions(bounds) == min(map(positions, choices))


def test_a_batch_smaller_than_a_row_is_refused():
    with pytest.raises(ValueError, match="batch_tokens"):
        BatchingConfig(batch_tokens=100, row_length=64, row_multiple=8)
