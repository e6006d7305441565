"""Losses, as sums over positions: whoever adds them up over devices divides once, at the end."""

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def cross_entropy(
    logits: jax.Array, targets: jax.Array, weights: jax.Array, label_smoothing: float
) -> tuple[jax.Array, jax.Array]:
    """Cross-entropy against label-smoothed targets (Szegedy et al. 2016, section 7), summed with weights.

    The smoothed target gives each of the `vocab` tokens label_smoothing / vocab, and the right one 1 - label_smoothing
    more. It is never written out: only its inner product with the log-probabilities is needed, and its gradient is
    the softmax less a constant, and less another at one place.

    Args:
        logits: float32 [..., vocab].
        targets: int [...].
        weights: float32 [...], 0 where nothing is to be predicted.
        label_smoothing: in [0, 1).

    Returns:
        Two float32 scalars: the loss in nats, and the negative log-likelihood (the loss without smoothing), which has
        no gradient.
    """
    return _forward(logits, targets, weights, label_smoothing)[0]


def _forward(logits, targets, weights, label_smoothing):
    normalizer = jax.nn.logsumexp(logits, axis=-1)  # [...]
    right = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    nll = jnp.sum(weights * (normalizer - right))
    if label_smoothing:
        uniform = jnp.sum(weights * (normalizer - jnp.mean(logits, axis=-1)))
        loss = (1 - label_smoothing) * nll + label_smoothing * uniform
    else:
        loss = nll
    return (loss, nll), (logits, normalizer, targets, weights)


def _backward(label_smoothing, saved, gradients):
    logits, normalizer, targets, weights = saved
    scale = (weights * gradients[0])[..., None]
    is_target = jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1) == targets[..., None]
    wanted = jnp.where(is_target, 1 - label_smoothing, 0) + label_smoothing / logits.shape[-1]
    return (jnp.exp(logits - normalizer[..., None]) - wanted) * scale, None, None


cross_entropy.defvjp(_forward, _backward)
