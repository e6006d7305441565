"""Which tokens of a text a model must find."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mt.data.tokenizer import EOS
from mt.layers.rows import first_row
from mt.models.interface import Text
from mt.training.losses import projected_cross_entropy
from mt.training.objectives import Sums


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


def word_begins(word_starts: np.ndarray, text: Text) -> jax.Array:
    """Which tokens begin a word, bool [rows, length].

    Args:
        word_starts: bool [vocab], which pieces do.
        text: whose every segment begins one too.
    """
    return jnp.asarray(word_starts)[text.tokens] | (text.positions == 0)


def sums_of_chosen(
    found: jax.Array,
    projection: tuple[jax.Array, jax.Array | None],
    text: Text,
    chosen: Chosen,
    label_smoothing: float,
) -> Sums:
    """The cross-entropy of what was to be found: "loss", "nll" and "weight" of it, and "tokens", of all the text.

    Args:
        found: [rows, most, model_dim], what the model makes of each of the places.
        projection: as a model's `output_projection`.
        text: as it is.
        chosen: of it.
        label_smoothing: in [0, 1).
    """
    right = jnp.take_along_axis(text.tokens, chosen.places, axis=1).reshape(-1)
    weights = chosen.there.astype(jnp.float32).reshape(-1)
    flat = found.reshape(-1, found.shape[-1])
    loss, nll = projected_cross_entropy(flat, *projection, right, weights, label_smoothing)
    tokens = jnp.sum(text.segments > 0).astype(jnp.float32)
    return {"loss": loss, "nll": nll, "weight": jnp.sum(weights), "tokens": tokens}


def row_keys(rng: jax.Array, stream: int, rows: int) -> jax.Array:
    """A key a row, which depends on its place in the whole batch, however many devices share it."""
    numbers = first_row(rows) + jnp.arange(rows, dtype=jnp.uint32)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.fold_in(rng, stream), numbers)
