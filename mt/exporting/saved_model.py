"""The whole beam search as a TensorFlow SavedModel, for TF Serving: token ids in, token ids out."""

import pathlib

import jax
import jax.numpy as jnp

from mt.data.tensorflow import import_tensorflow
from mt.decoding.batched_search import max_target_length
from mt.decoding.beam_search import SearchConfig, beam_search
from mt.decoding.top_k import by_sorting
from mt.exporting import vocabularies
from mt.files import write_json
from mt.trained import Trained

_PLATFORMS = ("cpu", "cuda", "tpu")


def write(found: Trained, search: SearchConfig, n_best: int, folder: pathlib.Path) -> None:
    """Fills a folder with version 1 of a servable, and beside it the tokenizers that make its ids.

    Its only signature takes "source", int32 [batch, source_length] of any sizes, ended by eos (2) and padded with 0,
    and returns the fields of `Hypotheses`, [batch, n_best, ...]. Sources longer than the model was trained on are the
    caller's to split.

    Args:
        found: the model.
        search: how to search, which is part of the program.
        n_best: how many hypotheses the search must be sure of.
        folder: to fill.
    """
    tf = import_tensorflow()
    from jax.experimental import jax2tf

    longest = max_target_length(found.max_source_length - 1, search)

    def run(params, source):
        tokens = jnp.sum(source > 0, axis=1) - 1  # eos is none of them
        most = (search.max_length_factor * tokens).astype(jnp.int32) + search.max_length_offset
        limits = jnp.maximum(most, search.min_length)
        start = found.tokenizers.start
        best = beam_search(found.model, params, source, limits, search, longest, n_best, start)
        return {name: values[:, :n_best] for name, values in best._asdict().items()}

    module = tf.Module()
    # Variables keep the parameters out of the graph, whose size is limited.
    module.params = tf.nest.map_structure(tf.Variable, jax.device_get(found.params))
    convert = jax2tf.convert(
        run,
        polymorphic_shapes=[None, "(batch, length)"],
        with_gradient=False,
        native_serialization_platforms=_PLATFORMS,
    )
    signature = [tf.TensorSpec((None, None), tf.int32, name="source")]
    search_in_graph = tf.function(
        lambda source: convert(module.params, source), input_signature=signature, autograph=False
    )
    module.search = search_in_graph
    with by_sorting():
        tf.saved_model.save(module, str(folder / "1"), signatures={"serving_default": search_in_graph})
    vocabulary = vocabularies.of(found.tokenizers)
    vocabulary.write_models(folder)
    sides = {"source": found.tokenizers.source, "target": found.tokenizers.target}
    write_json(folder / "pieces.json", {side: each.pieces(range(len(each))) for side, each in sides.items()})
