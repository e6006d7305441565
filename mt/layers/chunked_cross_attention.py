"""Encoder-decoder attention of some queries at a time, each of which sees all of its source."""

import jax
import jax.numpy as jnp

from mt.layers.attention import CrossAttention, attention_in_training
from mt.layers.chunks import pad_length
from mt.layers.dropout import key_words
from mt.layers.masks import segment_mask


class ChunkedCrossAttention(CrossAttention):
    """As `CrossAttention`, but the scores of no more than `chunk` queries a row are there at once, in the backward pass
    either, which computes them anew; 0 is all of them. Dropout's random bits differ from chunk to chunk."""

    chunk: int = 0

    def cuts(self, length: int) -> bool:
        """Whether so many queries are more than one chunk."""
        return 0 < self.chunk < length

    def between(
        self,
        inputs: jax.Array,
        memory: jax.Array,
        segments: jax.Array,
        memory_segments: jax.Array,
        deterministic: bool,
    ) -> jax.Array:
        """Queries see keys of their own segment.

        Args:
            inputs: [batch, query, model_dim].
            memory: [batch, key, model_dim].
            segments: int [batch, query].
            memory_segments: int [batch, key].
            deterministic: whether there is no dropout.

        Returns:
            [batch, query, model_dim].
        """
        batch, length, _ = inputs.shape
        if not self.cuts(length):
            return self(inputs, memory, segment_mask(segments, memory_segments), deterministic)
        projected = self.key_value(memory)
        keys_values = projected.reshape(*projected.shape[:2], -1)
        rate = 0.0 if deterministic else self.dropout
        key = self.make_rng("dropout") if rate else None
        chunks = -(-length // self.chunk)

        def of_chunk(part: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            number, query, own = part
            words = jnp.zeros(3, jnp.uint32) if key is None else key_words(jax.random.fold_in(key, number), batch)
            mask = segment_mask(own, memory_segments)
            return attention_in_training((query, keys_values), mask, words, self.num_heads, rate)

        def cut(values: jax.Array) -> jax.Array:
            """[batch, query, ...] -> [chunks, batch, chunk, ...]."""
            padded = pad_length(values, chunks * self.chunk, axis=1)
            return jnp.moveaxis(padded.reshape(batch, chunks, self.chunk, *values.shape[2:]), 1, 0)

        attended = jax.lax.map(jax.checkpoint(of_chunk), (jnp.arange(chunks), cut(self.query(inputs)), cut(segments)))
        attended = jnp.moveaxis(attended, 0, 1).reshape(batch, chunks * self.chunk, -1)[:, :length]
        return self.output(attended)
