import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.layers.blocks import Residual
from mt.layers.dropout import Dropout
from mt.layers.embedding import Embedding
from mt.layers.feed_forward import FeedForward
from mt.layers.masks import causal_mask, padding_mask, segment_mask
from mt.layers.positions import LearnedPositions, sinusoidal_positions


def test_sinusoids_are_the_papers():
    found = sinusoidal_positions(jnp.arange(50), 8)
    for position in (0, 1, 49):
        for channel in range(4):
            angle = position / 10_000 ** (2 * channel / 8)
            np.testing.assert_allclose(found[position, channel], np.sin(angle), atol=1e-5)
            np.testing.assert_allclose(found[position, channel + 4], np.cos(angle), atol=1e-5)


def test_learned_positions_past_the_table_share_the_last_vector():
    module = LearnedPositions(4, 8)
    params = module.init(jax.random.key(0), jnp.arange(4))
    found = module.apply(params, jnp.arange(6))
    np.testing.assert_array_equal(found[5], found[3])
    assert not np.allclose(found[2], found[3])


def test_dropout_keeps_the_mean_and_drops_its_share():
    ones = jnp.ones((1000, 1000))
    dropped = Dropout(0.3).apply({}, ones, False, rngs={"dropout": jax.random.key(0)})
    assert abs(float((dropped == 0).mean()) - 0.3) < 0.002
    assert abs(float(dropped.mean()) - 1) < 0.005
    np.testing.assert_array_equal(Dropout(0.3).apply({}, ones, True), ones)


def test_dropouts_masks_are_independent_of_position_and_key():
    def kept(seed):
        ones = jnp.ones((64, 64, 64))
        dropped = Dropout(0.5).apply({}, ones, False, rngs={"dropout": jax.random.key(seed)})
        return 2.0 * np.asarray(dropped > 0) - 1

    # The mean of so many independent signs lies within five of its standard deviations of zero.
    bound = 5 / np.sqrt(64**3)
    masks = [kept(seed) for seed in range(4)]
    for axis in range(3):
        for shift in (1, 2, 3, 16, 31, 32):
            assert abs(np.mean(masks[0] * np.roll(masks[0], shift, axis))) < bound
    for other in masks[1:]:
        assert abs(np.mean(masks[0] * other)) < bound
    for axes in ((0, 1), (0, 2), (1, 2)):  # no row, column or plane has more than its share
        assert np.abs(masks[0].mean(axes)).max() < 5 / 64


def test_embedding_shares_its_table_with_the_output():
    module = Embedding(11, 8)
    params = module.init(jax.random.key(0), jnp.arange(3))
    table = params["params"]["table"]
    np.testing.assert_allclose(module.apply(params, jnp.array([7]))[0], table[7] * np.sqrt(8), rtol=1e-6)
    hidden = jnp.arange(8.0)
    np.testing.assert_allclose(module.apply(params, hidden, method="logits"), table @ hidden, rtol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "gelu", "swish", "swiglu"])
def test_feed_forward(activation):
    module = FeedForward(4, 6, activation)
    inputs = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    params = module.init(jax.random.key(0), inputs, True)["params"]
    function = {"relu": jax.nn.relu, "gelu": jax.nn.gelu}.get(activation, jax.nn.silu)
    inner = function(inputs @ params["inner"]["kernel"])
    if activation == "swiglu":
        inner = inner * (inputs @ params["gate"]["kernel"])
    expected = inner @ params["outer"]["kernel"]
    np.testing.assert_allclose(module.apply({"params": params}, inputs, True), expected, atol=1e-5)


@pytest.mark.parametrize("pre_norm", [True, False])
def test_residual_normalises_where_it_says(pre_norm):
    class Doubling(Residual):
        def __call__(self, stream):
            return self.leave(stream, 2 * self.enter(stream), True)

    stream = np.random.default_rng(0).normal(3, 5, size=(2, 8)).astype(np.float32)
    module = Doubling(0.0, pre_norm, 1e-6)
    found = module.apply(module.init(jax.random.key(0), stream), stream)

    def normalised(x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)

    expected = stream + 2 * normalised(stream) if pre_norm else normalised(3 * stream)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_stochastic_depth_drops_whole_rows_and_keeps_the_mean():
    class Ones(Residual):
        def __call__(self, stream):
            return self.leave(stream, jnp.ones_like(stream), False)

    stream = jnp.zeros((4000, 2, 3))
    module = Ones(0.0, True, 1e-6, 0.25)
    added = module.apply({}, stream, rngs={"dropout": jax.random.key(0)})
    rows = np.asarray(added).reshape(4000, -1)
    assert (rows == rows[:, :1]).all() and set(np.unique(rows.round(4))) == {0.0, np.float32(1.3333)}
    assert rows.mean() == pytest.approx(1, abs=0.03)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=3), st.data())
def test_masks_are_their_definitions(rows, data):
    """Whatever segments stand where: each sees its own, padding sees padding, and nobody sees ahead."""
    keys = [data.draw(st.lists(st.integers(0, 3), min_size=4, max_size=4)) for _ in rows]
    query, key = np.array(rows), np.array(keys)
    segment, padding = np.asarray(segment_mask(query, key)), np.asarray(padding_mask(key))
    causal = np.asarray(causal_mask(6))
    for b, q, k in itertools.product(range(len(rows)), range(6), range(4)):
        assert segment[b, 0, q, k] == (query[b, q] == key[b, k])
        assert padding[b, 0, 0, k] == (key[b, k] != 0)
        assert causal[0, 0, q, k] == (k <= q)
