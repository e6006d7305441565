"""TPU chips, and descriptions of machines made of them that need not be there."""

import os
from typing import Any, NamedTuple

from mt.errors import UserError


class Chip(NamedTuple):
    """What a chip can do at most, by its maker's account.

    Attributes:
        flops: of products in bfloat16, a second.
        memory_bytes: HBM.
        memory_bandwidth: of the HBM, in bytes a second.
        link_bandwidth: of all links to other chips, both directions together, in bytes a second.
    """

    flops: float
    memory_bytes: float
    memory_bandwidth: float
    link_bandwidth: float


# https://docs.cloud.google.com/tpu/docs/ v5e, v5p, v6e: the tables of system architecture. Each chip is one JAX device.
CHIPS = {
    "v5e": Chip(197e12, 16e9, 819e9, 400e9),
    "v5p": Chip(459e12, 95e9, 2765e9, 1200e9),
    "v6e": Chip(918e12, 32e9, 1638e9, 800e9),
}
_EXAMPLES = "v5e:2x4, v5p:2x2x1 or v6e:4x4"
# libtpu asks the machine about its own TPU when it is loaded, waits for answers, and complains that there are none.
_NO_TPU_HERE = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_STDERR_LOG_LEVEL": "3",
    "TPU_MIN_LOG_LEVEL": "3",
}


def leave_own_devices_alone() -> None:
    """Compiling for other machines needs no device of this one. To be called before JAX is imported."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ.update(_NO_TPU_HERE)


def describe(topology: str) -> tuple[Chip, list[Any]]:
    """The chip of a machine, and its devices, which can be compiled for and nothing else.

    Args:
        topology: kind of chip and shape, as "v5e:2x4".

    Raises:
        UserError: there is no such machine, or no compiler for it.
    """
    kind = topology.partition(":")[0]
    if kind not in CHIPS:
        raise UserError(
            f"--topology {topology}: unknown kind of chip {kind!r}; known are {', '.join(CHIPS)}, as in {_EXAMPLES}"
        )
    try:
        import libtpu  # noqa: F401  # JAX finds it by itself; this is to tell whether it is there
    except ImportError:
        raise UserError(
            "mt plan needs libtpu, the TPU's compiler, which runs on any Linux machine; pip install -e '.[plan]'"
        ) from None
    import jax
    from jax.experimental import topologies

    try:
        found = topologies.get_topology_desc(topology_name=topology, platform="tpu")
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).partition(": ")[2] or str(error)
        raise UserError(f"--topology {topology}: no such machine ({reason}); give one as {_EXAMPLES}") from None
    return CHIPS[kind], list(found.devices)
