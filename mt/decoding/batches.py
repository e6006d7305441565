"""Rows of many sizes, worked on in batches of few shapes by this host's devices."""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import jax

from mt import parallel, tracing
from mt.data.text import batched
from mt.models.interface import Params

T = TypeVar("T")
# Rows a device that programs are compiled for. A single row has a program of its own, on one device.
_ROWS_A_DEVICE = (4, 32)
# What a batch takes beside its rows, in the time of a row.
_BATCH_ITSELF = 6


class RowWorkers:
    """This host's devices, each with the parameters, and the programs by which they work on rows.

    Threads may share it: each program is compiled once.
    """

    def __init__(self, params: Params):
        self._devices = jax.local_devices()
        self._programs: dict[Hashable, Any] = {}
        self._compiling = threading.Lock()
        self.params = params

    @property
    def params(self) -> Params:
        """The model's parameters, on one device. They may be replaced."""
        return self._params

    @params.setter
    def params(self, params: Params) -> None:
        self._params = params
        self._everywhere = None if params is None else parallel.replicate(params)

    def rows(self, most: int = _ROWS_A_DEVICE[-1]) -> list[int]:
        """How many rows batches have, where a device works on so many at most."""
        return [1, *(rows * len(self._devices) for rows in sorted({*_ROWS_A_DEVICE, most}))]

    def begin(self, function: Callable[[Params, Any], Any], of: Any, identity: Hashable, rows: Any) -> Any:
        """Begins to work on rows; `parallel.fetch_rows` has the result.

        Args:
            function: of parameters and rows. It is compiled when it is first needed.
            of: see `tracing.program`.
            identity: all that decides what the function does, but for the rows' shapes.
            rows: numpy arrays, [rows, ...] each, as many rows as `rows` says.
        """
        leaves, structure = jax.tree.flatten(rows)
        number = len(leaves[0])
        devices = self._devices[:1] if number == 1 else self._devices
        key = identity, structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        with self._compiling:
            if key not in self._programs:
                of_device = [
                    jax.ShapeDtypeStruct((number // len(devices), *leaf.shape[1:]), leaf.dtype) for leaf in leaves
                ]
                traced = tracing.program(
                    function, of, repr(identity), self._params, jax.tree.unflatten(structure, of_device)
                )
                self._programs[key] = parallel.row_parallel(traced, devices)
            program = self._programs[key]
        return program(self._params if number == 1 else self._everywhere, rows)


def bound(size: int, bounds: Sequence[int]) -> int:
    """The smallest bound that holds it."""
    return next(each for each in bounds if size <= each)


def in_batches(
    sizes: Sequence[Any],
    shape_of: Callable[[Any], Hashable],
    heights_of: Callable[[Any], Sequence[int]],
    begin: Callable[[list[int], Any, int], Any],
    end: Callable[[list[int], Any], Sequence[T]],
) -> list[T]:
    """Works on items of like size together. One batch is read while the devices are at the next.

    Args:
        sizes: of each item, by which they are sorted.
        shape_of: the shape of the program that an item of that size needs.
        heights_of: how many rows batches of that shape may have, see `RowWorkers.rows`.
        begin: begins to work on the items of these numbers, with a program of that shape and that many rows.
        end: what came of it, an item a number, from what `begin` returned once `parallel.fetch_rows` has it.

    Returns:
        What came of each item, in the order of `sizes`.
    """
    results: dict[int, T] = {}
    running: list[tuple[list[int], Any]] = []

    def finish() -> None:
        numbers, found = running.pop(0)
        results.update(zip(numbers, end(numbers, parallel.fetch_rows(found))))

    alike: dict[Hashable, list[int]] = {}  # smallest first
    for number in sorted(range(len(sizes)), key=sizes.__getitem__):
        alike.setdefault(shape_of(sizes[number]), []).append(number)
    for shape, numbers in alike.items():
        height = _height(len(numbers), heights_of(shape))
        for own in batched(numbers, height):
            running.append((own, begin(own, shape, height)))
            if len(running) > 1:
                finish()
    while running:
        finish()
    return [results[number] for number in range(len(sizes))]


def _height(count: int, heights: Sequence[int]) -> int:
    """How many rows the batches of so many alike items had best have: one height, as each is a program to compile.
    Nine in a batch for 64 would take several times as long as two for eight."""
    return min(reversed(heights), key=lambda height: (height + _BATCH_ITSELF) * -(-count // height))
