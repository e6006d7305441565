"""What models that write step by step have in common: hypotheses that stay where they are, and a mask of who descends
from whom."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mt.models.interface import Cache, Params


class SearchableModule(nn.Module):
    """An `interface.Searchable` of the methods `_start` and `_step`, which are as `start` and `step` without
    parameters, and of a cache with a field `ancestry`."""

    def start(self, params: Params, source: jax.Array, beam_size: int, max_length: int) -> Cache:
        """See `interface.Searchable`."""
        return self.apply({"params": params}, source, beam_size, max_length, method="_start")

    def step(self, params: Params, tokens: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
        """See `interface.Searchable`."""
        stepped: Any = self.apply({"params": params}, tokens, cache, method="_step")
        return stepped

    def reorder(self, cache: Cache, parents: jax.Array) -> Cache:
        """See `interface.Searchable`. Only the ancestry moves: the keys and values stay where they are."""
        ancestry = jnp.take_along_axis(cache.ancestry, parents[:, :, None, None], axis=1)
        return cache._replace(ancestry=ancestry)


def no_ancestors(batch: int, beam: int, max_length: int) -> jax.Array:
    """Before the first step: bool [batch, beam, max_length, beam]; at [b, i, t, j], hypothesis i had at step t been
    hypothesis j."""
    return jnp.zeros((batch, beam, max_length, beam), bool)


def with_themselves(ancestry: jax.Array, position: jax.Array) -> jax.Array:
    """The ancestry once each hypothesis is itself at a step, int []."""
    batch, beam = ancestry.shape[:2]
    own_slot = jnp.broadcast_to(jnp.eye(beam, dtype=bool)[None, :, None], (batch, beam, 1, beam))
    return jax.lax.dynamic_update_slice_in_dim(ancestry, own_slot, position, axis=2)
