"""Translations drawn at random, as likely as the model finds them."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mt.decoding.beam_search import Hypotheses, SearchConfig, length_penalty
from mt.decoding.continuations import BOS, EOS, PAD, continuations, token_scores
from mt.decoding.rules import Rules, advance, begin_rules, left_after, within
from mt.decoding.selection import NEVER, take
from mt.decoding.top_k import top_k
from mt.errors import UserError
from mt.models.interface import Cache, Params, Searchable


@dataclasses.dataclass(frozen=True)
class SamplingConfig:
    """How tokens are drawn.

    Attributes:
        temperature: logits are divided by it; below 1, likely tokens become more likely.
        top_k: only so many of the likeliest tokens may be drawn (Fan et al. 2018); 0 is all.
        top_p: only the fewest likeliest tokens that have this probability together may be (Holtzman et al. 2020, with
            the temperature applied before); 1 is all.
        seed: of the random numbers. A text's samples depend on it and on the text alone.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self):
        if not 0 < self.temperature < 1e6:
            raise UserError(f"temperature: {self.temperature} is not a positive number; near 0 is greedy")
        if self.top_k < 0:
            raise UserError(f"top_k: {self.top_k} is negative; 0 is all tokens")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p: {self.top_p} is not in (0, 1]; 1 is all tokens")


class _State(NamedTuple):
    step: jax.Array  # int32 []
    tokens: jax.Array  # int32 [batch, samples, max_length + 2], `start` first
    log_probs: jax.Array  # float32 [batch, samples]
    lengths: jax.Array  # int32 [batch, samples], -1 of those that go on
    cache: Cache
    rule_states: Any


def sample(
    model: Searchable,
    params: Params,
    source: jax.Array,
    max_lengths: jax.Array,
    seeds: jax.Array,
    config: SearchConfig,
    sampling: SamplingConfig,
    max_length: int,
    start: int = BOS,
    rules: Rules | None = None,
) -> Hypotheses:
    """Translations drawn from the model's distribution, each independent of the others.

    Args:
        model: what to draw from.
        params: its parameters.
        source: see `beam_search.beam_search`.
        max_lengths: see there; what is as long as that ends.
        seeds: uint32 [batch], on which a sentence's samples depend.
        config: of which `beam_size` is how many samples a sentence has, and all but its scores' penalty holds.
        sampling: how tokens are drawn.
        max_length: see `beam_search.beam_search`.
        start: see there.
        rules: what the translations keep to, token by token: what could not be kept any more is not drawn. Their
            probability is that of the model, not that among such translations.

    Returns:
        The samples, the best scores first. `log_probs` are the model's, whatever the temperature.
    """
    batch, samples = source.shape[0], config.beam_size
    limit = jnp.minimum(max_lengths, max_length)
    keys = jax.vmap(jax.random.key)(seeds)

    def body(state: _State) -> _State:
        last = jax.lax.dynamic_index_in_dim(state.tokens, state.step, axis=2, keepdims=False)
        logits, cache = model.step(params, last, state.cache)
        totals = continuations(
            token_scores(model, logits),
            state.log_probs,
            state.tokens,
            state.step,
            limit,
            start,
            config.min_length,
            config.no_repeat_ngram,
        )
        if rules is not None:
            left, _ = left_after(rules, state.rule_states)
            totals = within(totals, left, limit - state.step, EOS)
        kept = likely(jnp.where(totals > NEVER, totals - state.log_probs[..., None], NEVER), sampling)
        draw = jax.vmap(lambda key, kept: jax.random.categorical(jax.random.fold_in(key, state.step), kept))
        token = draw(keys, kept).astype(jnp.int32)  # [batch, samples]
        goes_on = state.lengths < 0
        total = jnp.take_along_axis(totals, token[..., None], axis=-1)[..., 0]
        ends = goes_on & ((token == EOS) | (total <= NEVER))
        tokens = jax.lax.dynamic_update_slice_in_dim(
            state.tokens, jnp.where(goes_on & ~ends, token, PAD)[..., None], state.step + 1, axis=2
        )
        return _State(
            state.step + 1,
            tokens,
            jnp.where(goes_on, jnp.maximum(total, NEVER), state.log_probs),
            jnp.where(ends, state.step, state.lengths),
            cache,
            None if rules is None else advance(rules, state.rule_states, token),
        )

    begin = _State(
        step=jnp.zeros((), jnp.int32),
        tokens=jnp.full((batch, samples, max_length + 2), PAD, jnp.int32).at[:, :, 0].set(start),
        log_probs=jnp.zeros((batch, samples), jnp.float32),
        lengths=jnp.full((batch, samples), -1, jnp.int32),
        cache=model.start(params, source, samples, max_length + 1),
        rule_states=None if rules is None else begin_rules(rules, samples),
    )
    state = jax.lax.while_loop(lambda state: jnp.any(state.lengths < 0), body, begin)
    scores = jnp.where(state.log_probs > NEVER, state.log_probs / length_penalty(state.lengths + 1, config), NEVER)
    order = jnp.argsort(-scores, axis=1, stable=True)
    found = Hypotheses(state.tokens[:, :, 1:-1], state.lengths, scores, state.log_probs)
    return jax.tree.map(lambda values: take(values, order), found)


def likely(log_probs: jax.Array, config: SamplingConfig) -> jax.Array:
    """What tokens are drawn by: log-probabilities at a temperature, without normalisation; `NEVER` of those that may
    not be drawn.

    Args:
        log_probs: float32 [..., vocab].
        config: how tokens are drawn.
    """
    scaled = jnp.where(log_probs > NEVER, log_probs / config.temperature, NEVER)
    vocab = log_probs.shape[-1]
    if 0 < config.top_k < vocab:
        least = top_k(scaled, config.top_k)[0][..., -1:]
        scaled = jnp.where(scaled >= least, scaled, NEVER)
    if config.top_p < 1:
        ordered = -jnp.sort(-scaled, axis=-1)
        before = jnp.cumsum(jax.nn.softmax(ordered, axis=-1), axis=-1) - jax.nn.softmax(ordered, axis=-1)
        least = jnp.min(jnp.where(before < config.top_p, ordered, jnp.inf), axis=-1, keepdims=True)
        scaled = jnp.where(scaled >= least, scaled, NEVER)
    return scaled


def sample_rows(
    model: Searchable, config: SearchConfig, sampling: SamplingConfig, max_length: int, start: int = BOS
) -> Callable[[Params, Any], Hypotheses]:
    """`sample` as a function of parameters and rows, which devices can share: source, max_lengths, seeds, and rules if
    there are any."""

    def draw(params: Params, rows: Any) -> Hypotheses:
        source, max_lengths, seeds, *rules = rows
        return sample(model, params, source, max_lengths, seeds, config, sampling, max_length, start, *rules)

    return draw
