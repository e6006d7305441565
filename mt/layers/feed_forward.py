"""The position-wise feed-forward network."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from mt.layers.dropout import Dropout

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "gelu": nn.gelu,
    "gelu_erf": functools.partial(nn.gelu, approximate=False),
    "swish": nn.swish,
    "swiglu": nn.swish,
}


class FeedForward(nn.Module):
    """Two projections with an activation between them ("Attention Is All You Need", section 3.3).

    `swiglu` gates the swish of one projection by another (Shazeer 2020, "GLU Variants Improve Transformer"): a third
    matrix of the same size.
    """

    model_dim: int
    ff_dim: int
    activation: str = "relu"
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, deterministic: bool, words: jax.Array | None = None) -> jax.Array:
        """[..., model_dim] -> [..., model_dim]; `words` are dropout's, see `Dropout`."""
        activated = ACTIVATIONS[self.activation](nn.Dense(self.ff_dim, dtype=self.dtype, name="inner")(inputs))
        if self.activation == "swiglu":
            activated *= nn.Dense(self.ff_dim, dtype=self.dtype, name="gate")(inputs)
        activated = Dropout(self.dropout)(activated, deterministic, words)  # [..., ff_dim]
        return nn.Dense(self.model_dim, dtype=self.dtype, name="outer")(activated)
