"""By what hypotheses can go on, and how likely they then are."""

from typing import Any

import jax
import jax.numpy as jnp

from mt.decoding.repetition import completes_a_repetition
from mt.decoding.selection import NEVER

# Ids every model of ours shares with its tokenizer (see data.tokenizer, which decoding must not need to import).
PAD, BOS, EOS = 0, 1, 2


def token_scores(model: Any, logits: jax.Array) -> jax.Array:
    """What each token adds to a hypothesis, float32 [batch, beam, vocab]: its log-probability, unless the model's
    logits are that already (`gives_scores`), as a sum of several log-probabilities is, which is none itself."""
    if getattr(model, "gives_scores", False):
        return logits
    return logits - jax.nn.logsumexp(logits, axis=-1, keepdims=True)


def continuations(
    scores: jax.Array,
    log_probs: jax.Array,
    tokens: jax.Array,
    step: jax.Array,
    limit: jax.Array,
    start: int,
    min_length: int,
    no_repeat_ngram: int,
) -> jax.Array:
    """The log-probability of each hypothesis with each token after it; `NEVER` of what may not follow.

    Args:
        scores: float32 [batch, beam, vocab], of each token, see `token_scores`.
        log_probs: float32 [batch, beam], of the hypotheses.
        tokens: int32 [batch, beam, length], theirs, at 1 to `step`; `start` stands at 0.
        step: int32 [], how many tokens they have.
        limit: int32 [batch], how many they have at most, eos not counted.
        start: the token that the decoder begins with; like padding, it may never follow.
        min_length: how many they have at least, eos not counted, if that is no more than the limit.
        no_repeat_ngram: see `SearchConfig`.

    Returns:
        float32 [batch, beam, vocab].
    """
    vocab = scores.shape[-1]
    totals = scores + log_probs[:, :, None]
    token = jnp.arange(vocab)
    least = jnp.minimum(min_length, limit)
    allowed = (token != PAD) & (token != start) & ((token != EOS) | (step >= least)[:, None])
    allowed &= (token == EOS) | (step < limit)[:, None]  # [batch, vocab]
    totals = jnp.where(allowed[:, None], totals, NEVER)
    if no_repeat_ngram:
        totals = jnp.where(completes_a_repetition(tokens, step, no_repeat_ngram, vocab), NEVER, totals)
    return totals
