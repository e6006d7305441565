"""Several models as one: each token's probability is the mean of theirs."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from mt.models.interface import Cache, Params, Searchable


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """What a search may ask of a model, of several that share their vocabularies. Parameters and caches are tuples.

    Attributes:
        members: the models.
    """

    members: tuple[Any, ...]

    def start(self, params: Params, source: jax.Array, beam_size: int, max_length: int) -> Cache:
        """See `interface.Searchable`."""
        return tuple(member.start(own, source, beam_size, max_length) for member, own in zip(self._searchable, params))

    def step(self, params: Params, tokens: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
        """See `interface.Searchable`. The logits are log-probabilities."""
        stepped = [member.step(own, tokens, its) for member, own, its in zip(self._searchable, params, cache)]
        mean = log_mean([jax.nn.log_softmax(logits) for logits, _ in stepped])
        return mean, tuple(its for _, its in stepped)

    def reorder(self, cache: Cache, parents: jax.Array) -> Cache:
        """See `interface.Searchable`."""
        return tuple(member.reorder(its, parents) for member, its in zip(self._searchable, cache))

    @property
    def _searchable(self) -> tuple[Searchable, ...]:
        return self.members


def log_mean(log_probs: list[jax.Array]) -> jax.Array:
    """The logarithm of the mean of probabilities."""
    return jax.nn.logsumexp(jnp.stack(log_probs), axis=0) - jnp.log(len(log_probs))
