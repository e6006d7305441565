"""The k largest of many numbers, exactly, at the cost of little more than reading them once."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax
import jax.numpy as jnp

_BLOCK = 64
_BY_SORTING = contextvars.ContextVar("by_sorting", default=False)


@contextlib.contextmanager
def by_sorting() -> Iterator[None]:
    """Programs traced meanwhile sort, for readers of StableHLO that are too old to know JAX's own operation."""
    token = _BY_SORTING.set(True)
    try:
        yield
    finally:
        _BY_SORTING.reset(token)


def plain_top_k(values: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """As `jax.lax.top_k`, for few numbers."""
    if not _BY_SORTING.get():
        found = jax.lax.top_k(values, k)
        return found[0], found[1]
    index = jax.lax.broadcasted_iota(jnp.int32, values.shape, values.ndim - 1)
    negated, index = jax.lax.sort((-values, index), dimension=-1, num_keys=1, is_stable=True)
    return -negated[..., :k], index[..., :k]


def top_k(values: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """As `jax.lax.top_k`: the k largest along the last axis, largest first, the earlier of equals first.

    Sorting is what costs, so only blocks that can hold a winner are sorted: each of the k largest lies in one of the k
    blocks of the largest maxima.

    Args:
        values: float [..., n].
        k: at most n.

    Returns:
        Values and their indices, both [..., k].
    """
    n = values.shape[-1]
    blocks = -(-n // _BLOCK)
    if blocks <= 2 * k:
        return plain_top_k(values, k)
    padding = [(0, 0)] * (values.ndim - 1) + [(0, blocks * _BLOCK - n)]
    blocked = jnp.pad(values, padding, constant_values=-jnp.inf).reshape(*values.shape[:-1], blocks, _BLOCK)
    _, best = plain_top_k(jnp.max(blocked, axis=-1), k)  # [..., k]
    best = jnp.sort(best, axis=-1)  # back in the order of the values, so that the earlier of equals is found first
    candidates = jnp.take_along_axis(blocked, best[..., None], axis=-2)  # [..., k, block]
    found, place = plain_top_k(candidates.reshape(*values.shape[:-1], k * _BLOCK), k)
    index = jnp.take_along_axis(best, place // _BLOCK, axis=-1) * _BLOCK + place % _BLOCK
    return found, index
