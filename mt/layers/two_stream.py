"""XLNet's self-attention (Yang et al. 2019): one stream knows what stands at a place, the other only where it is."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mt.layers.attention import KeysValues, scaled_dot_product_attention
from mt.layers.blocks import EncoderBlock
from mt.layers.dropout import drop, key_words
from mt.layers.relative_attention import RelativeSelfAttention


class Look(NamedTuple):
    """Who looks at the keys.

    Attributes:
        places: int [batch or 1, query], where they stand, counted as the keys are.
        mask: bool [batch, 1, query, key], which keys they see.
        same_kind: bool [batch, query, key], which keys are of the same kind of text as they; None is all of them.
    """

    places: jax.Array
    mask: jax.Array
    same_kind: jax.Array | None


class TwoStreamSelfAttention(RelativeSelfAttention):
    """Keys and values are of the content alone; a key counts by what it is, by how far away it is, and by whether it is
    of the same kind of text (sections 2.3, 2.4 and 2.5)."""

    def setup(self):
        super().setup()
        shape = self.num_heads, self.model_dim // self.num_heads
        self.kind_bias = self.param("kind_bias", nn.initializers.zeros, shape, jnp.float32)
        self.kinds = self.param("kinds", nn.initializers.normal(0.02), (2, *shape), jnp.float32)  # the same; another

    def streams(
        self,
        content: jax.Array,
        memory: jax.Array | None,
        queries: jax.Array | None,
        looks: tuple[Look, Look | None],
        key_places: jax.Array,
        backwards: jax.Array | None,
        deterministic: bool,
    ) -> tuple[jax.Array, jax.Array | None]:
        """Both streams.

        Args:
            content: [batch, length, model_dim].
            memory: [batch, memory_length, model_dim], what stands before it, and is looked at too.
            queries: [batch, query, model_dim] of places whose content is not known to them, if there are any.
            looks: of the content, and of the queries.
            key_places: int [batch or 1, memory_length + length], where memory and content stand.
            backwards: bool [batch], which rows stand in the order from the last token to the first.
            deterministic: whether there is no dropout.

        Returns:
            The shapes of `content` and `queries`.
        """
        batch, length, _ = content.shape
        own = self.query_key_value(content)  # [batch, length, 3, model_dim]
        keys_values = own[:, :, 1:]
        if memory is not None:
            keys_values = jnp.concatenate([self.project_parts(memory, slice(1, 3)), keys_values], axis=1)
        keys, values = (
            jnp.swapaxes(keys_values[:, :, part].reshape(batch, keys_values.shape[1], self.num_heads, -1), 1, 2)
            for part in range(2)
        )
        looked_at = KeysValues(jnp.swapaxes(keys, 2, 3), values)
        farthest = looked_at.keys.shape[-1] - 1
        distances = self.encoded(farthest - jnp.arange(2 * farthest + 1))

        def attended(projected: jax.Array, look: Look) -> jax.Array:
            query = jnp.swapaxes(projected.reshape(batch, projected.shape[1], self.num_heads, -1), 1, 2)
            bias = self._by_place(query, look.places, key_places, distances, backwards)
            if look.same_kind is not None:
                bias += self._by_kind(query, look.same_kind)
            query += self._each_head(self.content_bias, query.dtype)
            keep: Callable[[jax.Array], jax.Array] = lambda weights: weights  # noqa: E731
            if self.dropout and not deterministic:
                keep = functools.partial(drop, key_words(self.make_rng("dropout"), batch), rate=self.dropout)
            found = scaled_dot_product_attention(query, looked_at, look.mask, keep, bias)
            return self.output(found.reshape(batch, found.shape[1], -1))

        of_content = attended(own[:, :, 0], looks[0])
        if queries is None or looks[1] is None:
            return of_content, None
        return of_content, attended(self.project_parts(queries, slice(0, 1))[:, :, 0], looks[1])

    def _by_place(
        self,
        query: jax.Array,
        places: jax.Array,
        key_places: jax.Array,
        encoded: jax.Array,
        backwards: jax.Array | None,
    ) -> jax.Array:
        query += self._each_head(self.position_bias, query.dtype)
        scores = jnp.einsum("bhqd,chd->bhqc", query, encoded, preferred_element_type=jnp.float32)
        farthest = len(encoded) // 2
        distance = places[:, :, None] - key_places[:, None, :]  # [batch or 1, query, key]
        if backwards is not None:
            distance = jnp.where(backwards[:, None, None], -distance, distance)
        column = jnp.clip(farthest - distance, 0, 2 * farthest)[:, None]
        column = jnp.broadcast_to(column, (*scores.shape[:3], column.shape[-1]))
        return jnp.take_along_axis(scores, column, axis=-1) / math.sqrt(query.shape[-1])

    def _by_kind(self, query: jax.Array, same_kind: jax.Array) -> jax.Array:
        query += self._each_head(self.kind_bias, query.dtype)
        scores = jnp.einsum(
            "bhqd,khd->bhqk", query, self.kinds.astype(query.dtype), preferred_element_type=jnp.float32
        ) / math.sqrt(query.shape[-1])
        return jnp.where(same_kind[:, None], scores[..., :1], scores[..., 1:])

    @staticmethod
    def _each_head(bias: jax.Array, dtype: jnp.dtype) -> jax.Array:
        return bias.astype(dtype)[None, :, None]


class TwoStreamBlock(EncoderBlock):
    """Self-attention of two streams, then feed-forward of each."""

    deterministic_argument = 7

    def _kind(self) -> Any:
        return functools.partial(TwoStreamSelfAttention, max_distance=self.max_distance)

    def __call__(  # type: ignore[override]
        self,
        content: jax.Array,
        memory: jax.Array | None,
        queries: jax.Array | None,
        looks: tuple[Look, Look | None],
        key_places: jax.Array,
        backwards: jax.Array | None,
        deterministic: bool,
    ) -> tuple[jax.Array, jax.Array | None]:
        """See `TwoStreamSelfAttention.streams`."""
        residual = self.self_attention_residual
        entered = [None if each is None else residual.enter(each) for each in (content, memory, queries)]
        left = self.self_attention.streams(*entered, looks, key_places, backwards, deterministic)
        found = [
            None if stream is None else self._feed_forward(residual.leave(stream, each, deterministic), deterministic)
            for stream, each in zip((content, queries), left)
        ]
        return found[0], found[1]  # type: ignore[return-value]
