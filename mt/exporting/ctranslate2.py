"""A model as a CTranslate2 folder, by CTranslate2's own description of models (`pip install 'mt[ctranslate2]'`)."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mt.errors import UserError
from mt.exporting import vocabularies
from mt.layers.positions import sinusoidal_positions
from mt.trained import Trained

_ACTIVATIONS = {"relu": "RELU", "gelu": "GELUTanh", "gelu_erf": "GELU", "swish": "SWISH", "swiglu": "SWISH"}
_LONGEST = 1024  # of what its engine translates at once


def write(found: Trained, dtype: str, folder: pathlib.Path) -> None:
    """Fills a folder with what `ctranslate2.Translator` reads, and the SentencePiece models beside it.

    Args:
        found: the model.
        dtype: "float32", "float16", "bfloat16" or "int8".
        folder: to fill.

    Raises:
        UserError: CTranslate2 is not installed, or has no such model.
    """
    try:
        from ctranslate2.specs import TransformerSpec, common_spec
    except ImportError:
        raise UserError("--format ctranslate2: needs its package; pip install 'mt[ctranslate2]'") from None
    config, vocabulary = found.model.config, vocabularies.of(found.tokenizers)
    unknown = {
        f"model.positions {config.positions}": config.positions not in ("sinusoidal", "learned"),
        "model.scale_embeddings False": not config.scale_embeddings,
        "model.source_norm True": config.source_norm,
        "a model.decoder_norm that is not model.norm": len(set(config.norms.values())) > 1,
    }
    if any(unknown.values()):
        wrong = " and ".join(name for name, has in unknown.items() if has)
        raise UserError(f"--format ctranslate2: it knows no model with {wrong}; take another --format")
    params: Any = jax.device_get(found.params)
    spec = TransformerSpec.from_config(
        (config.num_layers, config.decoder_depth),
        config.num_heads,
        pre_norm=config.norm == "pre",
        activation=getattr(common_spec.Activation, _ACTIVATIONS[config.activation]),
        ffn_glu=config.activation == "swiglu",
    )
    tied = {"source": config.tie_embeddings in ("all", "inputs"), "output": config.tie_embeddings in ("all", "target")}
    tables = {
        side: params[f"{'target' if tied.get(side) else side}_embedding"]["table"]
        for side in ("source", "target", "output")
    }
    reverse = {side: np.argsort(orders) for side, orders in vocabulary.orders.items()}
    for side, part in (("source", spec.encoder), ("target", spec.decoder)):
        embeddings = part.embeddings[0] if isinstance(part.embeddings, list) else part.embeddings
        embeddings.weight = tables[side][reverse[side]]
        if config.positions == "learned":
            part.position_encodings.encodings = params[f"{side}_positions"]["table"]
        else:
            encodings = sinusoidal_positions(jnp.arange(_LONGEST), config.model_dim)
            part.position_encodings.encodings = np.asarray(encodings)
    spec.decoder.projection.weight = tables["output"][reverse["target"]]
    if config.output_bias:
        spec.decoder.projection.bias = params["output_bias"][reverse["target"]]
    for side, part in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        if config.norm == "pre":
            _norm(part.layer_norm, params[f"{side}_norm"])
        for number, layer in enumerate(part.layer):
            _block(layer, params[f"{side}_layers_{number}"])
    spec.register_source_vocabulary(vocabulary.source)
    spec.register_target_vocabulary(vocabulary.target)
    pieces = {name: vocabulary.target[number] for name, number in vocabulary.special.items()}
    spec.config.unk_token, spec.config.eos_token, spec.config.bos_token = pieces["unk"], pieces["eos"], pieces["start"]
    spec.config.decoder_start_token = pieces["start"]
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = config.norm_epsilon
    spec.validate()
    spec.optimize(quantization=None if dtype == "float32" else dtype)
    spec.save(str(folder))
    vocabulary.write_models(folder)


def _block(spec: Any, params: Any) -> None:
    attention = params["self_attention"]
    _dense(spec.self_attention.linear[0], attention["query_key_value"])
    _dense(spec.self_attention.linear[1], attention["output"])
    _norm(spec.self_attention.layer_norm, params["self_attention_residual"]["norm"])
    if "cross_attention" in params:
        attention = params["cross_attention"]
        for linear, name in zip(spec.attention.linear, ("query", "key_value", "output"), strict=True):
            _dense(linear, attention[name])
        _norm(spec.attention.layer_norm, params["cross_attention_residual"]["norm"])
    feed_forward = params["feed_forward"]
    _dense(spec.ffn.linear_0, feed_forward["inner"])
    _dense(spec.ffn.linear_1, feed_forward["outer"])
    if "gate" in feed_forward:
        _dense(spec.ffn.linear_0_noact, feed_forward["gate"])
    _norm(spec.ffn.layer_norm, params["feed_forward_residual"]["norm"])


def _dense(spec: Any, params: Any) -> None:
    """Several projections are one of theirs, of all their outputs one after the other."""
    kernel = params["kernel"]
    spec.weight = np.ascontiguousarray(kernel.reshape(len(kernel), -1).T)
    spec.bias = params["bias"].reshape(-1)


def _norm(spec: Any, params: Any) -> None:
    spec.gamma, spec.beta = params["scale"], params["bias"]
