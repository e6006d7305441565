"""Dropout (Srivastava et al. 2014), whose masks are computed where they are used and never stored.

They depend on the key and on an element's place in the whole batch, so that it makes no difference how many devices
share the batch's rows.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from mt.layers.rows import first_row


def key_words(key: jax.Array, rows: int) -> jax.Array:
    """What `drop` takes of a key of JAX, and of how many rows a device holds: uint32 [3], the last its first row."""
    words = jax.random.key_data(key).ravel()
    return jnp.stack([words[0], words[-1], first_row(rows)])


def keep_mask(words: jax.Array, positions: jax.Array, rate: float) -> jax.Array:
    """Which elements dropout keeps: a hash of each one's position and the key.

    A few operations on integers, which compilers fuse with whatever uses the mask; JAX's own generators either write
    their bits to memory first, or take ten times as many operations. The hash is lowbias32 (Wellons 2018, "Prospecting
    for Hash Functions") with a word of the key before each half. It is for dropout only.

    Args:
        words: uint32 [2] or more, see `key_words`.
        positions: uint32 [...], no two alike.
        rate: the share not to be kept, rounded to a multiple of 2^-32.

    Returns:
        bool, of the positions' shape.
    """
    bits = positions ^ words[0]
    bits = (bits ^ (bits >> 16)) * jnp.uint32(0x7FEB352D) + words[1]
    bits = (bits ^ (bits >> 15)) * jnp.uint32(0x846CA68B)
    return (bits ^ (bits >> 16)) >= jnp.uint32(min(round(rate * 2**32), 2**32 - 1))


def drop(words: jax.Array, activations: jax.Array, rate: float) -> jax.Array:
    """Zeroes each activation with probability `rate` and scales up the rest.

    Args:
        words: uint32 [3], see `key_words`.
        activations: [rows, ...]; positions count through all axes, from the first row's number on.
        rate: the share that is zeroed.
    """
    shape = activations.shape
    positions = jnp.broadcast_to(words[2] * jnp.uint32(math.prod(shape[1:]) % 2**32), shape)
    for axis in range(len(shape)):
        stride = math.prod(shape[axis + 1 :]) % 2**32
        positions += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(stride)
    scale = jnp.asarray(1 / (1 - rate), activations.dtype)
    return jnp.where(keep_mask(words, positions, rate), activations * scale, 0)


class StochasticDepth(nn.Module):
    """Drops all that a sublayer adds to a row, with probability `rate`, and scales it up elsewhere (Huang et al. 2016).

    That paper scales down in use instead, which comes to the same.
    """

    rate: float

    @nn.compact
    def __call__(self, output: jax.Array, deterministic: bool) -> jax.Array:
        """[batch, ...] -> the same; the identity if `deterministic` or the rate is 0."""
        if deterministic or self.rate == 0:
            return output
        factors = jnp.ones((output.shape[0], *(1,) * (output.ndim - 1)), output.dtype)
        return output * drop(key_words(self.make_rng("dropout"), len(factors)), factors, self.rate)


class Dropout(nn.Module):
    """`drop`, by the rng stream `dropout`."""

    rate: float

    @nn.compact
    def __call__(self, activations: jax.Array, deterministic: bool, words: jax.Array | None = None) -> jax.Array:
        """Same shape and dtype out; the identity if `deterministic` or the rate is 0. `words` are for `drop`, if those
        of its own key are not meant."""
        if deterministic or self.rate == 0:
            return activations
        words = key_words(self.make_rng("dropout"), len(activations)) if words is None else words
        return drop(words, activations, self.rate)
