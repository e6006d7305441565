"""Beam search over any model that can start from a source, step by a token and follow its hypotheses."""

import dataclasses
import math
import numbers
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from mt.decoding.continuations import BOS, EOS, PAD, continuations, token_scores
from mt.decoding.coverage import Covered
from mt.decoding.rules import Rules, begin_rules, select_by_rules
from mt.decoding.selection import NEVER, Selected, select, select_in_groups, take
from mt.decoding.top_k import plain_top_k
from mt.errors import UserError
from mt.models.interface import Cache, Params, Searchable

# Ten times what anybody has had a use for, and small enough for every index to fit.
WIDEST, _LONGEST, _STEEPEST = 1000, 10_000, 20


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """How translations are searched for.

    Attributes:
        beam_size: hypotheses kept a sentence, at most 1000; 1 is greedy search.
        length_penalty: alpha, the power of what log-probabilities are divided by; 0 compares them alone, more favours
            longer translations.
        length_normalization: what is raised to that power, of a translation of n tokens with its end: "gnmt" is
            (5 + n) / 6 (Wu et al. 2016, equation 14), "tokens" is n, as Marian and others have it.
        min_length: tokens a translation has at least, its end not counted.
        max_length_factor: tokens a translation has at most (but never fewer than `min_length`), its end not counted,
            for each token of the source, ...
        max_length_offset: ... and in addition.
        no_repeat_ngram: so many tokens that stand in a translation do not follow each other there again (Paulus et al.
            2018, section 2.5), whatever the source says; 0 is no such rule.
        diversity_groups: parts of the beam that search one after the other, each for other words than those before it
            (Vijayakumar et al. 2018); must divide `beam_size`. The best of every part come first, then the second. 1 is
            one beam.
        diversity_strength: what a token costs in nats for each time that the parts before have chosen it in this step.
        coverage_penalty: beta, what translations lose of their score that do not attend to all of the source: beta
            times the sum over its tokens of -log(min(attention, 1)) (Wu et al. 2016, equation 14); 0 is nothing, 0.2
            usual.
    """

    beam_size: int = 4
    length_penalty: float = 0.6
    length_normalization: Literal["gnmt", "tokens"] = "gnmt"
    min_length: int = 1
    max_length_factor: float = 2.0
    max_length_offset: int = 10
    no_repeat_ngram: int = 0
    diversity_groups: int = 1
    diversity_strength: float = 1.0
    coverage_penalty: float = 0.0

    def __post_init__(self):
        for each in dataclasses.fields(self):
            value, kind = getattr(self, each.name), type(each.default)
            wanted: Any = {int: numbers.Integral, float: numbers.Real}.get(kind, kind)
            if not isinstance(value, wanted):
                raise UserError(f"{each.name}: {value!r} is not of type {kind.__name__}")
        if not 1 <= self.beam_size <= WIDEST:
            raise UserError(f"beam_size: {self.beam_size} is not between 1 and {WIDEST}")
        if not 0 <= self.length_penalty <= _STEEPEST:
            raise UserError(f"length_penalty: {self.length_penalty} is not a number from 0 on, to {_STEEPEST}")
        for field in ("min_length", "max_length_offset", "max_length_factor"):
            if not 0 <= getattr(self, field) <= _LONGEST:
                raise UserError(f"{field}: {getattr(self, field)} is not a number from 0 on, to {_LONGEST:,}")
        if self.no_repeat_ngram < 0:
            raise UserError(f"no_repeat_ngram: {self.no_repeat_ngram} is negative; 0 is no such rule")
        if self.diversity_groups < 1 or self.beam_size % self.diversity_groups:
            raise UserError(f"diversity_groups: {self.diversity_groups} does not divide the beam_size {self.beam_size}")
        for field in ("diversity_strength", "coverage_penalty"):
            if not 0 <= getattr(self, field) < math.inf:
                raise UserError(f"{field}: {getattr(self, field)} is not a number from 0 on")
        if self.length_normalization not in ("gnmt", "tokens"):
            raise UserError(f"length_normalization: {self.length_normalization!r} is not gnmt or tokens")
        if self.max_length_factor == 0 and self.max_length_offset < max(1, self.min_length):
            raise UserError("max_length_offset: too small for a translation of min_length")


class Hypotheses(NamedTuple):
    """The best translations of each sentence, best first.

    Attributes:
        tokens: int32 [batch, beam, max_length], padded with 0; without bos and eos.
        lengths: int32 [batch, beam], tokens without eos.
        scores: float32 [batch, beam]: the log-probability over the length penalty, less the coverage penalty. Where a
            sentence has fewer hypotheses than the beam is wide, the rest score -1e9.
        log_probs: float32 [batch, beam], in nats, eos included.
    """

    tokens: jax.Array
    lengths: jax.Array
    scores: jax.Array
    log_probs: jax.Array


export.register_namedtuple_serialization(Hypotheses, serialized_name="mt.Hypotheses")


class _State(NamedTuple):
    """Between two steps. Live hypotheses have not ended; finished ones are the best of those that have.

    The live tokens are [batch, beam, max_length + 2], `start` first.
    """

    step: jax.Array  # int32 []
    live_tokens: jax.Array
    live_log_probs: jax.Array  # float32 [batch, beam]
    finished: Hypotheses
    cache: Cache
    rule_states: Any  # of each hypothesis, see `rules.begin_rules`; None without rules


def length_penalty(length: Any, config: SearchConfig) -> Any:
    """What a log-probability is divided by, see `SearchConfig`; the length counts the eos."""
    return ((5 + length) / 6 if config.length_normalization == "gnmt" else length * 1.0) ** config.length_penalty


def beam_search(
    model: Searchable,
    params: Params,
    source: jax.Array,
    max_lengths: jax.Array,
    config: SearchConfig,
    max_length: int,
    n_best: int = 1,
    start: int = BOS,
    rules: Rules | None = None,
) -> Hypotheses:
    """The best translations that the beam finds of each sentence, all ended by eos.

    Each step ranks every continuation of every live hypothesis. Those by eos end if they are among the best
    `beam_size`; the best `beam_size` others live on. A sentence is done when no live hypothesis can win: it can only
    lose log-probability, and the most that it can gain is the penalty at the longest length, and all of the source
    covered. With a beam of 1 this is greedy search.

    Args:
        model: what to search.
        params: its parameters.
        source: int32 [batch, source_length], with eos, padded with 0.
        max_lengths: int32 [batch], tokens a translation of each sentence has at most, eos not counted.
        config: of the search.
        max_length: the most that any of `max_lengths` may be; static.
        n_best: how many hypotheses the search must be sure of; static, at most `beam_size`.
        start: the token that the decoder begins with; like padding, it is in no translation.
        rules: what the translations keep to. Each stage of keeping them has its share of the beam, and what is still to
            be said for them always fits into the length that is left.

    Returns:
        `beam_size` hypotheses a sentence, of which the first `n_best` can no longer be beaten.
    """
    begin, goes_on, step = _search(model, params, source, max_lengths, config, max_length, n_best, start, rules)
    found = jax.lax.while_loop(goes_on, step, begin).finished
    return found if config.diversity_groups == 1 else _in_turn(found, config.diversity_groups)


class Trace(NamedTuple):
    """A beam after one of its steps.

    Attributes:
        live: hypotheses that have not ended, with their log-probabilities.
        finished: the best of those that have, with their scores.
    """

    live: dict[tuple[int, ...], float]
    finished: dict[tuple[int, ...], float]


def trace(
    model: Searchable,
    params: Params,
    source: jax.Array,
    config: SearchConfig,
    max_length: int,
    n_best: int = 1,
    start: int = BOS,
) -> list[Trace]:
    """What `beam_search` has in its beam after each step, of a single source; see there for the arguments."""
    limits = jnp.array([max_length])

    @jax.jit
    def begin(params: Params) -> _State:
        return _search(model, params, source, limits, config, max_length, n_best, start, None)[0]

    @jax.jit
    def advance(params: Params, state: _State) -> tuple[jax.Array, _State]:
        _, goes_on, step = _search(model, params, source, limits, config, max_length, n_best, start, None)
        after = step(state)
        return goes_on(after), after

    state, found, unfinished = begin(params), [], True
    while unfinished:
        unfinished, state = advance(params, state)
        number, tokens, log_probs, finished = jax.device_get(
            (state.step, state.live_tokens[0], state.live_log_probs[0], state.finished)
        )
        found.append(
            Trace(
                {
                    tuple(words[1 : number + 1]): value
                    for words, value in zip(tokens.tolist(), log_probs.tolist())
                    if value > NEVER
                },
                {
                    tuple(words[:length]): value
                    for words, length, value in zip(*(each[0].tolist() for each in finished[:3]))
                    if value > NEVER
                },
            )
        )
    return found


def _search(
    model: Searchable,
    params: Params,
    source: jax.Array,
    max_lengths: jax.Array,
    config: SearchConfig,
    max_length: int,
    n_best: int,
    start: int,
    rules: Rules | None,
) -> tuple[_State, Callable[[_State], jax.Array], Callable[[_State], _State]]:
    """The search's first state, whether it goes on after a state, and its step."""
    batch, beam, groups = source.shape[0], config.beam_size, config.diversity_groups
    size = beam // groups
    limit = jnp.minimum(max_lengths, max_length)  # [batch]
    covered = Covered(model) if config.coverage_penalty else None
    model = covered or model

    def can_win(state: _State) -> jax.Array:  # [batch, groups]
        surest = state.finished.scores.reshape(batch, groups, size)[:, :, (n_best - 1) // groups]
        likeliest = jnp.max(state.live_log_probs.reshape(batch, groups, size), axis=2)
        bound = likeliest / length_penalty(limit + 1, config)[:, None]
        # Greedy search has nothing to compare with: its first end is its end.
        return (state.step <= limit)[:, None] & ((surest <= NEVER) if size == 1 else (bound > surest))

    def choose(totals: jax.Array, states: Any, state: _State) -> tuple[Selected, Any]:
        if rules is None:
            return select(totals, EOS), None
        return select_by_rules(totals, rules, states, limit - state.step, EOS)

    def step(state: _State) -> _State:
        tokens = jax.lax.dynamic_index_in_dim(state.live_tokens, state.step, axis=2, keepdims=False)  # [batch, beam]
        logits, cache = model.step(params, tokens, state.cache)  # [batch, beam, vocab]
        totals = continuations(
            token_scores(model, logits),
            state.live_log_probs,
            state.live_tokens,
            state.step,
            limit,
            start,
            config.min_length,
            config.no_repeat_ngram,
        )
        if groups == 1:
            selected, rule_states = choose(totals, state.rule_states, state)
        else:
            after = []

            def choose_one(totals: jax.Array, group: int) -> Selected:
                own = None if rules is None else state.rule_states[:, group * size : (group + 1) * size]
                part, states = choose(totals, own, state)
                after.append(states)
                return part

            selected = select_in_groups(totals, groups, config.diversity_strength, EOS, choose_one)
            rule_states = None if rules is None else jnp.concatenate(after, axis=1)
        taken_off = config.coverage_penalty * covered.log_coverage(cache) if covered else jnp.zeros((batch, beam))
        finished = _finish(state, selected.ends, selected.end_parents, taken_off, config)
        parents = selected.parents
        live_tokens = take(state.live_tokens, parents)
        live_tokens = jax.lax.dynamic_update_slice_in_dim(
            live_tokens, selected.tokens[:, :, None].astype(jnp.int32), state.step + 1, axis=2
        )
        cache = model.reorder(cache, parents)
        return _State(state.step + 1, live_tokens, selected.log_probs, finished, cache, rule_states)

    begin = _State(
        step=jnp.zeros((), jnp.int32),
        live_tokens=jnp.full((batch, beam, max_length + 2), PAD, jnp.int32).at[:, :, 0].set(start),
        # All hypotheses begin alike: only the first of a group may found a family.
        live_log_probs=jnp.full((batch, beam), NEVER, jnp.float32).at[:, ::size].set(0.0),
        finished=Hypotheses(
            jnp.full((batch, beam, max_length), PAD, jnp.int32),
            jnp.zeros((batch, beam), jnp.int32),
            jnp.full((batch, beam), NEVER, jnp.float32),
            jnp.full((batch, beam), NEVER, jnp.float32),
        ),
        cache=model.start(params, source, beam, max_length + 1),
        rule_states=None if rules is None else begin_rules(rules, beam),
    )
    return begin, lambda state: jnp.any(can_win(state)), step


def search_rows(
    model: Searchable, config: SearchConfig, max_length: int, n_best: int = 1, start: int = BOS
) -> Callable[[Params, Any], Hypotheses]:
    """`beam_search` as a function of parameters and rows, which devices can share: source, max_lengths, and rules if
    there are any."""

    def search(params: Params, rows: Any) -> Hypotheses:
        source, max_lengths, *rules = rows
        return beam_search(model, params, source, max_lengths, config, max_length, n_best, start, *rules)

    return search


def _finish(
    state: _State, log_probs: jax.Array, parents: jax.Array, taken_off: jax.Array, config: SearchConfig
) -> Hypotheses:
    """The best of hypotheses that had ended, [batch, beam], and of those that end now, [batch, n]; a group each. What
    is taken off the score of each live one, [batch, beam], is negative or 0."""
    (batch, number), beam, groups = log_probs.shape, state.live_log_probs.shape[1], config.diversity_groups
    now = Hypotheses(
        tokens=take(state.live_tokens[:, :, 1:-1], parents),
        lengths=jnp.broadcast_to(state.step, (batch, number)),
        scores=jnp.where(
            log_probs > NEVER, log_probs / length_penalty(state.step + 1, config) + take(taken_off, parents), NEVER
        ),
        log_probs=log_probs,
    )

    def of_groups(values: jax.Array) -> jax.Array:
        return values.reshape(batch * groups, -1, *values.shape[2:])

    both = jax.tree.map(lambda old, new: jnp.concatenate([of_groups(old), of_groups(new)], axis=1), state.finished, now)
    _, places = plain_top_k(both.scores, beam // groups)
    best = jax.tree.map(lambda values: take(values, places), both)
    return jax.tree.map(lambda values: values.reshape(batch, beam, *values.shape[2:]), best)


def _in_turn(found: Hypotheses, groups: int) -> Hypotheses:
    """The best hypothesis of each group, best first, then the second of each, and so on."""
    batch, beam = found.scores.shape
    ranks = jnp.arange(beam) % (beam // groups)
    order = jnp.lexsort((-found.scores, jnp.broadcast_to(ranks, (batch, beam))), axis=1)
    return jax.tree.map(lambda values: take(values, order), found)
