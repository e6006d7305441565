"""CRC-32 of arrays and files, so that what was damaged on disk is not taken for what was written."""

import pathlib
import zlib
from typing import Any

import jax
import numpy as np


def crc32(tree: Any) -> dict[str, int]:
    """The CRC-32 of each array's bytes (of a number's, as one of 64 bits), by its path in the tree."""
    return {jax.tree_util.keystr(path): _of_array(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _of_array(leaf: Any) -> int:
    # Not every dtype can be seen as a buffer, but every array as bytes.
    return zlib.crc32(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)


def crc32_of_row(row: np.ndarray, number: int) -> int:
    """The CRC-32 of a row's bytes, and of its number."""
    return zlib.crc32(
        np.ascontiguousarray(row).reshape(-1).view(np.uint8).data, zlib.crc32(number.to_bytes(8, "little"))
    )


def crc32_of_file(path: pathlib.Path) -> int:
    """The CRC-32 of a file's bytes."""
    found = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found = zlib.crc32(block, found)
    return found
