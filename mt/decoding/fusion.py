"""Shallow fusion: a language model of the target has its say in the search."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from mt.models.interface import Cache, Params, Searchable

DEFAULT_WEIGHT = 0.2


@dataclasses.dataclass(frozen=True)
class Fused:
    """What a search may ask of a translator and a language model of the same vocabulary (Gülçehre et al. 2015, section
    4.1). Parameters and caches are pairs.

    Attributes:
        translator: the one.
        language_model: the other, which has no source.
        weight: of its log-probabilities, which are added to the translator's.
    """

    translator: Any
    language_model: Searchable
    weight: float
    gives_scores: ClassVar = True

    def start(self, params: Params, source: jax.Array, beam_size: int, max_length: int) -> Cache:
        """See `interface.Searchable`."""
        return (
            self.translator.start(params[0], source, beam_size, max_length),
            self.language_model.start(params[1], nothing(source), beam_size, max_length),
        )

    def step(self, params: Params, tokens: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
        """See `interface.Searchable`. The logits are both log-probabilities, weighted."""
        logits, own = self.translator.step(params[0], tokens, cache[0])
        logits, its = self.with_language_model(params[1], logits, tokens, cache[1])
        return logits, (own, its)

    def with_language_model(
        self, params: Params, logits: jax.Array, tokens: jax.Array, cache: Cache
    ) -> tuple[jax.Array, Cache]:
        """The translator's logits with what the language model says, and that one's cache."""
        others, cache = self.language_model.step(params, tokens, cache)
        return jax.nn.log_softmax(logits) + self.weight * jax.nn.log_softmax(others), cache

    def reorder(self, cache: Cache, parents: jax.Array) -> Cache:
        """See `interface.Searchable`."""
        return self.translator.reorder(cache[0], parents), self.language_model.reorder(cache[1], parents)


def nothing(source: jax.Array) -> jax.Array:
    """Sources that say nothing, int [batch, 1], for as many rows: padding alone."""
    return jnp.zeros_like(source[:, :1])
