"""How measurements are taken, and what the machine could do at best."""

import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

_PACKAGES = ("mt", "jax", "jaxlib", "flax", "optax")


class Measurement(NamedTuple):
    """Something measured several times.

    Attributes:
        name: what.
        unit: of the values.
        values: one a repeat.
        flops: floating-point operations a second that the values' median stands for, or 0 where none are counted.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    flops: float = 0.0

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)


def seconds(run: Callable[[], Any], repeats: int, warmup: int = 1) -> list[float]:
    """How long a call takes, until its result is there, once for each repeat.

    Args:
        run: what to measure; returns arrays, of JAX or not.
        repeats: calls that count.
        warmup: calls before them that do not: they compile.
    """
    found = []
    for number in range(warmup + repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        if number >= warmup:
            found.append(time.perf_counter() - start)
    return found


def matmul_peak(dtype: str, size: int = 2048, repeats: int = 15) -> float:
    """FLOP a second of square matrix products on all of this host's devices at once: the roof for any model.

    Args:
        dtype: of the matrices.
        size: their rows and columns.
        repeats: the median counts.
    """
    matrices = [jax.device_put(jnp.ones((size, size), dtype), device) for device in jax.local_devices()]
    product = jax.jit(lambda matrix: matrix @ matrix)
    taken = seconds(lambda: [product(matrix) for matrix in matrices], repeats, warmup=2)
    return 2 * size**3 * len(matrices) / statistics.median(taken)


def environment() -> dict[str, Any]:
    """What the figures hold for: devices, processor, versions."""
    return {
        "devices": jax.device_count(),
        "device_kind": jax.devices()[0].device_kind,
        "processor": _processor(),
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in _PACKAGES},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        models = []
    return f"{len(models)} x {models[0]}" if models else platform.processor() or platform.machine()
