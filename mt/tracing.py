"""Programs that JAX has traced, kept on disk beside those that it has compiled.

JAX's own cache of compiled programs is asked by the traced program, so every start traces first, which for a beam
search takes longer than all else that a single sentence needs.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import inspect
import pathlib
from collections.abc import Callable
from typing import Any

import jax
from jax import export

from mt.files import write_atomically

_PACKAGES = ("jax", "jaxlib", "flax")


def program(function: Callable[..., Any], of: Any, identity: str, *arguments: Any) -> Callable[..., Any]:
    """The function for arguments of these shapes alone, traced at another start if it can be had so.

    Args:
        function: pure; its result must be of types that `jax.export` knows how to write down.
        of: an object whose class' source decides what the function does; all models, layers and searches of ours do.
        identity: all else that decides it.
        arguments: arrays, or their shapes and dtypes.

    Returns:
        The function itself where there is no cache of compiled programs (`parallel.use_compilation_cache`).
    """
    return exported.call if (exported := _exported(function, of, identity, arguments)) else function


def shapes(function: Callable[[], Any], of: Any, identity: str) -> Any:
    """As `jax.eval_shape` of a function without arguments; see `program`."""
    if exported := _exported(function, of, identity, ()):
        return jax.tree.unflatten(exported.out_tree, exported.out_avals)
    return jax.eval_shape(function)


def _exported(function: Callable[..., Any], of: Any, identity: str, arguments: Any) -> Any:
    settings = jax.config.values
    if not settings["jax_compilation_cache_dir"]:
        return None
    arguments = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arguments)
    precision = settings["jax_enable_x64"], settings["jax_default_matmul_precision"]
    key = repr(
        (
            _sources(inspect.getsourcefile(type(of)) or ""),
            jax.default_backend(),
            precision,
            identity,
            jax.tree.flatten(arguments),
        )
    )
    path = pathlib.Path(settings["jax_compilation_cache_dir"]) / "traced" / hashlib.sha256(key.encode()).hexdigest()
    try:
        return export.deserialize(bytearray(path.read_bytes()))
    except Exception:  # not there, or damaged: whatever the libraries make of that, it is traced anew
        exported = export.export(jax.jit(function))(*arguments)
        with contextlib.suppress(OSError):  # a cache that cannot be written only saves no time
            write_atomically(path, bytes(exported.serialize()))
        return exported


@functools.cache
def _sources(file: str) -> str:
    """A digest of all code that tracing depends on."""
    here = pathlib.Path(__file__).parent
    files = [path for part in ("models", "layers", "decoding") for path in sorted((here / part).glob("*.py"))]
    own = [pathlib.Path(file)] if file else []
    digest = hashlib.sha256(repr([importlib.metadata.version(each) for each in _PACKAGES]).encode())
    for path in [*files, *own]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
