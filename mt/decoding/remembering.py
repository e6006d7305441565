"""A search, or a score, that begins with what is remembered of a document."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from mt.models.interface import Cache, Params


@dataclasses.dataclass(frozen=True)
class After:
    """An `interface.Searchable` that begins with what is remembered.

    Attributes:
        model: with `start_after`, see `DocumentTransformer`.
        carry: a tree of arrays [batch, ...].
    """

    model: Any
    carry: Any

    def start(self, params: Params, source: jax.Array, beam_size: int, max_length: int) -> Cache:
        """See `interface.Searchable`."""
        return self.model.start_after(params, source, beam_size, max_length, self.carry)

    def step(self, params: Params, tokens: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
        """See `interface.Searchable`."""
        return self.model.step(params, tokens, cache)

    def reorder(self, cache: Cache, parents: jax.Array) -> Cache:
        """See `interface.Searchable`."""
        return self.model.reorder(cache, parents)


def after(model: Any, make: Callable[[Any], Callable[[Params, Any], Any]]) -> Callable[[Params, Any], Any]:
    """What `make` makes of a model, a function of parameters and rows, but that rows begin with what is remembered."""

    def work(params: Params, rows: Any) -> Any:
        carry, *others = rows
        return make(After(model, carry))(params, tuple(others))

    return work


def remembers(model: Any) -> bool:
    """Whether a model's sentences can be searched so."""
    return hasattr(model, "start_after")


def nothing(model: Any) -> Any:
    """What is remembered of a document before its first sentence, numpy arrays without an axis of rows."""
    return jax.tree.map(
        lambda leaf: np.zeros(leaf.shape[1:], leaf.dtype), jax.eval_shape(lambda: model.initial_carry(1))
    )


def stacked(carries: Sequence[Any], height: int) -> Any:
    """What is remembered by each row, and by rows that fill a batch up to so many."""
    carries = [*carries, *[jax.tree.map(np.zeros_like, carries[0])] * (height - len(carries))]
    return jax.tree.map(lambda *rows: np.stack(rows), *carries)
