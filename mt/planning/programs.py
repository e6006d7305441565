"""The programs that a config would run on a machine, compiled for it."""

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mt import parallel
from mt.assembly import assemble
from mt.config import RunConfig
from mt.data.backwards import BACKWARDS
from mt.decoding.batched_search import max_target_length
from mt.decoding.beam_search import search_rows
from mt.errors import UserError
from mt.initialization import build_model
from mt.models.interface import dummy_batch, writes
from mt.training.objectives import initial_carry


class Program(NamedTuple):
    """Something compiled.

    Attributes:
        compiled: by JAX.
        seconds: it took to compile.
        target_tokens: that a device reads or writes in one run, at most.
        turns: of its loops whose number depends on data, at most.
    """

    compiled: Any
    seconds: float
    target_tokens: int
    turns: int


class TooLarge(UserError):
    """A program needs more memory than a device has."""


def train_step(config: RunConfig, devices: Sequence[jax.Device], rows: int) -> Program:
    """The update, of so many rows a device, each of them full."""
    model = build_model(config)
    training = assemble(config, model, devices=devices)
    carry = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((len(devices), *leaf.shape), leaf.dtype),
        jax.eval_shape(lambda: initial_carry(training.objective, rows)),
    )
    state = jax.eval_shape(training.initial_state)._replace(carry=carry)
    length = config.data.batching.row_length
    names = [*dummy_batch(), *["target_links"] * config.training.aligned]
    if config.data.batching.kind == "documents":
        names += ["source_documents", "target_documents"]
    empty = 0 if config.data.has_source else length
    batch = {
        name: jax.ShapeDtypeStruct((len(devices), rows, length - empty * name.startswith("source")), jnp.int32)
        for name in names
    }
    if config.data.batching.backwards:
        batch[BACKWARDS] = jax.ShapeDtypeStruct((len(devices), rows), jnp.int32)
    return Program(*_compile(training.train_step, state, batch), rows * length, 1)


def search(config: RunConfig, devices: Sequence[jax.Device], rows: int, source_length: int) -> Program:
    """The beam search, of so many rows a device, each of `source_length` tokens with eos."""
    model = build_model(config)
    if not writes(model):
        raise UserError(f"--decode: a {config.model.architecture} does not write; leave the option out")
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), dummy_batch())["params"])
    longest = max_target_length(source_length - 1, config.search)
    program = parallel.map_rows(search_rows(model, config.search, longest), devices)
    source = jax.ShapeDtypeStruct((len(devices), rows, source_length), jnp.int32)
    limits = jax.ShapeDtypeStruct((len(devices), rows), jnp.int32)
    return Program(*_compile(program, params, (source, limits)), rows * longest, longest + 1)


def _compile(program: Any, *shapes: Any) -> tuple[Any, float]:
    lowered = program.lower(*shapes)
    start = time.perf_counter()
    try:
        return lowered.compile(), time.perf_counter() - start
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        needed = re.search(r"Used ([\d.]+\w) of ([\d.]+\w) hbm", str(error))
        raise TooLarge(f"needs {needed[1]} of a device's {needed[2]}" if needed else "needs too much memory") from None
