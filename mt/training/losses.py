"""Losses, as sums over positions: whoever adds them up over devices divides once, at the end."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def alignment_loss(attention: jax.Array, links: jax.Array) -> jax.Array:
    """How little target tokens look at the source tokens that they come from, in nats, summed (Garg et al. 2019,
    equation 5, of one link a token).

    Args:
        attention: float32 [rows, target_length, source_length].
        links: int [rows, target_length], the place of a source token, or -1 where nothing is asked.
    """
    looked = jnp.take_along_axis(attention, jnp.maximum(links, 0)[..., None], axis=-1)[..., 0]
    return jnp.sum(jnp.where(links >= 0, -jnp.log(looked + 1e-9), 0.0))


def consistent_cross_entropy(
    hidden: jax.Array,
    logits: Callable[[jax.Array], jax.Array],
    targets: jax.Array,
    weights: jax.Array,
    label_smoothing: float,
    consistency: float,
) -> tuple[jax.Array, jax.Array]:
    """R-Drop (Liang et al. 2021, equation 4, divided by two): two passes' mean loss, and how far apart they are.

    To the mean of both passes' cross-entropies it adds consistency / 4 times the divergence of Kullback and Leibler of
    each pass' distribution from the other's.

    Args:
        hidden: [2, positions, model_dim], of two passes with different dropout; or [1, positions, model_dim], of a
            single one, which has nothing to be apart from.
        logits: what the model makes of it, [..., model_dim] -> float32 [..., vocab].
        targets: int [positions].
        weights: float32 [positions].
        label_smoothing: in [0, 1).
        consistency: the paper's alpha.

    Returns:
        Two float32 scalars: the loss in nats, and both passes' mean negative log-likelihood.
    """

    @jax.checkpoint  # the logits are made once more in the backward pass, rather than kept
    def sums(hidden: jax.Array) -> tuple[jax.Array, jax.Array]:
        log_probs = jax.nn.log_softmax(logits(hidden))
        one, other = log_probs[0], log_probs[-1]
        apart = jnp.sum((jnp.exp(one) - jnp.exp(other)) * (one - other), axis=-1)  # [positions]
        nll = -jnp.take_along_axis(log_probs, targets[None, :, None], axis=-1)[..., 0].mean(0)
        smoothed = (1 - label_smoothing) * nll - label_smoothing * log_probs.mean((0, -1))
        return jnp.sum(weights * (smoothed + consistency / 4 * apart)), jnp.sum(weights * nll)

    loss, nll = sums(hidden)
    return loss, jax.lax.stop_gradient(nll)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def projected_cross_entropy(
    hidden: jax.Array,
    table: jax.Array,
    bias: jax.Array | None,
    targets: jax.Array,
    weights: jax.Array,
    label_smoothing: float,
    chunk: int = 0,
) -> tuple[jax.Array, jax.Array]:
    """Cross-entropy of logits hidden @ table^T + bias against label-smoothed targets, summed with weights.

    The smoothed target (Szegedy et al. 2016, section 7) gives each of the `vocab` tokens label_smoothing / vocab, and
    the right one 1 - label_smoothing more. Neither it nor the gradient with respect to the logits is ever written out:
    that gradient is the softmax, less a constant, less another at one place, and the two constants pass through the
    projection as a sum over the table and as a few of its rows. What remains is the softmax and two products with it,
    made in the forward pass, while the logits are at hand.

    Args:
        hidden: [positions, model_dim], in the dtype to multiply in.
        table: float32 [vocab, model_dim].
        bias: float32 [vocab], or None if there is none.
        targets: int [positions].
        weights: float32 [positions], 0 where nothing is to be predicted.
        label_smoothing: in [0, 1).
        chunk: positions whose logits are there at once (Kitaev et al. 2020, section 3); 0 is all of them.

    Returns:
        Two float32 scalars: the loss in nats, and the negative log-likelihood (the loss without smoothing), which has
        no gradient.
    """

    def sums(hidden: jax.Array, targets: jax.Array, weights: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        loss, nll, *_ = _forward(hidden, table, bias, targets, weights, label_smoothing)
        return (loss, nll), None

    return _summed(sums, (hidden, targets, weights), chunk)[0]


def _summed(function: Callable[..., tuple[Any, Any]], positions: tuple[jax.Array, ...], chunk: int) -> tuple[Any, Any]:
    """What a function returns of all positions, the last of which weigh nothing: its first results added up, its second
    ones put together.

    Args:
        function: of arrays [positions, ...], weights being the last.
        positions: these arrays.
        chunk: how many positions at a time; 0 is all of them.
    """
    length = len(positions[0])
    if not chunk or length <= chunk:
        return function(*positions)
    chunks = -(-length // chunk)

    def cut(values: jax.Array) -> jax.Array:
        padded = jnp.pad(values, [(0, chunks * chunk - length), *[(0, 0)] * (values.ndim - 1)])
        return padded.reshape(chunks, chunk, *values.shape[1:])

    parts = jax.tree.map(cut, positions)
    shapes, _ = jax.eval_shape(function, *jax.tree.map(lambda part: part[0], parts))

    def add(total: Any, part: tuple[jax.Array, ...]) -> tuple[Any, Any]:
        found, own = function(*part)
        return jax.tree.map(jnp.add, total, found), own

    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, every = jax.lax.scan(add, nothing, parts)
    return total, jax.tree.map(lambda leaf: leaf.reshape(chunks * chunk, *leaf.shape[2:])[:length], every)


def _product(pattern: str, one: jax.Array, other: jax.Array, dtype: jnp.dtype) -> jax.Array:
    return jnp.einsum(pattern, one.astype(dtype), other.astype(dtype), preferred_element_type=jnp.float32)


def _forward(hidden, table, bias, targets, weights, label_smoothing):
    dtype = hidden.dtype
    logits = jnp.einsum("nd,vd->nv", hidden, table.astype(dtype)).astype(jnp.float32)
    if bias is not None:
        logits += bias
    highest = jnp.max(logits, axis=-1, keepdims=True)
    exponentials = jnp.exp(logits - highest)
    total = jnp.sum(exponentials, axis=-1, keepdims=True)
    normalizer = (jnp.log(total) + highest)[:, 0]
    # Picking it out of the logits would read all of them once more.
    right = jnp.sum(hidden.astype(jnp.float32) * table[targets].astype(dtype).astype(jnp.float32), axis=-1)
    if bias is not None:
        right += bias[targets]
    nll = jnp.sum(weights * (normalizer - right))
    uniform = jnp.sum(weights * (normalizer - jnp.mean(logits, axis=-1)))
    loss = (1 - label_smoothing) * nll + label_smoothing * uniform
    return loss, nll, exponentials, total


def _forward_with_gradients(hidden, table, bias, targets, weights, label_smoothing, chunk):
    def sums(hidden, targets, weights):
        values, (of_hidden, *others) = _gradients(hidden, table, bias, targets, weights, label_smoothing)
        return (values, others), of_hidden

    (values, others), of_hidden = _summed(sums, (hidden, targets, weights), chunk)
    return values, (of_hidden, *others)


def _gradients(hidden, table, bias, targets, weights, label_smoothing):
    loss, nll, exponentials, total = _forward(hidden, table, bias, targets, weights, label_smoothing)
    dtype = hidden.dtype
    weight = weights[:, None]
    softmax = exponentials * (weight / total)  # [positions, vocab], weighted
    on_target, on_all = 1 - label_smoothing, label_smoothing / table.shape[0]

    hidden_gradient = _product("nv,vd->nd", softmax, table, dtype)
    hidden_gradient -= weight * (on_target * table[targets] + on_all * jnp.sum(table, axis=0))
    weighted_hidden = weight * hidden.astype(jnp.float32)
    table_gradient = _product("nv,nd->vd", softmax, hidden, dtype)
    table_gradient = table_gradient.at[targets].add(-on_target * weighted_hidden)
    table_gradient -= on_all * jnp.sum(weighted_hidden, axis=0)
    bias_gradient = None
    if bias is not None:
        bias_gradient = jnp.sum(softmax, axis=0).at[targets].add(-on_target * weights) - on_all * jnp.sum(weights)
    return (loss, nll), (hidden_gradient.astype(dtype), table_gradient, bias_gradient)


def _backward(label_smoothing, chunk, saved, gradients):
    hidden_gradient, table_gradient, bias_gradient = saved
    scale = gradients[0]
    bias_gradient = None if bias_gradient is None else bias_gradient * scale
    return hidden_gradient * scale.astype(hidden_gradient.dtype), table_gradient * scale, bias_gradient, None, None


projected_cross_entropy.defvjp(_forward_with_gradients, _backward)
