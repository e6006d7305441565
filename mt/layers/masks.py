"""Attention masks: boolean, True where attention may look, broadcastable to [batch, heads, query, key]."""

import jax
import jax.numpy as jnp


def causal_mask(length: int) -> jax.Array:
    """Each position sees itself and what stands before it ("Attention Is All You Need", section 3.2.3).

    Returns:
        bool [1, 1, length, length].
    """
    return jnp.tril(jnp.ones((length, length), bool))[None, None]


def segment_mask(query_segments: jax.Array, key_segments: jax.Array) -> jax.Array:
    """Positions see only their own segment: what keeps packed pairs, and padding, apart.

    Segments are numbered from 1 within a row; 0 is padding. Padding sees padding, so that no softmax is taken over
    nothing, and nothing that counts ever sees padding.

    Args:
        query_segments: int [batch, query].
        key_segments: int [batch, key].

    Returns:
        bool [batch, 1, query, key].
    """
    return (query_segments[:, :, None] == key_segments[:, None, :])[:, None]


def padding_mask(key_segments: jax.Array) -> jax.Array:
    """Every query sees all keys that are not padding.

    Args:
        key_segments: int [batch, key], 0 at padding.

    Returns:
        bool [batch, 1, 1, key].
    """
    return (key_segments > 0)[:, None, None]
