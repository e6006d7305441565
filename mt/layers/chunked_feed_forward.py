"""The feed-forward network of some positions at a time (Kitaev et al. 2020, section 3, "Chunking")."""

from typing import Any

import jax
import jax.numpy as jnp

from mt.layers.dropout import key_words
from mt.layers.feed_forward import FeedForward


class ChunkedFeedForward(FeedForward):
    """As `FeedForward`, dropout's random bits too, but no more than `chunk` positions are as wide as it is inside at
    once, in the backward pass either, which computes them anew. 0 is all of them."""

    chunk: int = 0

    def __call__(self, inputs: jax.Array, deterministic: bool, words: jax.Array | None = None) -> jax.Array:
        """See `FeedForward`."""
        batch, length, model_dim = inputs.shape
        if words is None and self.dropout and not deterministic:
            words = key_words(self.make_rng("dropout"), batch)
        if not self.chunk or batch * length <= self.chunk or self.is_initializing():
            return super().__call__(inputs, deterministic, words)
        network = FeedForward(self.model_dim, self.ff_dim, self.activation, self.dropout, self.dtype, parent=None)
        params = self.variables["params"]
        chunks = -(-batch * length // self.chunk)

        def of_chunk(numbered: tuple[jax.Array, jax.Array]) -> jax.Array:
            number, positions = numbered
            own = None
            if words is not None:  # positions are counted as rows, from those of other devices and chunks on
                first = words[2] * jnp.uint32(length) + number.astype(jnp.uint32) * jnp.uint32(self.chunk)
                own = words.at[2].set(first)
            found: Any = network.apply({"params": params}, positions, deterministic, own)
            return found

        flat = inputs.reshape(batch * length, model_dim)
        flat = jnp.pad(flat, ((0, chunks * self.chunk - len(flat)), (0, 0)))
        found = jax.lax.map(jax.checkpoint(of_chunk), (jnp.arange(chunks), flat.reshape(chunks, self.chunk, model_dim)))
        return found.reshape(-1, model_dim)[: batch * length].reshape(inputs.shape)
