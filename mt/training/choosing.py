"""Which tokens of a text a model must find."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mt.data.tokenizer import EOS
from mt.layers.rows import first_row


class Chosen(NamedTuple):
    """Tokens that must be found.

    Attributes:
        places: int [rows, most], where in the row they stand.
        there: bool [rows, most], which of the places count.
    """

    places: jax.Array
    there: jax.Array


def choose(
    tokens: jax.Array, segments: jax.Array, keys: jax.Array, share: float, begins: jax.Array | None = None
) -> Chosen:
    """Tokens by lot, sentences' ends never.

    Args:
        tokens: int [rows, length].
        segments: int [rows, length]; 0 is padding.
        keys: of JAX, [rows].
        share: of a row's tokens, in (0, 1); of one at least.
        begins: bool [rows, length], which tokens begin a word, if all of a word's tokens are to be chosen or none.
    """
    return jax.vmap(_choose, in_axes=(0, 0, 0, None, None if begins is None else 0))(
        tokens, segments, keys, share, begins
    )


def _choose(tokens: jax.Array, segments: jax.Array, key: jax.Array, share: float, begins: jax.Array | None) -> Chosen:
    """Of one row, [length]."""
    length = len(tokens)
    candidates = (segments > 0) & (tokens != EOS)
    many = jnp.round(share * jnp.sum(candidates)).astype(jnp.int32)
    many = jnp.maximum(many, jnp.any(candidates))
    lots = jax.random.uniform(jax.random.fold_in(key, 0), (length,))
    words = jnp.arange(length)
    if begins is not None:
        words = jnp.cumsum(begins | ~candidates) - 1
        lots = lots[words]
    most = min(length, math.ceil(share * length) + 1)
    drawn, places = jax.lax.top_k(jnp.where(candidates, lots, -1.0), most)
    there = (jnp.arange(most) < many) & (drawn >= 0)
    if begins is not None:
        # A word that has no room for all of its tokens is not chosen at all.
        chosen_words = words[places]
        sizes = jnp.zeros(length, jnp.int32).at[words].add(candidates)
        counts = jnp.zeros(length, jnp.int32).at[chosen_words].add(there)
        there &= (counts == sizes)[chosen_words]
    return Chosen(places, there)


def row_keys(rng: jax.Array, stream: int, rows: int) -> jax.Array:
    """A key a row, which depends on its place in the whole batch, however many devices share it."""
    numbers = first_row(rows) + jnp.arange(rows, dtype=jnp.uint32)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.fold_in(rng, stream), numbers)
