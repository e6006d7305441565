"""Which tensor of another toolkit's model is which of our parameters, and how one becomes the other."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np


class Tensor(NamedTuple):
    """A tensor of theirs.

    Attributes:
        name: theirs.
        path: of our parameter, from the root.
        part: which of our projections it is, where several are one parameter of ours.
        turned: whether theirs is the transpose of ours.
        vocab: whose vocabulary its rows are of, "source" or "target", if any's.
    """

    name: str
    path: tuple[str, ...]
    part: int | None = None
    turned: bool = False
    vocab: str = ""


def placed(tensors: Iterable[Tensor], read: Callable[[Tensor], np.ndarray]) -> dict[str, Any]:
    """Their tensors as our parameters, nested dicts.

    Args:
        tensors: of a model; the parts of one parameter in their order.
        read: the values of each, not turned yet.
    """
    params: dict[str, Any] = {}
    parts: dict[tuple[str, ...], list[np.ndarray]] = {}
    for tensor in tensors:
        values = read(tensor)
        if tensor.turned:
            values = values.T
        if tensor.part is not None:
            parts.setdefault(tensor.path, []).append(values)
            values = np.stack(parts[tensor.path], axis=-2)
        *parents, leaf = tensor.path
        node = params
        for name in parents:
            node = node.setdefault(name, {})
        node[leaf] = np.ascontiguousarray(values)
    return params
