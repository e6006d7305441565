"""Self-attention that knows how far apart two positions are: Transformer-XL's, ALiBi's and rotary."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mt.layers.attention import SelfAttention
from mt.layers.positions import MAX_WAVELENGTH, sinusoidal_positions


def relative_shift(scores: jax.Array, keys: int) -> jax.Array:
    """Scores by distance, as scores by key (Dai et al. 2019, appendix B), without writing them by query, key and width.

    Args:
        scores: [..., query, keys + query], column c of what is keys - c positions before the query.
        keys: how many there are; the last query stands where the last key does.

    Returns:
        [..., query, keys]: of query i and key j the column of the distance i + keys - query - j.
    """
    *rest, queries, distances = scores.shape
    turned = scores.reshape(*rest, distances, queries)[..., 1:, :]
    return turned.reshape(*rest, queries, distances - 1)[..., :keys]


def rotate(projected: jax.Array, positions: jax.Array) -> jax.Array:
    """Turns channels i and i + head_dim / 2 together by position / 10000^(2 i / head_dim), so that a product of two is
    one of their distance (Su et al. 2021, "RoFormer", section 3.2.2).

    Args:
        projected: [batch, length, heads, head_dim], which is even.
        positions: int [batch or 1, length].
    """
    half = projected.shape[-1] // 2
    frequencies = MAX_WAVELENGTH ** (-np.arange(half, dtype=np.float32) / half)
    angles = positions[..., None, None].astype(jnp.float32) * frequencies  # [batch, length, 1, half]
    sines, cosines = (wave(angles).astype(projected.dtype) for wave in (jnp.sin, jnp.cos))
    first, second = projected[..., :half], projected[..., half:]
    return jnp.concatenate([first * cosines - second * sines, first * sines + second * cosines], axis=-1)


def alibi_slopes(heads: int) -> np.ndarray:
    """What a position of distance costs each head (Press et al. 2022, section 3 and its code): float32 [heads]."""

    def of_power(count: int) -> list[float]:
        return [2.0 ** (-8 * (head + 1) / count) for head in range(count)]

    power = 1 << (heads.bit_length() - 1)
    return np.array([*of_power(power), *of_power(2 * power)[::2][: heads - power]], np.float32)


class RotarySelfAttention(SelfAttention):
    """Queries and keys are turned by their positions."""

    def place(self, projected: jax.Array, positions: jax.Array) -> jax.Array:
        """See `SelfAttention.place`."""
        batch, length, parts, _ = projected.shape
        heads = projected.reshape(batch, length, parts * self.num_heads, -1)
        values = (parts - 1) * self.num_heads
        turned = rotate(heads[:, :, :values], positions)
        return jnp.concatenate([turned, heads[:, :, values:]], axis=2).reshape(projected.shape)


class AlibiSelfAttention(SelfAttention):
    """A key counts the less the farther away it is, on either side."""

    biased = True

    def by_position(
        self, query: jax.Array, query_positions: jax.Array, key_positions: jax.Array, whole: bool
    ) -> tuple[jax.Array, jax.Array]:
        """See `SelfAttention.by_position`."""
        apart = jnp.abs(query_positions[:, :, None] - key_positions[:, None, :]).astype(jnp.float32)
        return query, -jnp.asarray(alibi_slopes(self.num_heads))[None, :, None, None] * apart[:, None]


class RelativeSelfAttention(SelfAttention):
    """Transformer-XL's (Dai et al. 2019, section 3.3): a key counts by what it is, and by how far away it is.

    Attributes:
        max_distance: all that is farther away counts as that far; 0 is as far as it is.
    """

    biased = True
    max_distance: int = 0

    def setup(self):
        super().setup()
        self.position = nn.Dense(self.model_dim, use_bias=False, dtype=self.dtype)
        shape = self.num_heads, self.model_dim // self.num_heads
        self.content_bias = self.param("content_bias", nn.initializers.zeros, shape, jnp.float32)  # u
        self.position_bias = self.param("position_bias", nn.initializers.zeros, shape, jnp.float32)  # v

    def encoded(self, distances: jax.Array) -> jax.Array:
        """What stands for distances, int [distances] -> [distances, heads, head_dim]."""
        if self.max_distance:
            distances = jnp.clip(distances, -self.max_distance, self.max_distance)
        encoded = self.position(sinusoidal_positions(distances, self.model_dim).astype(self.dtype))
        return encoded.reshape(len(distances), self.num_heads, -1)

    def by_position(
        self, query: jax.Array, query_positions: jax.Array, key_positions: jax.Array, whole: bool
    ) -> tuple[jax.Array, jax.Array]:
        """See `SelfAttention.by_position`."""
        queries, keys = query.shape[2], key_positions.shape[1]
        if whole:
            distances = keys - jnp.arange(keys + queries)
        else:
            distances = keys - 1 - jnp.arange(2 * keys - 1)
        encoded = self.encoded(distances)
        content, position = (
            bias.astype(query.dtype)[None, :, None] for bias in (self.content_bias, self.position_bias)
        )
        scores = jnp.einsum(
            "bhqd,chd->bhqc", query + position, encoded, preferred_element_type=jnp.float32
        ) / math.sqrt(query.shape[-1])
        if whole:
            return query + content, relative_shift(scores, keys)
        column = keys - 1 - (query_positions[:, :, None] - key_positions[:, None, :])  # [batch, query, key]
        column = jnp.broadcast_to(column[:, None], (*scores.shape[:3], keys))
        return query + content, jnp.take_along_axis(scores, jnp.clip(column, 0, 2 * keys - 2), axis=-1)


KINDS: dict[str, type[SelfAttention]] = {
    "absolute": SelfAttention,
    "rotary": RotarySelfAttention,
    "alibi": AlibiSelfAttention,
    "relative": RelativeSelfAttention,
}
