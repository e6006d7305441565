"""Speed of translating: the beam search alone, and whole texts."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from mt import parallel
from mt.benchmarks.timing import Measurement, seconds
from mt.decoding.beam_search import EOS, SearchConfig, search_rows
from mt.decoding.translator import Translator


def fixed_length_search(model: Any, beam_size: int, batch: int, target_length: int) -> Callable[[Any, Any], Any]:
    """A compiled search all of whose translations have the same length, so that engines can be compared.

    A single sentence is given to one device; more are shared among all, as `Translator` does.

    Returns:
        A function of replicated parameters and a source, int32 [batch, source_length] with eos.
    """
    # Every length but this one is forbidden.
    config = SearchConfig(beam_size, min_length=target_length, max_length_factor=0, max_length_offset=target_length)
    search = search_rows(model, config, target_length)
    program = parallel.row_parallel(search, jax.local_devices()[: 1 if batch == 1 else None])
    limits = np.full(batch, target_length, np.int32)

    def call(params: Any, source: Any) -> Any:
        return parallel.fetch_rows(program(parallel.on_one_device(params) if batch == 1 else params, (source, limits)))

    return call


def measure_search(
    model: Any,
    params: Any,
    vocab: int,
    beam_size: int,
    batch: int,
    source_length: int,
    target_length: int,
    repeats: int,
) -> Measurement:
    """Tokens a second of the best hypotheses by `fixed_length_search`.

    Args:
        model: an `interface.Searchable` that counts its FLOPs.
        params: replicated.
        vocab: ids below which random source words are drawn.
        beam_size: hypotheses a sentence.
        batch: sentences; a multiple of the devices, or 1.
        source_length: words a source has, eos not counted.
        target_length: words a translation has, eos not counted.
        repeats: how often the search is timed.
    """
    source = np.random.default_rng(0).integers(3, vocab, (batch, source_length + 1)).astype(np.int32)
    source[:, -1] = EOS
    search = fixed_length_search(model, beam_size, batch, target_length)
    taken = seconds(lambda: search(params, source), repeats)
    flops = model.flops(np.full(batch, source_length + 1), np.full(batch, target_length + 1), beam_size)
    name = f"beam {beam_size}, batch {batch}, {source_length} + {target_length} tokens"
    return Measurement(
        name, "tokens/s", tuple(batch * target_length / each for each in taken), flops / statistics.median(taken)
    )


def growth(
    model: Any, params: Any, vocab: int, repeats: int, most: dict[str, int]
) -> Iterator[tuple[str, list[int], list[Measurement]]]:
    """How the cost grows with the beam, the target's length and the batch, the others being fixed.

    Args:
        most: the largest "beam", "length" and "batch" to go to.

    Returns:
        What is varied, its values, and a measurement of each.
    """
    devices = jax.local_device_count()
    fixed = {"beam": 4, "length": 40, "batch": 32 // devices * devices or devices}
    values = {
        "beam": [1, 2, 4, 8],
        "length": [20, 40, 80, 120, 160, 200],
        "batch": [1] + [batch for batch in (2, 4, 8, 16, 32, 64, 128) if batch % devices == 0],
    }
    for varied, candidates in values.items():
        chosen = [value for value in candidates if value <= most[varied]]
        if len(chosen) < 2:
            continue
        found = []
        for value in chosen:
            sizes = fixed | {varied: value}
            found.append(
                measure_search(model, params, vocab, sizes["beam"], sizes["batch"], 24, sizes["length"], repeats)
            )
        yield varied, chosen, found


def measure_text(translator: Translator, lines: Sequence[str], beam_size: int, repeats: int) -> Measurement:
    """Sentences a second from text to text, tokenisation included."""
    taken = seconds(lambda: translator.translate(lines, beam_size=beam_size) and None, repeats)
    return Measurement(
        f"{len(lines):,} sentences of text, beam {beam_size}", "sentences/s", tuple(len(lines) / each for each in taken)
    )
