"""Where attention looks: the weights of every attention layer of a pass, in order."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mt.errors import UserError
from mt.layers.attention import CrossAttention, MultiHeadAttention, attention_weights
from mt.layers.chunked_attention import ChunkedSelfAttention
from mt.layers.chunked_cross_attention import ChunkedCrossAttention
from mt.layers.masks import segment_mask


def with_attention(run: Callable[[], Any]) -> tuple[Any, dict[str, list[jax.Array]]]:
    """What a function returns that applies a model, and the weights of the attentions that it goes through.

    Args:
        run: calls `apply` of a model without dropout. The modules stay as they are: the weights are computed once more
            beside them.

    Returns:
        The result, and float32 [batch, heads, query, key] a layer, by the name that all layers' attentions have in
        common, say "decoder_layers/cross_attention".
    """

    def weights(module: nn.Module, method: str, arguments: Any) -> jax.Array | None:
        if method == "attend" and isinstance(module, MultiHeadAttention):
            query, keys_values, mask, *bias = arguments
            return attention_weights(query, keys_values.keys, mask, *bias)
        if method == "between" and isinstance(module, ChunkedCrossAttention) and module.cuts(arguments[0].shape[1]):
            inputs, memory, *segments, _ = arguments
            return _cross_weights(module, inputs, memory, segment_mask(*segments))
        if method == "__call__" and isinstance(module, ChunkedSelfAttention):
            inputs, segments, _, rotations, *_ = arguments
            return module.weights(inputs, segments, rotations)
        return None

    return _with_weights(run, weights)


def with_cross_attention(run: Callable[[], Any]) -> tuple[Any, dict[str, list[jax.Array]]]:
    """As `with_attention`, of encoder-decoder attention alone, also in a pass with dropout, whose weights are those
    before it. The model must not compute anything twice to save memory (`remat`)."""

    def weights(module: nn.Module, method: str, arguments: Any) -> jax.Array | None:
        if method != "__call__" or not isinstance(module, CrossAttention):
            return None
        inputs, memory, mask, *_ = arguments
        return _cross_weights(module, inputs, memory, mask)

    return _with_weights(run, weights)


def _with_weights(
    run: Callable[[], Any], weights: Callable[[nn.Module, str, Any], jax.Array | None]
) -> tuple[Any, dict[str, list[jax.Array]]]:
    """See `with_attention`; `weights` are of a call of a module's method, if it is one that counts."""
    found: dict[str, list[jax.Array]] = {}

    def intercept(call: Callable[..., Any], arguments: Any, options: Any, context: nn.module.InterceptorContext) -> Any:
        seen = weights(context.module, context.method_name, arguments)
        if seen is not None:
            found.setdefault(_name(context.module), []).append(seen)
        return call(*arguments, **options)

    with nn.intercept_methods(intercept):
        result = run()
    return result, found


def maps_of(model: Any, params: Any, batch: Any) -> dict[str, list[jax.Array]]:
    """The weights of a model's attentions as it reads a training batch; see `with_attention`."""
    return with_attention(lambda: model.apply({"params": params}, batch, method="hidden"))[1]


def cross_attention(found: dict[str, list[jax.Array]], layer: int | None = None) -> jax.Array:
    """The mean over heads of one decoder layer's look at the source, float32 [batch, target_length, source_length].

    Args:
        found: see `with_attention`.
        layer: which, from 0; None is the last but one, whose heads align best (Garg et al. 2019, section 4.1), or the
            only one.

    Raises:
        UserError: there is none.
    """
    layers = next((of_name for name, of_name in found.items() if name.endswith("cross_attention")), None)
    if layers is None:
        raise UserError("the model has no encoder-decoder attention, which tells what translations come from")
    return jnp.mean(layers[max(len(layers) - 2, 0) if layer is None else layer], axis=1)


def _cross_weights(module: CrossAttention, inputs: jax.Array, memory: jax.Array, mask: jax.Array) -> jax.Array:
    return attention_weights(module.project_query(inputs), module.project_keys_values(memory).keys, mask)


def _name(module: nn.Module) -> str:
    """A module's path without the numbers of layers."""
    return "/".join(part.rstrip("0123456789").rstrip("_") for part in module.path)
