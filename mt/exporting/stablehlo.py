"""The whole beam search as StableHLO, for processors that need not be here, by programs that need not have `mt`."""

import dataclasses
import importlib.resources
import pathlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import export

from mt.data.marian_tokenizer import MarianTokenizer
from mt.data.tokenizers import Side
from mt.decoding.batched_search import max_target_length
from mt.decoding.beam_search import SearchConfig, search_rows
from mt.decoding.reader import program_lengths
from mt.decoding.sampling import SamplingConfig, sample_rows
from mt.exporting import vocabularies
from mt.files import write_atomically, write_json
from mt.trained import Trained

PLATFORMS = ("cpu", "cuda", "tpu")


def write(
    found: Trained, search: SearchConfig, n_best: int, sampling: SamplingConfig | None, folder: pathlib.Path
) -> None:
    """Fills a folder with a program for each bound of the source's length, parameters, tokenizers and a script.

    Args:
        found: the model.
        search: how to search, which is part of the programs.
        n_best: how many hypotheses the search must be sure of, or how many samples to draw.
        sampling: how to draw samples, in place of a search.
        folder: to fill.
    """
    lengths = program_lengths(found.max_source_length)
    for length in lengths:
        write_atomically(folder / f"search-{length}.stablehlo", _program(found, search, n_best, sampling, length))
    with (folder / "params.npz").open("wb") as file:
        np.savez(file, **flatten_dict(jax.device_get(found.params), sep="/"))
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
            "seed": sampling.seed & 0xFFFFFFFF if sampling else None,
            "max_length_factor": search.max_length_factor,
            "max_length_offset": search.max_length_offset,
            "min_length": search.min_length,
            "language_codes": _language_codes(found.tokenizers.source),
            "platforms": PLATFORMS,
        },
    )
    write_json(folder / "pieces.json", pieces)
    script = importlib.resources.files("mt.exporting").joinpath("stablehlo_script.py").read_bytes()
    write_atomically(folder / "translate.py", script)


def _language_codes(source: Side) -> list[str]:
    """The pieces that may stand before a text without being a part of it, as Marian's >>fra<<."""
    if not isinstance(source, MarianTokenizer):
        return []
    return [piece for piece in source.pieces(range(len(source))) if re.fullmatch(r">>[^<]+<<", piece)]


def _program(found: Trained, search: SearchConfig, n_best: int, sampling: SamplingConfig | None, length: int) -> bytes:
    """search(params, source [batch, length], max_lengths [batch]) -> the fields of Hypotheses, [batch, n_best, ...].

    Parameters are given by their paths, "a/b", so that whoever calls needs to know nothing of the model. What draws
    samples takes seeds too, uint32 [batch].
    """
    flat = flatten_dict(found.params, sep="/")
    longest, start = max_target_length(length - 1, search), found.tokenizers.start
    if sampling:
        own = dataclasses.replace(search, beam_size=n_best, diversity_groups=1)
        rows = sample_rows(found.model, own, dataclasses.replace(sampling, seed=0), longest, start)
    else:
        rows = search_rows(found.model, search, longest, n_best, start)

    def run(params: Any, *arguments: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(values[:, :n_best] for values in rows(unflatten_dict(params, sep="/"), arguments))

    (batch,) = export.symbolic_shape("batch")
    params = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in flat.items()}
    shapes = [jax.ShapeDtypeStruct((batch, length), jnp.int32), jax.ShapeDtypeStruct((batch,), jnp.int32)]
    if sampling:
        shapes.append(jax.ShapeDtypeStruct((batch,), jnp.uint32))
    return bytes(export.export(jax.jit(run), platforms=PLATFORMS)(params, *shapes).serialize())
