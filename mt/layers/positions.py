"""Positional encodings: where in the sentence a token stands."""

import flax.linen as nn
import jax
import jax.numpy as jnp

MAX_WAVELENGTH = 10_000.0


def sinusoidal_positions(positions: jax.Array, model_dim: int) -> jax.Array:
    """Sines in the first half of the channels, cosines in the second ("Attention Is All You Need", section 3.5).

    The paper interleaves them; the order of channels is immaterial to a model that learns its projections, and halves
    are what Marian and tensor2tensor compute.

    Args:
        positions: int [...], counted from 0.
        model_dim: an even number of channels.

    Returns:
        float32 [..., model_dim].
    """
    channels = jnp.arange(model_dim // 2, dtype=jnp.float32)
    wavelengths = MAX_WAVELENGTH ** (2 * channels / model_dim)
    angles = positions[..., None].astype(jnp.float32) / wavelengths  # [..., model_dim / 2]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def tokens_before(source_segments: jax.Array, target_segments: jax.Array) -> jax.Array:
    """How many tokens stand before each target token's own text, where a target follows its source in one sequence.

    Args:
        source_segments: int [batch, source_length], numbered from 1; 0 is padding.
        target_segments: int [batch, target_length].

    Returns:
        int [batch, target_length].
    """
    same = target_segments[:, :, None] == source_segments[:, None, :]
    return jnp.sum(same & (source_segments > 0)[:, None], axis=-1)


def first_of_each(segments: jax.Array) -> jax.Array:
    """Where in its row the first token of each token's segment stands; int [batch, length], of the same. A segment's
    tokens stand next to each other."""
    begins = jnp.pad(segments[:, 1:] != segments[:, :-1], ((0, 0), (1, 0)))
    return jax.lax.cummax(jnp.where(begins, jnp.arange(segments.shape[1]), 0), axis=1)


class SinusoidalPositions(nn.Module):
    """See `sinusoidal_positions`: nothing is trained, and nothing is too long."""

    model_dim: int

    def __call__(self, positions: jax.Array) -> jax.Array:
        """int [...] -> float32 [..., model_dim]."""
        return sinusoidal_positions(positions, self.model_dim)


class LearnedPositions(nn.Module):
    """A trained vector a position, up to `max_length` of them."""

    max_length: int
    model_dim: int

    @nn.compact
    def __call__(self, positions: jax.Array) -> jax.Array:
        """int [...] -> float32 [..., model_dim]. Positions past the last trained one share its vector."""
        table = self.param("table", nn.initializers.normal(0.02), (self.max_length, self.model_dim), jnp.float32)
        return jnp.take(table, jnp.minimum(positions, self.max_length - 1), axis=0)


class AxialPositions(nn.Module):
    """Positions in rows of `columns`: a trained vector for the row, and one for the column, beside each other (the code
    of Kitaev et al. 2020): rows plus columns vectors stand for rows times columns positions.

    Attributes:
        max_length: how many positions there are.
        columns: that a row has.
        row_dim: width of a row's vector.
        model_dim: of both.
    """

    max_length: int
    columns: int
    row_dim: int
    model_dim: int

    @nn.compact
    def __call__(self, positions: jax.Array) -> jax.Array:
        """int [...] -> float32 [..., model_dim]. Positions past the last trained one share its vector."""
        initial, rows = nn.initializers.normal(0.02), -(-self.max_length // self.columns)
        by_row = self.param("rows", initial, (rows, self.row_dim), jnp.float32)
        by_column = self.param("columns", initial, (self.columns, self.model_dim - self.row_dim), jnp.float32)
        row, column = jnp.divmod(jnp.minimum(positions, self.max_length - 1), self.columns)
        return jnp.concatenate([jnp.take(by_row, row, axis=0), jnp.take(by_column, column, axis=0)], axis=-1)
