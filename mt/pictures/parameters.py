"""A model's parameters as a table: name, shape, count and share."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np


def table(params: Any) -> str:
    """A line a parameter, and sums of each part and of all.

    Args:
        params: a tree of arrays, or of their shapes and dtypes.
    """
    total = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
    rows = [*_rows(params, total), ("all", "", f"{total:,}", "100.0%")]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "".join(
        f"{name:{widths[0]}}  {shape:{widths[1]}}  {count:>{widths[2]}}  {share:>{widths[3]}}\n"
        for name, shape, count, share in rows
    )


def _rows(params: Any, total: int, indent: str = "") -> Iterator[tuple[str, str, str, str]]:
    for name, part in sorted(params.items(), key=lambda item: _natural(item[0])):
        count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(part))
        share = f"{100 * count / total:.1f}%"
        if hasattr(part, "shape"):
            yield f"{indent}{name}", " x ".join(map(str, part.shape)), f"{count:,}", share
        else:
            yield f"{indent}{name}", "", f"{count:,}", share
            yield from _rows(part, total, f"{indent}  ")


def _natural(name: str) -> tuple[str, int]:
    """Layer 10 comes after layer 9."""
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or -1)
