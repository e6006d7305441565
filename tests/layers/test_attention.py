import jax
import jax.numpy as jnp
import numpy as np

from mt.layers.attention import KeysValues, SelfAttention, attention_weights, scaled_dot_product_attention
from mt.layers.masks import causal_mask, padding_mask, segment_mask


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_attention_is_equation_1():
    query, keys, values = (_random(2, 3, length, 4, seed=seed) for seed, length in ((0, 5), (1, 7), (2, 7)))
    expected = np.zeros((2, 5, 3, 4))
    for batch in range(2):
        for head in range(3):
            scores = query[batch, head] @ keys[batch, head].T / np.sqrt(4)
            weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
            expected[batch, :, head] = weights @ values[batch, head]
    found = scaled_dot_product_attention(
        query, KeysValues(np.swapaxes(keys, 2, 3), values), np.ones((1, 1, 5, 7), bool)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_masked_keys_have_no_weight():
    mask = np.array([True, False, True, True])[None, None, None]
    weights = attention_weights(_random(2, 2, 3, 4), _random(2, 2, 4, 4, seed=1), mask)
    assert np.all(weights[..., 1] == 0)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)


def test_weights_are_float32_when_all_else_is_bfloat16():
    query, keys = (_random(1, 2, *shape).astype(jnp.bfloat16) for shape in ((3, 4), (4, 3)))
    assert attention_weights(query, keys, np.ones((1, 1, 3, 3), bool)).dtype == jnp.float32


def test_causality_by_zero_gradient():
    module = SelfAttention(num_heads=2, model_dim=8)
    inputs = _random(1, 6, 8)
    params = module.init(jax.random.key(0), inputs, causal_mask(6), True)
    jacobian = jax.jacobian(lambda x: module.apply(params, x, causal_mask(6), True)[0])(inputs)  # [6, 8, 1, 6, 8]
    reach = np.abs(jacobian[:, :, 0]).sum((1, 3))
    assert np.all(reach[np.triu_indices(6, 1)] == 0)
    assert np.all(reach[np.tril_indices(6)] > 0)


def test_segment_mask_keeps_sentences_and_padding_apart():
    segments = np.array([[1, 1, 2, 0]])
    expected = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(segment_mask(segments, segments)[0, 0], np.array(expected, bool))
    np.testing.assert_array_equal(padding_mask(segments)[0, 0, 0], [True, True, True, False])
