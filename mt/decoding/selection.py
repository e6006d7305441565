"""Which continuations of a beam's hypotheses end, and which live on."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mt.decoding.top_k import plain_top_k, top_k

NEVER = -1e9  # the log-probability of what is not allowed


class Selected(NamedTuple):
    """Of each sentence. Log-probabilities are float32, and `NEVER` where there are not so many.

    Attributes:
        ends: [batch, n], of hypotheses that end now.
        end_parents: int [batch, n], which they are.
        log_probs: [batch, beam], of those that live on.
        parents: int [batch, beam], which they go on from.
        tokens: int [batch, beam], and by what.
    """

    ends: jax.Array
    end_parents: jax.Array
    log_probs: jax.Array
    parents: jax.Array
    tokens: jax.Array


def select(totals: jax.Array, eos: int) -> Selected:
    """Those end whose end is among the best `beam` continuations; the best others live on.

    Args:
        totals: float32 [batch, beam, vocab], log-probabilities of all continuations.
        eos: the token that ends a hypothesis.
    """
    beam, vocab = totals.shape[1:]
    best, flat = top_k(totals.reshape(len(totals), beam * vocab), 2 * beam)
    parents, tokens = flat // vocab, flat % vocab
    is_end = tokens == eos
    ends = jnp.where(is_end[:, :beam], best[:, :beam], NEVER)
    log_probs, places = plain_top_k(jnp.where(is_end, NEVER, best), beam)
    return Selected(ends, parents[:, :beam], log_probs, *(_at(places, each) for each in (parents, tokens)))


def _at(places: jax.Array, values: jax.Array) -> jax.Array:
    return jnp.take_along_axis(values, places, axis=1)
