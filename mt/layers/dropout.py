"""Dropout (Srivastava et al. 2014)."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Dropout(nn.Module):
    """Zeroes each activation with probability `rate` and scales up the rest, from the rng stream `dropout`.

    Compares 16 random bits with a threshold, half of what comparing 32 would draw: drawing is what dropout costs.
    The rate is rounded to a multiple of 2^-16, and the scale is exactly that rounded rate's.
    """

    rate: float

    @nn.compact
    def __call__(self, activations: jax.Array, deterministic: bool) -> jax.Array:
        """Same shape and dtype out; the identity if `deterministic` or the rate is 0."""
        threshold = round(self.rate * 2**16)
        if deterministic or threshold == 0:
            return activations
        bits = jax.random.bits(self.make_rng("dropout"), activations.shape, jnp.uint16)
        scale = 1 / (1 - threshold / 2**16)
        return jnp.where(bits >= threshold, activations * jnp.asarray(scale, activations.dtype), 0)
