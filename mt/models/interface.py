"""What a trainer and a search may ask of any model."""

from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp

Params: TypeAlias = Any  # a tree of arrays
Cache: TypeAlias = Any  # a tree of arrays, whose structure only the model knows
Batch: TypeAlias = dict[str, jax.Array]


class Searchable(Protocol):
    """What beam search needs: a cache that starts from a source, steps by a token and follows the hypotheses."""

    def start(self, params: Params, source: jax.Array, beam_size: int, max_length: int) -> Cache:
        """Reads the source.

        Args:
            source: int [batch, source_length], padded with 0.
            beam_size: hypotheses a sentence.
            max_length: how many steps the cache must hold.
        """
        ...

    def step(self, params: Params, tokens: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
        """Reads the last token of every hypothesis, int [batch, beam]: float32 logits [batch, beam, vocab]."""
        ...

    def reorder(self, cache: Cache, parents: jax.Array) -> Cache:
        """Hypothesis i goes on from hypothesis `parents[batch, i]`, int [batch, beam]."""
        ...


def dummy_batch() -> Batch:
    """The smallest training batch: what a model's parameters are initialised with."""
    names = [f"{side}_{field}" for side in ("source", "target") for field in ("tokens", "positions", "segments")]
    return {name: jnp.ones((1, 1), jnp.int32) for name in [*names, "target_inputs"]}
