"""Devices and hosts: the one place that knows how many there are, and the only `jax.pmap`.

State is replicated and enters and leaves pmap with its plain shapes; batches, and what is remembered of them, have a
leading axis of devices. A pmapped function must reduce over `AXIS` all else that it returns: what is not reduced would
silently be one device's.
"""

import contextlib
import math
import os
import pathlib
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from mt.errors import UserError
from mt.layers.rows import AXIS

_MOST_CPU_DEVICES = 8
_MOST_SILENT_SECONDS = 30  # after which a process counts as dead
_DEAD = re.compile("Gloo .* failed|heartbeat|Connection (reset|closed) by peer|another task died|DEADLINE_EXCEEDED")
Tree = TypeVar("Tree")


def initialize(
    coordinator: str = "", num_processes: int = 0, process_id: int = -1, join_seconds: float = 50.0, status: int = 2
) -> None:
    """Joins the other processes of a run on several hosts, if there are any.

    Where they are not there in time, says so and ends this process at once: JAX would abort with a trace of its own.

    Args:
        coordinator: host:port of process 0. Empty is $JAX_COORDINATOR_ADDRESS, and without that a single process,
            but on a TPU pod or in a Slurm job of several tasks, which JAX recognises by itself.
        num_processes: how many, or 0 for $JAX_NUM_PROCESSES.
        process_id: which one this is, from 0, or -1 for $JAX_PROCESS_ID.
        join_seconds: how long to wait for the others.
        status: to end with where they do not come.

    Raises:
        UserError: only a part of it is said, the time is not positive, or the others cannot be reached.
    """
    if join_seconds <= 0:
        raise UserError(f"--join-seconds: {join_seconds:g} is not positive")
    coordinator = coordinator or os.environ.get("JAX_COORDINATOR_ADDRESS", "")
    try:
        num_processes = num_processes or int(os.environ.get("JAX_NUM_PROCESSES", 0))
        process_id = process_id if process_id >= 0 else int(os.environ.get("JAX_PROCESS_ID", -1))
    except ValueError:
        raise UserError("JAX_NUM_PROCESSES and JAX_PROCESS_ID: not whole numbers; set them so") from None
    recognised = len(os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")) > 1
    recognised |= int(os.environ.get("SLURM_NTASKS", 1)) > 1 and "SLURM_STEP_NODELIST" in os.environ
    if not coordinator:
        if num_processes > 1:
            raise UserError("--coordinator: several processes need it, as HOST:PORT of process 0")
        if recognised:
            _join("the other hosts", join_seconds, status)
        return
    if num_processes < 1 or not 0 <= process_id < num_processes:
        raise UserError(
            "--coordinator needs --num-processes, and --process-id from 0 to one less (or JAX_NUM_PROCESSES and "
            "JAX_PROCESS_ID)"
        )
    try:
        _join(f"--coordinator {coordinator}", join_seconds, status, coordinator, num_processes, process_id)
    except RuntimeError as error:
        raise UserError(f"--coordinator {coordinator}: cannot join the other processes ({error})") from None


def _join(
    where: str,
    seconds: float,
    status: int,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> None:
    def leave() -> None:
        print(
            f"mt: error: {where}: after {seconds:g} seconds, not all processes of this training are there; one has "
            "died, or has not been started: give all of them the same command again, or more --join-seconds",
            file=sys.stderr,
            flush=True,
        )
        os._exit(status)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            initialization_timeout=math.ceil(seconds) + _MOST_SILENT_SECONDS,
            heartbeat_timeout_seconds=_MOST_SILENT_SECONDS,
        )
    finally:
        timer.cancel()


def is_alone() -> bool:
    """Whether this process has not joined others; does not start a backend."""
    return not jax.distributed.is_initialized()


def tells_of_a_death(error: Exception) -> bool:
    """Whether an error comes of another process of the run having died."""
    return jax.process_count() > 1 and bool(_DEAD.search(str(error)))


@contextlib.contextmanager
def leaving_with_the_others(message: str, status: int) -> Iterator[None]:
    """Where another process of the run has died, says so and ends this one at once, whatever still waits for the other.

    Args:
        message: what to say on standard error.
        status: to end with.
    """
    try:
        yield
    except Exception as error:
        if not tells_of_a_death(error):
            raise
        print(message, file=sys.stderr, flush=True)
        os._exit(status)  # an ordinary end would wait for the others to leave too


def use_cores_as_devices() -> None:
    """Makes each processor core a device, up to eight, unless the environment says how many there are to be.

    For work whose rows need nothing of each other: on CPU, two devices with half of the rows each are faster than one
    that uses two cores, whose threads wait for each other in every small product. To be called before any other use of
    JAX; of no effect on accelerators.
    """
    if "JAX_NUM_CPU_DEVICES" in os.environ or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(RuntimeError):  # JAX has been used already
        jax.config.update("jax_num_cpu_devices", min(cores, _MOST_CPU_DEVICES))


def use_compilation_cache(folder: pathlib.Path) -> None:
    """Keeps compiled programs on disk, so that the next start need not compile them again; if it can be written to."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def process_index() -> int:
    """Which of the processes this is, from 0."""
    return jax.process_index()


def is_main() -> bool:
    """Whether this process is the one that logs."""
    return jax.process_index() == 0


def describe() -> str:
    """The devices, in a few words."""
    kind = jax.local_devices()[0].device_kind
    hosts = f" on {jax.process_count()} hosts" if jax.process_count() > 1 else ""
    return f"{jax.device_count()} x {kind}{hosts}"


def data_parallel(
    step: Callable[[Any, Any], Any],
    state_axes: Any = None,
    out_axes: Any = None,
    donate_state: bool = False,
    devices: Sequence[jax.Device] | None = None,
) -> Callable[[Any, Any], Any]:
    """Compiles step(state, batch) for several devices, each with its rows of the batch.

    Args:
        step: a pure function; all that it returns must be reduced over `AXIS`, but for what `out_axes` says.
        state_axes: what the state's beginnings are: None is replicated, 0 is sharded.
        out_axes: the same of the results.
        donate_state: the state's memory is given to the result.
        devices: which, if not all.

    Returns:
        A function of a state and a sharded batch. What is replicated has plain shapes.
    """
    donated = (0,) if donate_state else ()
    return jax.pmap(
        step, axis_name=AXIS, in_axes=(state_axes, 0), out_axes=out_axes, donate_argnums=donated, devices=devices
    )


def map_rows(function: Callable[[Any, Any], Any], devices: Sequence[jax.Device]) -> Any:
    """The program of `row_parallel`, whose rows and results are [devices, rows of each, ...]."""
    return jax.pmap(function, axis_name=AXIS, in_axes=(None, 0), devices=devices)


def row_parallel(function: Callable[[Any, Any], Any], devices: Sequence[jax.Device]) -> Callable[[Any, Any], Any]:
    """Compiles function(state, rows) for some of this host's devices, each with its share of the rows.

    Args:
        function: what it returns has a leading axis of rows, each of which depends on its own row alone.
        devices: must divide the rows.

    Returns:
        A function of a state that is replicated on these devices and a tree of arrays [rows, ...]. It returns at
        once, while the devices are at work; its results are for `fetch_rows`.
    """
    mapped = map_rows(function, devices)
    return lambda state, rows: mapped(state, jax.tree.map(lambda values: _split(values, len(devices)), rows))


def fetch_rows(found: Tree) -> Tree:
    """The results of `row_parallel` once they are there, as numpy arrays [rows, ...]."""
    return jax.tree.map(lambda values: values.reshape(-1, *values.shape[2:]), jax.device_get(found))


def shard(rows: Any) -> Any:
    """This host's rows [rows, ...], as [local devices, rows / local devices, ...]."""
    return jax.tree.map(lambda values: _split(values, jax.local_device_count()), rows)


def _split(values: np.ndarray, devices: int) -> np.ndarray:
    return values.reshape(devices, len(values) // devices, *values.shape[1:])


def replicate(tree: Tree) -> Tree:
    """A copy on every local device, with plain shapes."""
    mesh = jax.sharding.Mesh(jax.local_devices(), AXIS)
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def on_one_device(tree: Tree) -> Tree:
    """The first local device's copy of a replicated tree, without moving it."""
    return jax.tree.map(lambda array: array.addressable_data(0), tree)


def global_sharding() -> NamedSharding:
    """Replicated over all devices of all hosts: how checkpoints see the state."""
    return NamedSharding(jax.sharding.Mesh(jax.devices(), AXIS), PartitionSpec())


def to_global(tree: Tree) -> Tree:
    """A tree that every host holds alike, as arrays that belong to all of them together."""
    sharding = global_sharding()

    def convert(array: jax.Array) -> jax.Array:
        copies = [jax.device_put(array.addressable_data(0), device) for device in jax.local_devices()]
        return jax.make_array_from_single_device_arrays(array.shape, sharding, copies)

    return jax.tree.map(convert, tree)


def rows_to_global(tree: Tree) -> Tree:
    """Rows of each device's own, [local devices, rows, ...], as arrays [all rows, ...] that all hosts share."""

    def convert(like: jax.ShapeDtypeStruct, rows: np.ndarray) -> jax.Array:
        parts = [jax.device_put(part, device) for part, device in zip(rows, jax.local_devices(), strict=True)]
        return jax.make_array_from_single_device_arrays(like.shape, like.sharding, parts)

    return jax.tree.map(convert, abstract_rows(tree), local_rows(tree))


def local_rows(tree: Tree) -> Tree:
    """Rows of each device's own, [local devices, rows, ...], as numpy arrays."""

    def convert(array: Any) -> np.ndarray:
        if isinstance(array, np.ndarray):
            return array
        return np.stack([part.reshape(array.shape[1:]) for part in _parts(array)])

    return jax.tree.map(convert, tree)


def rows_from_global(tree: Tree) -> Tree:
    """Arrays [all rows, ...], as numpy arrays of each local device's own, [local devices, rows, ...]."""
    return jax.tree.map(lambda array: np.stack(_parts(array)), tree)


def _parts(array: jax.Array) -> list[np.ndarray]:
    """What each of the local devices has of an array, in their order."""
    own = {shard.device: np.asarray(shard.data) for shard in array.addressable_shards}
    return [own[device] for device in jax.local_devices()]


def abstract_rows(tree: Any) -> Any:
    """The shapes and places that `rows_to_global` would give rows of each device's own, [local devices, rows, ...]."""
    sharding = NamedSharding(jax.sharding.Mesh(jax.devices(), AXIS), PartitionSpec(AXIS))

    def convert(leaf: Any) -> jax.ShapeDtypeStruct:
        shape = leaf.shape[1] * jax.device_count(), *leaf.shape[2:]
        return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=sharding)

    return jax.tree.map(convert, tree)


def sum_over_hosts(numbers: dict[str, int]) -> dict[str, int]:
    """Each number's sum, modulo 2^32, over the hosts, which must ask together."""
    if jax.process_count() == 1:
        return {name: number % (1 << 32) for name, number in numbers.items()}
    from jax.experimental import multihost_utils

    own = np.array([number % (1 << 32) for number in numbers.values()], np.uint32)
    every = multihost_utils.process_allgather(own).astype(np.uint64)
    return {name: int(total) % (1 << 32) for name, total in zip(numbers, every.reshape(-1, len(own)).sum(0))}


def any_host(flag: bool) -> bool:
    """Whether the flag is up on any host. All hosts must ask together."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental import multihost_utils

    return bool(np.any(multihost_utils.process_allgather(np.array([flag]))))


def from_main(value: float) -> float:
    """The first host's number, on all hosts. All must ask together."""
    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def wait_for_all(reason: str) -> None:
    """Until every host has come here."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(reason)
