"""A language model as a search sees it: a text's beginning is the source, and what follows the translation."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mt.models.interface import Cache, Params, Searchable


class ContinuingCache(NamedTuple):
    """A model's cache, and what it is to read first.

    Attributes:
        inner: the model's.
        last: int32 [batch], the last token of each beginning.
        begun: bool [], whether it has been read.
    """

    inner: Cache
    last: jax.Array
    begun: jax.Array


@dataclasses.dataclass(frozen=True)
class Continuing:
    """An `interface.Searchable` that goes on with its source, which begins with bos, and has no end.

    Attributes:
        model: that reads its source as what stands before the target.
    """

    model: Searchable

    def start(self, params: Params, source: jax.Array, beam_size: int, max_length: int) -> ContinuingCache:
        """See `interface.Searchable`."""
        lengths = jnp.sum(source > 0, axis=1, keepdims=True)
        last = jnp.take_along_axis(source, jnp.maximum(lengths - 1, 0), axis=1)[:, 0]
        before = jnp.where(jnp.arange(source.shape[1]) < lengths - 1, source, 0)
        inner = self.model.start(params, before, beam_size, max_length)
        return ContinuingCache(inner, last, jnp.zeros((), bool))

    def step(self, params: Params, tokens: jax.Array, cache: ContinuingCache) -> tuple[jax.Array, ContinuingCache]:
        """See `interface.Searchable`. The token that the search begins with is not read."""
        tokens = jnp.where(cache.begun, tokens, cache.last[:, None])
        logits, inner = self.model.step(params, tokens, cache.inner)
        return logits, ContinuingCache(inner, cache.last, jnp.ones((), bool))

    def reorder(self, cache: ContinuingCache, parents: jax.Array) -> ContinuingCache:
        """See `interface.Searchable`."""
        return cache._replace(inner=self.model.reorder(cache.inner, parents))
