"""A model as a bundle: one folder with all that translating takes, which says of itself what it holds."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from mt import manifest
from mt.checkpoint import PARAMS, write_tree
from mt.files import write_json
from mt.quantization import quantize
from mt.trained import CONFIG, Trained


def write(found: Trained, described: dict[str, Any], dtype: str, folder: pathlib.Path) -> None:
    """Fills a folder.

    Args:
        found: the model.
        described: its run's config.json.
        dtype: of the parameters: "float32", "bfloat16", or "int8" with a scale for each channel (see
            `quantization.quantize`).
        folder: empty but for files that are to be part of it.
    """
    params = found.params
    if dtype == "int8":
        params = jax.jit(quantize)(params)
    elif dtype == "bfloat16":
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    write_tree(folder / PARAMS, params)
    found.tokenizers.save(folder)
    write_json(folder / CONFIG, described)
    manifest.write(folder, {"parameters": dtype, "model": found.name})
