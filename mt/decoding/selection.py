"""Which continuations of a beam's hypotheses end, and which live on."""

from collections.abc import Callable
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
    best, flat = top_k(totals.reshape(totals.shape[0], beam * vocab), 2 * beam)
    parents, tokens = flat // vocab, flat % vocab
    is_end = tokens == eos
    ends = jnp.where(is_end[:, :beam], best[:, :beam], NEVER)
    log_probs, places = plain_top_k(jnp.where(is_end, NEVER, best), beam)
    return Selected(ends, parents[:, :beam], log_probs, take(parents, places), take(tokens, places))


def select_in_groups(
    totals: jax.Array, groups: int, strength: float, eos: int, select_one: Callable[[jax.Array, int], Selected]
) -> Selected:
    """Parts of a beam select one after the other, each the less inclined to a token the more often those before it have
    chosen it in this step (diverse beam search, Vijayakumar et al. 2018, section 3.1, with Hamming diversity).

    Args:
        totals: see `select`.
        groups: how many parts; must divide the beam.
        strength: in nats, of each time that a token was chosen.
        eos: the token that ends a hypothesis.
        select_one: selects of a part's continuations [batch, beam / groups, vocab], the number of which it is told.

    Returns:
        Log-probabilities without what diversity took off. The ends of each part follow those of the one before it.
    """
    batch, beam, vocab = totals.shape
    size = beam // groups
    chosen = jnp.zeros((batch, vocab), jnp.float32)
    parts = []
    for group in range(groups):
        own = totals[:, group * size : (group + 1) * size]
        taken_off = strength * chosen
        part = select_one(jnp.where(own > NEVER, own - taken_off[:, None], NEVER), group)
        back = jnp.take_along_axis(taken_off, part.tokens, axis=1)
        part = part._replace(
            ends=jnp.where(part.ends > NEVER, part.ends + taken_off[:, eos, None], NEVER),
            log_probs=jnp.where(part.log_probs > NEVER, part.log_probs + back, NEVER),
            parents=part.parents + group * size,
            end_parents=part.end_parents + group * size,
        )
        parts.append(part)
        lives = (part.log_probs > NEVER).astype(jnp.float32)
        chosen = chosen.at[jnp.arange(batch)[:, None], part.tokens].add(lives)
    return Selected(*(jnp.concatenate(values, axis=1) for values in zip(*parts)))


def take(values: jax.Array, places: jax.Array) -> jax.Array:
    """Of [batch, n, ...], those at int [batch, m]: [batch, m, ...]."""
    return jnp.take_along_axis(values, places.reshape(*places.shape, *[1] * (values.ndim - 2)), axis=1)
