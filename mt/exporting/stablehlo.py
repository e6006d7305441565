"""The whole beam search as StableHLO, for processors that need not be here, by programs that need not have `mt`."""

import importlib.resources
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from mt.decoding.beam_search import SearchConfig, beam_search
from mt.decoding.translator import max_target_length, source_lengths
from mt.exporting import vocabularies
from mt.files import write_atomically, write_json
from mt.trained import Trained

PLATFORMS = ("cpu", "cuda", "tpu")


def write(found: Trained, search: SearchConfig, n_best: int, folder: pathlib.Path) -> None:
    """Fills a folder with a program for each bound of the source's length, parameters, tokenizers and a script.

    Args:
        found: the model.
        search: how to search, which is part of the programs.
        n_best: how many hypotheses the search must be sure of.
        folder: to fill.
    """
    lengths = source_lengths(found.max_source_length)
    for length in lengths:
        write_atomically(folder / f"search-{length}.stablehlo", _program(found, search, n_best, length))
    flat = jax.tree_util.tree_flatten_with_path(jax.device_get(found.params))[0]
    with (folder / "params.npz").open("wb") as file:
        np.savez(file, **{"/".join(key.key for key in path): leaf for path, leaf in flat})
    vocabulary = vocabularies.of(found.tokenizers)
    vocabulary.write_models(folder)
    sides = {"source": found.tokenizers.source, "target": found.tokenizers.target}
    pieces = {side: tokenizer.pieces(range(len(tokenizer))) for side, tokenizer in sides.items()}
    longest = {length: max_target_length(length - 1, search) for length in lengths}
    write_json(
        folder / "config.json",
        {
            "lengths": lengths,
            "longest": list(longest.values()),
            "n_best": n_best,
            "max_length_factor": search.max_length_factor,
            "max_length_offset": search.max_length_offset,
            "min_length": search.min_length,
            "platforms": PLATFORMS,
        },
    )
    write_json(folder / "pieces.json", pieces)
    script = importlib.resources.files("mt.exporting").joinpath("stablehlo_script.py").read_bytes()
    write_atomically(folder / "translate.py", script)


def _program(found: Trained, search: SearchConfig, n_best: int, length: int) -> bytes:
    """search(params, source [batch, length], max_lengths [batch]) -> the fields of Hypotheses, [batch, n_best, ...]."""
    longest = max_target_length(length - 1, search)

    def run(params: Any, source: jax.Array, max_lengths: jax.Array) -> tuple[jax.Array, ...]:
        found_best = beam_search(
            found.model, params, source, max_lengths, search, longest, n_best, found.tokenizers.start
        )
        return tuple(values[:, :n_best] for values in found_best)

    (batch,) = export.symbolic_shape("batch")
    params = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), found.params)
    source = jax.ShapeDtypeStruct((batch, length), jnp.int32)
    max_lengths = jax.ShapeDtypeStruct((batch,), jnp.int32)
    return bytes(export.export(jax.jit(run), platforms=PLATFORMS)(params, source, max_lengths).serialize())
