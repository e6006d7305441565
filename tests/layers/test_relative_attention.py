"""Attention by distance, against loops over every query and key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.layers.positions import sinusoidal_positions
from mt.layers.relative_attention import (
    AlibiSelfAttention,
    RelativeSelfAttention,
    RotarySelfAttention,
    alibi_slopes,
    relative_shift,
    rotate,
)

BATCH, HEADS, WIDTH, LENGTH = 2, 2, 8, 5


def test_the_relative_shift_is_a_loop():
    for queries, keys in ((3, 3), (2, 5), (4, 7), (1, 4)):
        scores = np.random.default_rng(0).normal(size=(2, 3, queries, keys + queries))
        shifted = np.asarray(relative_shift(jnp.asarray(scores), keys))
        for query in range(queries):
            for key in range(keys):
                distance = query + keys - queries - key
                np.testing.assert_array_equal(
                    shifted[:, :, query, key], scores[:, :, query, keys - distance].astype("f")
                )


def test_a_product_of_turned_vectors_is_one_of_their_distance():
    query, key = (jax.random.normal(jax.random.key(number), (1, 1, 1, 6)) for number in range(2))

    def product(at, other):
        turned = [rotate(each, jnp.array([[place]])) for each, place in ((query, at), (key, other))]
        return float(jnp.sum(turned[0] * turned[1]))

    assert product(9, 4) == pytest.approx(product(105, 100), abs=1e-4)
    assert product(3, 3) == pytest.approx(float(jnp.sum(query * key)), abs=1e-5)
    # As complex numbers: channel i with channel i + 3.
    pairs = [np.asarray(each)[0, 0, 0, :3] + 1j * np.asarray(each)[0, 0, 0, 3:] for each in (query, key)]
    turns = np.exp(1j * (9 - 4) * 10_000.0 ** (-np.arange(3) / 3))
    assert product(9, 4) == pytest.approx(np.sum((pairs[0] * turns * pairs[1].conj()).real), abs=1e-4)


def test_slopes_are_the_papers():
    np.testing.assert_allclose(alibi_slopes(8), [2.0**-n for n in range(1, 9)])
    np.testing.assert_allclose(
        alibi_slopes(12), [*(2.0**-n for n in range(1, 9)), *(2.0 ** -(n + 0.5) for n in range(4))]
    )


def _layer(kind):
    layer = kind(HEADS, WIDTH)
    inputs = jax.random.normal(jax.random.key(0), (BATCH, LENGTH, WIDTH))
    mask = jnp.tril(jnp.ones((LENGTH, LENGTH), bool))[None, None]
    params = layer.init(jax.random.key(1), inputs, mask, True)["params"]
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    moved = [leaf + 0.5 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys)]
    return layer, jax.tree.unflatten(structure, moved), inputs, mask


def _by_hand(params, inputs, score):
    """Causal attention, a query and a key at a time."""
    kernel, bias = (np.asarray(params["query_key_value"][name], np.float64) for name in ("kernel", "bias"))
    query, key, value = (np.asarray(inputs) @ kernel[:, part] + bias[part] for part in range(3))
    out = np.zeros((BATCH, LENGTH, WIDTH))
    size = WIDTH // HEADS
    for row in range(BATCH):
        for head in range(HEADS):
            own = slice(head * size, (head + 1) * size)
            for i in range(LENGTH):
                scores = [score(query[row, i, own], key[row, j, own], head, i - j) / size**0.5 for j in range(i + 1)]
                weights = np.exp(scores - np.max(scores))
                out[row, i, own] = weights / weights.sum() @ value[row, : i + 1, own]
    return out @ np.asarray(params["output"]["kernel"]) + np.asarray(params["output"]["bias"])


def test_transformer_xls_scores_have_four_parts():
    layer, params, inputs, mask = _layer(RelativeSelfAttention)
    encoded = np.asarray(sinusoidal_positions(jnp.arange(LENGTH), WIDTH)) @ np.asarray(params["position"]["kernel"])
    size = WIDTH // HEADS
    content, position = (np.asarray(params[name]) for name in ("content_bias", "position_bias"))

    def score(query, key, head, distance):
        place = encoded[distance, head * size : (head + 1) * size]
        return query @ key + query @ place + content[head] @ key + position[head] @ place

    found = layer.apply({"params": params}, inputs, mask, True)
    np.testing.assert_allclose(found, _by_hand(params, inputs, score), atol=1e-5)


def test_alibi_takes_off_what_distance_costs():
    layer, params, inputs, mask = _layer(AlibiSelfAttention)
    size = WIDTH // HEADS

    def score(query, key, head, distance):
        return query @ key - alibi_slopes(HEADS)[head] * distance * size**0.5

    found = layer.apply({"params": params}, inputs, mask, True)
    np.testing.assert_allclose(found, _by_hand(params, inputs, score), atol=1e-5)


def test_rotary_turns_queries_and_keys_alone():
    layer, params, inputs, mask = _layer(RotarySelfAttention)

    def score(query, key, head, distance):
        half = len(query) // 2
        turn = np.exp(1j * distance * 10_000.0 ** (-np.arange(half) / half))
        return np.sum(((query[:half] + 1j * query[half:]) * turn * (key[:half] - 1j * key[half:])).real)

    found = layer.apply({"params": params}, inputs, mask, True)
    np.testing.assert_allclose(found, _by_hand(params, inputs, score), atol=1e-5)


@pytest.mark.parametrize("kind", [AlibiSelfAttention, RelativeSelfAttention, RotarySelfAttention])
def test_dropout_is_of_the_weights(kind):
    layer, params, inputs, mask = _layer(kind)
    dropping = kind(HEADS, WIDTH, dropout=0.5)
    keys = jax.random.split(jax.random.key(3), 400)
    drop = jax.vmap(lambda key: dropping.apply({"params": params}, inputs, mask, False, rngs={"dropout": key}))
    outputs = np.asarray(jax.jit(drop)(keys))
    whole = np.asarray(layer.apply({"params": params}, inputs, mask, True))
    assert (np.abs(outputs.mean(0) - whole) < 5 * outputs.std(0) / 20 + 1e-4).all()
    assert np.max(np.abs(outputs[0] - whole)) > 0.05
