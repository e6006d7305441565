"""Local self-attention: positions look at their own chunk of the sequence and at its neighbours."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from mt.layers.chunked_attention import ChunkedSelfAttention, Past, Slots
from mt.layers.chunks import Places, attend_in_chunks, in_chunks, pad_length
from mt.layers.relative_attention import rotate


class LocalSelfAttention(ChunkedSelfAttention):
    """Chunks stand where the sequence has them; nothing is hashed, and nothing sorted.

    Attributes:
        rotary: whether queries and keys are turned by their positions, see `relative_attention.rotate`.
    """

    rotary: bool = False

    parts = 3
    others_first = False

    def _hash(self, projected: list[jax.Array], rotations: jax.Array | None) -> jax.Array:
        batch, heads, length, _ = projected[0].shape
        return jnp.zeros((batch, heads, 0, length), jnp.int32)

    def _order(self, buckets: jax.Array, segments: jax.Array) -> Any:
        return ()

    def _attend(self, projected: list[jax.Array], segments: jax.Array, order: Any, deterministic: bool) -> jax.Array:
        batch, length = segments.shape
        window = self.window.covering(length)
        whole = window.padded(length)
        query, keys, values = (
            in_chunks(pad_length(each, whole, axis=2), 1, window.length, axis=2) for each in projected
        )
        places = Places(
            in_chunks(jnp.arange(whole)[None, None], 1, window.length, axis=2),
            in_chunks(pad_length(segments, whole, axis=1)[:, None], 1, window.length, axis=2),
        )
        attended, _ = attend_in_chunks(
            self._scaled(query), keys, values, places, window, self.causal, dropout=self._keep(batch, deterministic)
        )
        return attended.reshape(batch, self.num_heads, whole, -1)[:, :, :length]

    def _placed(self, parts: list[jax.Array], positions: jax.Array) -> list[jax.Array]:
        if not self.rotary:
            return parts
        *turned, values = parts
        return [*(rotate(each, positions) for each in turned), values]

    def _scaled(self, query: jax.Array) -> jax.Array:
        return query / math.sqrt(query.shape[-1])

    def _keys(self, projected: list[jax.Array]) -> jax.Array:
        return projected[1]

    def _times(self, past: Past, slots: Slots) -> jax.Array:
        chunk, chunks = (each // self.window.length for each in (slots.position, slots.positions))
        near = chunks[:, None] >= chunk[..., None] - self.window.before
        return (slots.descends & near)[:, None]
