"""Attention within chunks of a sequence: each looks at itself and at its neighbours."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Scores of what is not seen, and of a position for itself where it looks at others: it is left to itself where there
# are no others.
HIDDEN, ITSELF = -1e9, -1e5


class Window(NamedTuple):
    """How far chunks see.

    Attributes:
        length: positions a chunk has.
        before: chunks that are seen before it.
        after: chunks that are seen after it.
        circular: whether chunks stand in a circle: the last one is before the first. Otherwise nothing is.
    """

    length: int
    before: int = 1
    after: int = 0
    circular: bool = False

    def covering(self, length: int) -> "Window":
        """The same for a sequence of that length: one chunk, if it holds all of it."""
        return Window(length, 0, 0) if length <= self.length else self

    def padded(self, length: int) -> int:
        """The length of whole chunks."""
        return -(-length // self.length) * self.length


class Places(NamedTuple):
    """Where what stands in chunks is of.

    Attributes:
        positions: int [batch or 1, heads or 1, rings, chunks, chunk], in the sequence.
        segments: int, the same, which part of it, such as a sentence; 0 is padding. Parts see themselves alone, and
            padding sees padding.
    """

    positions: jax.Array
    segments: jax.Array


def pad_length(values: jax.Array, length: int, axis: int) -> jax.Array:
    """With zeros at the end of an axis, which then has that length."""
    room = [(0, 0)] * values.ndim
    room[axis] = 0, length - values.shape[axis]
    return jnp.pad(values, room)


def in_chunks(values: jax.Array, rings: int, length: int, axis: int) -> jax.Array:
    """[..., rings * chunks * chunk, ...] -> [..., rings, chunks, chunk, ...], of an axis."""
    shape = values.shape
    return values.reshape(*shape[:axis], rings, -1, length, *shape[axis + 1 :])


def with_neighbours(values: jax.Array, window: Window, axis: int) -> jax.Array:
    """What each chunk sees: [..., chunks, chunk, ...] -> [..., chunks, keys, ...]. Round the circle even where there is
    none: see `is_there`.

    Args:
        values: of single positions.
        window: how far is seen.
        axis: of the chunks.
    """
    offsets = range(-window.before, window.after + 1)
    return jnp.concatenate([jnp.roll(values, -offset, axis) if offset else values for offset in offsets], axis + 1)


def is_there(chunks: int, window: Window) -> jax.Array:
    """Which of what `with_neighbours` gives is not beyond either end: bool [chunks, 1, keys]."""
    offsets = jnp.repeat(jnp.arange(-window.before, window.after + 1), window.length)
    chunk = jnp.arange(chunks)[:, None] + offsets
    return (window.circular | ((chunk >= 0) & (chunk < chunks)))[:, None]


def average(
    scores: jax.Array, values: jax.Array, dropout: Callable[[jax.Array], jax.Array] = lambda weights: weights
) -> tuple[jax.Array, jax.Array]:
    """Values averaged by the softmax of their scores.

    Args:
        scores: float32 [..., query, key].
        values: [..., key, head_dim].
        dropout: what is done to the weights before they are used.

    Returns:
        [..., query, head_dim], in the dtype of the values, and the logarithm of the sum of the scores' exponentials,
        float32 [..., query], by which averages of several sets of keys become one of all.
    """
    # Less the highest, not less the logarithm, which is rounded to hundredths where a position sees itself alone.
    highest = jax.lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True))
    exponentials = jnp.exp(scores - highest)
    total = jnp.sum(exponentials, axis=-1, keepdims=True)
    weights = dropout(exponentials / total).astype(values.dtype)
    return jnp.einsum("...qk,...kd->...qd", weights, values), (highest + jnp.log(total))[..., 0]


def attend_in_chunks(
    query: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    places: Places,
    window: Window,
    causal: bool,
    bias: jax.Array | None = None,
    others_first: bool = False,
    dropout: Callable[[jax.Array], jax.Array] = lambda weights: weights,
) -> tuple[jax.Array, jax.Array]:
    """Each chunk's queries look at its own keys and its neighbours' (Kitaev et al. 2020, section 2, figure 2d).

    Args:
        query: [batch, heads, rings, chunks, chunk, head_dim], scaled.
        keys: the same shape.
        values: the same shape.
        places: where they are of.
        window: how far chunks see, of their own ring.
        causal: whether only positions up to a query's own are seen.
        bias: float32 [batch, heads, rings, chunks, chunk, keys], what is added to the scores of what is seen.
        others_first: whether a position sees itself only where there is nothing else.
        dropout: what is done to the weights before they are used.

    Returns:
        [batch, heads, rings, chunks, chunk, head_dim], and the logarithm of the sum of the scores' exponentials,
        float32 [batch, heads, rings, chunks, chunk].
    """
    keys, values = (with_neighbours(each, window, axis=3) for each in (keys, values))
    scores = jnp.einsum("...qd,...kd->...qk", query, keys, preferred_element_type=jnp.float32)
    scores = scores if bias is None else scores + bias
    own = Places(*(each[..., None] for each in places))
    theirs = Places(*(with_neighbours(each, window, axis=3)[..., None, :] for each in places))
    seen = (own.segments == theirs.segments) & is_there(query.shape[3], window)
    if causal:
        seen &= own.positions >= theirs.positions
    if others_first:
        scores = jnp.where(own.positions == theirs.positions, ITSELF, scores)
    return average(jnp.where(seen, scores, HIDDEN), values, dropout)
