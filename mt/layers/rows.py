"""Which rows of the whole batch an array holds, where several devices share them."""

import jax
import jax.numpy as jnp

AXIS = "devices"


def first_row(rows: int) -> jax.Array:
    """The number that a device's first row has in the whole batch, of which it holds so many; uint32 []."""
    try:
        device = jax.lax.axis_index(AXIS)
    except NameError:  # the rows are not shared
        return jnp.zeros((), jnp.uint32)
    return (device * rows).astype(jnp.uint32)
