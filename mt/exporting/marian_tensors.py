"""Which tensor of a Hugging Face MarianMT model is which of our parameters: one table, read in both directions."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mt.exporting.tensors import Tensor, placed
from mt.models.transformer import TransformerConfig

_EMBEDDINGS = {
    "all": {"target": "model.shared.weight"},
    "inputs": {"target": "model.shared.weight", "output": "lm_head.weight"},
    "target": {"source": "model.encoder.embed_tokens.weight", "target": "model.decoder.embed_tokens.weight"},
    "none": {
        "source": "model.encoder.embed_tokens.weight",
        "target": "model.decoder.embed_tokens.weight",
        "output": "lm_head.weight",
    },
}
BIAS = "final_logits_bias"


def tensors(config: TransformerConfig) -> Iterator[Tensor]:
    """Every tensor of a model."""
    for side, name in _EMBEDDINGS[config.tie_embeddings].items():
        vocab = "source" if side == "source" else "target"
        yield Tensor(name, (f"{side}_embedding", "table"), vocab=vocab)
    if config.output_bias:
        yield Tensor(BIAS, ("output_bias",), vocab="target")
    for side, depth in (("encoder", config.num_layers), ("decoder", config.decoder_depth)):
        for number in range(depth):
            yield from _block(f"model.{side}.layers.{number}", f"{side}_layers_{number}", side == "decoder")


def _block(theirs: str, ours: str, decoder: bool) -> Iterator[Tensor]:
    yield from _dense(f"{theirs}.self_attn", ours, "self_attention", {"query_key_value": "qkv"})
    yield from _norm(f"{theirs}.self_attn_layer_norm", ours, "self_attention_residual")
    if decoder:
        yield from _dense(f"{theirs}.encoder_attn", ours, "cross_attention", {"query": "q", "key_value": "kv"})
        yield from _norm(f"{theirs}.encoder_attn_layer_norm", ours, "cross_attention_residual")
    for name, layer in (("fc1", "inner"), ("fc2", "outer")):
        yield Tensor(f"{theirs}.{name}.weight", (ours, "feed_forward", layer, "kernel"), turned=True)
        yield Tensor(f"{theirs}.{name}.bias", (ours, "feed_forward", layer, "bias"))
    yield from _norm(f"{theirs}.final_layer_norm", ours, "feed_forward_residual")


def _dense(theirs: str, block: str, attention: str, projections: Mapping[str, str]) -> Iterator[Tensor]:
    for layer, letters in projections.items():
        for part, letter in enumerate(letters):
            own = part if len(letters) > 1 else None
            yield Tensor(f"{theirs}.{letter}_proj.weight", (block, attention, layer, "kernel"), own, turned=True)
            yield Tensor(f"{theirs}.{letter}_proj.bias", (block, attention, layer, "bias"), own)
    yield Tensor(f"{theirs}.out_proj.weight", (block, attention, "output", "kernel"), turned=True)
    yield Tensor(f"{theirs}.out_proj.bias", (block, attention, "output", "bias"))


def _norm(theirs: str, block: str, residual: str) -> Iterator[Tensor]:
    for name, leaf in (("weight", "scale"), ("bias", "bias")):
        yield Tensor(f"{theirs}.{name}", (block, residual, "norm", leaf))


def to_theirs(config: TransformerConfig, params: Any, orders: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Our parameters as their tensors, float32.

    Args:
        config: of the model.
        params: nested dicts of arrays.
        orders: for "source" and "target", their id of each of ours.
    """
    found = {}
    for tensor in tensors(config):
        values = params
        for name in tensor.path:
            values = values[name]
        values = np.asarray(values, np.float32)
        if tensor.part is not None:
            values = np.take(values, tensor.part, axis=-2)
        if tensor.vocab:
            values = values[np.argsort(orders[tensor.vocab])]
        if tensor.name == BIAS:
            values = values[None]
        found[tensor.name] = np.ascontiguousarray(values.T if tensor.turned else values)
    return found


def to_ours(
    config: TransformerConfig, theirs: Mapping[str, np.ndarray], orders: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Their tensors as our parameters, float32; see `to_theirs`. Raises KeyError for one that is missing."""

    def read(tensor: Tensor) -> np.ndarray:
        values = np.asarray(theirs[tensor.name], np.float32)
        if tensor.name == BIAS:
            values = values[0]
        return values[orders[tensor.vocab]] if tensor.vocab else values

    return placed(tensors(config), read)


def no_bias(vocab: int) -> np.ndarray:
    """Their bias where ours has none."""
    return np.zeros((1, vocab), np.float32)
