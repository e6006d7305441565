"""Repeated words: which next ones would repeat an n-gram, and whether a text runs in circles."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

# A run in circles repeats up to so many words, so often, and is so long.
_LONGEST_CIRCLE, _TIMES, _SHORTEST_RUN = 12, 4, 8


def completes_a_repetition(tokens: jax.Array, step: jax.Array, size: int, vocab: int) -> jax.Array:
    """Which next tokens would complete an n-gram that stands in their hypothesis already.

    Args:
        tokens: int32 [batch, beam, length], the hypotheses, at 1 to `step`; what stands at 0 begins all of them.
        step: int32 [].
        size: of the n-grams.
        vocab: how many tokens there are.

    Returns:
        bool [batch, beam, vocab].
    """
    batch, beam, length = tokens.shape
    windows = length - size + 1
    if windows < 1:
        return jnp.zeros((batch, beam, vocab), bool)
    last = jax.lax.dynamic_slice_in_dim(tokens, step - size + 2, size - 1, axis=2) if size > 1 else tokens[:, :, :0]
    start = jnp.arange(windows)
    same = jnp.broadcast_to((start >= 1) & (start + size - 1 <= step), (batch, beam, windows))
    for place in range(size - 1):
        same &= tokens[:, :, place : place + windows] == last[:, :, place, None]
    row, hypothesis = jnp.arange(batch)[:, None, None], jnp.arange(beam)[None, :, None]
    return jnp.zeros((batch, beam, vocab), bool).at[row, hypothesis, tokens[:, :, size - 1 :]].max(same)


def longest_circle(words: Sequence[object]) -> int:
    """How many words follow each other again and again, as where a decoder is caught in a loop; 0 if none do."""
    longest = 0
    for circle in range(1, _LONGEST_CIRCLE + 1):
        run = 0
        for before, word in zip(words, words[circle:]):
            run = run + 1 if before == word else 0
            if run >= max(circle * (_TIMES - 1), _SHORTEST_RUN - circle):
                longest = max(longest, run + circle)
    return longest
