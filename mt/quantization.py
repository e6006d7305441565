"""Parameters as 8-bit integers: symmetric, with a scale for each channel that a matrix produces."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_VALUES, _SCALES = "int8", "scales"
_MOST = 127
_TRIED, _STRIDE = 40, 0.01


def quantize(params: Any) -> Any:
    """Each matrix W as integers W / s, rounded, and scales s: of those up to the largest of a channel's |W| over 127,
    which cut off its few largest, the one of the least squared error.

    A kernel's channels are its last axis, and a table's its rows; biases and normalisation stay as they are.

    Args:
        params: nested dicts of float32 arrays, or shapes under `jax.eval_shape`.

    Returns:
        The same, with a dict of "int8" and "scales" (float32, broadcastable) in the place of each matrix.
    """

    def leaf(path, values):
        if values.ndim < 2:
            return values
        axis = -1 if path[-1].key == "table" else 0
        largest = jnp.max(jnp.abs(values), axis=axis, keepdims=True)
        whole = jnp.maximum(largest, jnp.finfo(jnp.float32).tiny) / _MOST

        def better(number, best):
            error, scales = best
            tried = whole * (1 - number * _STRIDE)
            new = jnp.sum((values - _rounded(values, tried) * tried) ** 2, axis=axis, keepdims=True)
            return jnp.minimum(error, new), jnp.where(new < error, tried, scales)

        start = jnp.full_like(whole, jnp.inf), whole
        _, scales = jax.lax.fori_loop(0, _TRIED, better, start)
        return {_VALUES: _rounded(values, scales).astype(jnp.int8), _SCALES: scales}

    return jax.tree_util.tree_map_with_path(leaf, params)


def _rounded(values: jax.Array, scales: jax.Array) -> jax.Array:
    return jnp.clip(jnp.round(values / scales), -_MOST, _MOST)


def dequantize(quantized: Any) -> Any:
    """What `quantize` was given, but for the rounding: nested dicts of float32 arrays on the host."""
    if not isinstance(quantized, dict):
        return np.asarray(quantized)
    if quantized.keys() == {_VALUES, _SCALES}:
        return np.asarray(quantized[_VALUES], np.float32) * np.asarray(quantized[_SCALES])
    return {name: dequantize(each) for name, each in quantized.items()}
