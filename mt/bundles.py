"""Bundles, the folders that models are exported as: their parameters, read as what they were."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from mt import manifest
from mt.checkpoint import PARAMS, read_tree
from mt.errors import UserError
from mt.quantization import dequantize, quantize


def is_bundle(folder: pathlib.Path) -> bool:
    """Whether a folder is a bundle, sound or not, rather than a run."""
    return (folder / manifest.MANIFEST).is_file() or (folder / PARAMS).is_dir()


def read_params(folder: pathlib.Path, about: dict[str, Any], like: Any) -> Any:
    """A bundle's parameters in float32, on the first local device.

    Args:
        folder: the bundle.
        about: what its manifest says.
        like: their shapes.
    """
    kind = about.get("parameters")
    if kind == "float32":
        return read_tree(folder / PARAMS, like)
    if kind == "bfloat16":
        stored = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16), like)
        return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), read_tree(folder / PARAMS, stored))
    if kind == "int8":
        quantized = read_tree(folder / PARAMS, jax.eval_shape(quantize, like))
        return jax.device_put(dequantize(quantized), jax.local_devices()[0])
    raise UserError(
        f"{folder / manifest.MANIFEST}: parameters are {kind!r}, which this mt cannot read; install a newer"
    )
