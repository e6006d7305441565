"""Attention as one kernel on TPU, whose scores, weights and dropout masks never leave the core.

A row of the batch and a few heads at a time fit the core's own memory whole, so that the softmax needs no second pass.
The backward pass computes the weights again: it reads and writes what the projections do and nothing else.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from mt.layers.dropout import keep_mask

_LANES = 128
_MOST_SCORES = 512 * 512


def fits(query_length: int, key_length: int, num_heads: int, head_dim: int) -> bool:
    """Whether the kernel takes attention of this size: heads fill whole registers, and scores the core's memory."""
    heads_fill = _LANES % head_dim == 0 and num_heads * head_dim % _LANES == 0
    return heads_fill and query_length * key_length <= _MOST_SCORES


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def fused_attention(
    projected: tuple[jax.Array, ...],
    mask: jax.Array,
    words: jax.Array,
    num_heads: int,
    dropout: float,
    interpret: bool = False,
) -> jax.Array:
    """As `attention.scaled_dot_product_attention` with dropout of the weights.

    Args:
        projected: query, key and value, each of width heads * head_dim, next to each other as their products give
            them: one array [batch, length, 3 * width], or two, [batch, query, width] and [batch, key, 2 * width].
        mask: bool [batch, query, key].
        words: uint32 [3], see `dropout.key_words`.
        num_heads: heads.
        dropout: the rate.
        interpret: emulates the kernel, on any device.

    Returns:
        [batch, query, width], in the dtype of what is projected.
    """
    return _forward(projected, mask, words, num_heads, dropout, interpret)[0]


def _weights(words, query, key, mask, position, dropout):
    """Scaled query [query, head_dim] and key -> the weights before and after dropout, and what it multiplied with."""
    scores = jax.lax.dot_general(query, key, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)
    scores = jnp.where(mask, scores, jnp.finfo(jnp.float32).min)
    exponentials = jnp.exp(scores - jnp.max(scores, axis=-1, keepdims=True))
    weights = exponentials / jnp.sum(exponentials, axis=-1, keepdims=True)
    if not dropout:
        return weights, weights, None
    rows, columns = (jax.lax.broadcasted_iota(jnp.int32, scores.shape, axis) for axis in (0, 1))
    positions = (position * scores.size + rows * scores.shape[1] + columns).astype(jnp.uint32)
    factor = jnp.where(keep_mask(words, positions, dropout), 1 / (1 - dropout), 0.0)
    return weights, weights * factor, factor


def _each_head(num_heads, head_dim, inputs, outputs, attend):
    """Calls attend(head, *inputs) for each head of a row, and stores what it returns.

    Heads that share registers are read and written together.

    Args:
        num_heads: heads.
        head_dim: of each.
        inputs: where its arguments stand: of each, a reference and the first of its channels.
        outputs: where its results are to stand.
        attend: from arrays [length, head_dim] to a tuple of them.
    """
    together = _LANES // head_dim

    def block(number, _):
        def channels(first):
            return 0, slice(None), pl.ds(pl.multiple_of(first + number * _LANES, _LANES), _LANES)

        read = [ref[channels(first)] for ref, first in inputs]
        results = []
        for within in range(together):
            own = slice(within * head_dim, (within + 1) * head_dim)
            results.append(attend(number * together + within, *(each[:, own] for each in read)))
        for (ref, first), heads in zip(outputs, zip(*results)):
            ref[channels(first)] = jnp.concatenate(heads, axis=1).astype(ref.dtype)

    jax.lax.fori_loop(0, num_heads // together, block, None)


def _first_head(words_ref, num_heads):
    """How many heads the whole batch has before this row's."""
    return (words_ref[2].astype(jnp.int32) + pl.program_id(0)) * num_heads


def _forward_kernel(words_ref, *refs, num_heads, head_dim, dropout):
    *projected, mask_ref, out_ref = refs
    mask, first_head = mask_ref[0] != 0, _first_head(words_ref, num_heads)

    def attend(head, query, key, value):
        query = query * jnp.asarray(head_dim**-0.5, query.dtype)
        _, weights, _ = _weights((words_ref[0], words_ref[1]), query, key, mask, first_head + head, dropout)
        return (jnp.dot(weights.astype(value.dtype), value, preferred_element_type=jnp.float32),)

    _each_head(num_heads, head_dim, _parts(projected, num_heads * head_dim), [(out_ref, 0)], attend)


def _backward_kernel(words_ref, *refs, num_heads, head_dim, dropout):
    inputs = (len(refs) - 2) // 2
    projected, mask_ref, gradient_ref, gradients = refs[:inputs], refs[inputs], refs[inputs + 1], refs[inputs + 2 :]
    mask, first_head = mask_ref[0] != 0, _first_head(words_ref, num_heads)
    of_first, of_second = (((0,), (0,)), ((), ())), (((1,), (1,)), ((), ()))
    product = functools.partial(jax.lax.dot_general, preferred_element_type=jnp.float32)

    def attend(head, query, key, value, gradient):
        scale = jnp.asarray(head_dim**-0.5, query.dtype)
        query = query * scale
        words = words_ref[0], words_ref[1]
        before, after, factor = _weights(words, query, key, mask, first_head + head, dropout)
        dvalue = product(after.astype(value.dtype), gradient, of_first)
        dweights = product(gradient, value, of_second)
        if factor is not None:
            dweights *= factor
        dscores = (before * (dweights - jnp.sum(dweights * before, axis=-1, keepdims=True))).astype(key.dtype)
        dquery = jnp.dot(dscores, key, preferred_element_type=jnp.float32) * scale
        return dquery, product(dscores, query, of_first), dvalue

    width = num_heads * head_dim
    _each_head(num_heads, head_dim, [*_parts(projected, width), (gradient_ref, 0)], _parts(gradients, width), attend)


def _parts(projected, width):
    """Where query, key and value stand: of each, an array and the first of its channels."""
    if len(projected) == 1:
        return [(projected[0], number * width) for number in range(3)]
    return [(projected[0], 0), (projected[1], 0), (projected[1], width)]


def _call(kernel, products, operands, outputs, num_heads, head_dim, dropout, interpret):
    """Runs a kernel over the batch's rows.

    Args:
        kernel: of which.
        products: how many products of matrices it makes of each head.
        operands: words, what is projected, mask, and gradients.
        outputs: the shapes and dtypes of its results.
    """
    mask = next(each for each in operands if each.dtype == jnp.int8)

    def block(array):
        return pl.BlockSpec((1, *array.shape[1:]), lambda row: (row, 0, 0))

    scores = num_heads * mask.size
    moved = sum(math.prod(each.shape) * each.dtype.itemsize for each in (*operands, *outputs))
    return pl.pallas_call(
        functools.partial(kernel, num_heads=num_heads, head_dim=head_dim, dropout=dropout),
        grid=(mask.shape[0],),
        in_specs=[pl.BlockSpec(memory_space=pltpu.SMEM), *map(block, operands[1:])],
        out_specs=[block(each) for each in outputs],
        out_shape=outputs,
        cost_estimate=pl.CostEstimate(
            flops=products * 2 * scores * head_dim, transcendentals=scores, bytes_accessed=moved
        ),
        interpret=interpret,
    )(*operands)


def _forward(projected, mask, words, num_heads, dropout, interpret):
    width = projected[0].shape[-1] // (3 if len(projected) == 1 else 1)
    saved = (words, *projected, mask.astype(jnp.int8))
    out = jax.ShapeDtypeStruct((*projected[0].shape[:2], width), projected[0].dtype)
    (attended,) = _call(_forward_kernel, 2, saved, [out], num_heads, width // num_heads, dropout, interpret)
    return attended, saved


def _backward(num_heads, dropout, interpret, saved, gradient):
    _, *projected, _ = saved
    outputs = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in projected]
    head_dim = gradient.shape[-1] // num_heads
    found = _call(_backward_kernel, 5, (*saved, gradient), outputs, num_heads, head_dim, dropout, interpret)
    return tuple(found), None, None


fused_attention.defvjp(_forward, _backward)
