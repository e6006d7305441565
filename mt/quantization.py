"""Parameters as 8-bit integers: symmetric, with a scale for each channel that a matrix produces."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_VALUES, _SCALES = "int8", "scales"
_MOST = 127


def quantize(params: Any) -> Any:
    """Each matrix W as integers W / s, rounded, and scales s, the largest of a channel's |W| over 127.

    A kernel's channels are its last axis, and a table's its rows; biases and normalisation stay as they are.

    Args:
        params: nested dicts of float32 arrays, or shapes under `jax.eval_shape`.

    Returns:
        The same, with a dict of "int8" and "scales" (float32, broadcastable) in the place of each matrix.
    """

    def leaf(path, values):
        if values.ndim < 2:
            return values
        largest = jnp.max(jnp.abs(values), axis=-1 if path[-1].key == "table" else 0, keepdims=True)
        scales = jnp.maximum(largest, jnp.finfo(jnp.float32).tiny) / _MOST
        return {_VALUES: jnp.round(values / scales).astype(jnp.int8), _SCALES: scales}

    return jax.tree_util.tree_map_with_path(leaf, params)


def dequantize(quantized: Any) -> Any:
    """What `quantize` was given, but for the rounding: nested dicts of float32 arrays on the host."""
    if not isinstance(quantized, dict):
        return np.asarray(quantized)
    if quantized.keys() == {_VALUES, _SCALES}:
        return np.asarray(quantized[_VALUES], np.float32) * np.asarray(quantized[_SCALES])
    return {name: dequantize(each) for name, each in quantized.items()}
