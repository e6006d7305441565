"""Locality-sensitive hashing by random rotations (Andoni et al. 2015; Kitaev et al. 2020, section 2)."""

import math

import jax
import jax.numpy as jnp


def bucket_factors(length: int, chunk: int) -> tuple[int, ...]:
    """How many buckets there should be: two to a chunk, as a power of two, so that a bucket's positions are half as
    many as a chunk's. Where they are many, two smaller hashes make one, each of about the root as many buckets.

    Args:
        length: of the sequences.
        chunk: positions that a chunk has.

    Returns:
        Even numbers, whose product is the number of buckets.
    """
    power = max((2 * length // chunk).bit_length() - 1, 1)
    if power > 1 and 2**power > 2 * max(math.isqrt(length // chunk), chunk):
        return 2 ** (power // 2), 2 ** (power - power // 2)
    return (2**power,)


def random_rotations(key: jax.Array, heads: int, head_dim: int, rounds: int, buckets: tuple[int, ...]) -> jax.Array:
    """What vectors are hashed by: float32 [heads, head_dim, rounds, sum(buckets) / 2], normal."""
    return jax.random.normal(key, (heads, head_dim, rounds, sum(buckets) // 2), jnp.float32)


def hash_vectors(vectors: jax.Array, rotations: jax.Array, buckets: tuple[int, ...]) -> jax.Array:
    """The bucket of each vector in each round: h(x) = argmax([x R; -x R]) of a random R (section 2).

    Several factors are a hash each, and the bucket is the combination of theirs.

    Args:
        vectors: [batch, heads, length, head_dim].
        rotations: see `random_rotations`.
        buckets: factors of their number, each even.

    Returns:
        int32 [batch, heads, rounds, length].
    """
    rotated = jnp.einsum("bhld,hdrk->bhrlk", jax.lax.stop_gradient(vectors).astype(jnp.float32), rotations)
    found: jax.Array | int = 0
    start, stride = 0, 1
    for factor in buckets:
        own = rotated[..., start : start + factor // 2]
        found += stride * jnp.argmax(jnp.concatenate([own, -own], axis=-1), axis=-1).astype(jnp.int32)
        start, stride = start + factor // 2, stride * factor
    return jnp.asarray(found)
