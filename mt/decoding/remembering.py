"""Sentences of documents, each searched with what is remembered of those before it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mt.decoding.batches import RowWorkers, bound, in_batches
from mt.models.interface import Cache, Params

_SHORTEST = 16  # tokens of a row that a program is compiled for


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


def read_on(
    workers: RowWorkers,
    model: Any,
    start: int,
    pairs: Sequence[tuple[list[int], list[int]]],
    carries: Sequence[Any],
) -> list[Any]:
    """What is remembered after one more sentence of each document.

    Args:
        workers: have the parameters.
        model: see `After`.
        start: the token that the decoder begins with.
        pairs: each sentence and its translation, with eos.
        carries: of the sentences before.
    """
    rows = workers.rows()

    def read(params: Params, given: Any) -> Any:
        carry, source, inputs = given
        batch = {"source_tokens": source, "target_inputs": inputs}
        for side, tokens in (("source", source), ("target", inputs)):
            batch[f"{side}_segments"] = (tokens > 0).astype(jnp.int32)
            batch[f"{side}_positions"] = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
        return model.apply({"params": params}, batch, carry, method="read")[1]

    def begin(numbers: list[int], shape: tuple[int, int]) -> Any:
        height = bound(len(numbers), rows)
        source, inputs = (np.zeros((height, length), np.int32) for length in shape)
        for row, number in enumerate(numbers):
            own, translation = pairs[number]
            source[row, : len(own)] = own
            inputs[row, : len(translation)] = [start, *translation[:-1]]
        batch = stacked([carries[number] for number in numbers], height), source, inputs
        return workers.begin(read, model, (model, "read_on"), batch)

    def end(numbers: list[int], found: Any) -> list[Any]:
        leaves, structure = jax.tree.flatten(found)
        return [jax.tree.unflatten(structure, [leaf[row] for leaf in leaves]) for row in range(len(numbers))]

    def shape(pair: tuple[list[int], list[int]]) -> tuple[int, int]:
        source, target = (max(_SHORTEST, 1 << (len(side) - 1).bit_length()) for side in pair)
        return source, target

    return in_batches([shape(pair) for pair in pairs], lambda size: size, rows[-1], begin, end)


def in_turns(
    workers: RowWorkers,
    model: Any,
    start: int,
    documents: Sequence[int],
    work: Callable[[list[int], list[Any]], Sequence[tuple[list[int], list[int]]]],
) -> None:
    """Works on sentences in the order of their documents, on all that can be together.

    Args:
        workers: see `read_on`.
        model: see there.
        start: see there.
        documents: of each sentence, the number of its document.
        work: is given the numbers of some sentences, and what is remembered before each; it returns each one's ids and
            its translation's, with eos.
    """
    carries = dict.fromkeys(documents, nothing(model))
    last = {document: number for number, document in enumerate(documents)}
    for turn in turns(documents):
        before = [carries[documents[number]] for number in turn]
        pairs = work(turn, before)
        further = [place for place, number in enumerate(turn) if number != last[documents[number]]]
        read = read_on(workers, model, start, [pairs[each] for each in further], [before[each] for each in further])
        for place, carry in zip(further, read):
            carries[documents[turn[place]]] = carry


def turns(documents: Sequence[int]) -> list[list[int]]:
    """Which sentences can be searched together: each document's first, each one's second, and so on.

    Args:
        documents: of each sentence, the number of its document.
    """
    found: list[list[int]] = []
    counts: dict[int, int] = {}
    for number, document in enumerate(documents):
        turn = counts.get(document, 0)
        counts[document] = turn + 1
        if turn == len(found):
            found.append([])
        found[turn].append(number)
    return found
