"""Search among translations that keep to rules: which tokens may follow, and room for each stage of keeping them."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from mt.decoding.automata import DEAD, FAR, Automaton
from mt.decoding.selection import NEVER, Selected, take
from mt.decoding.top_k import plain_top_k, top_k


class Rules(NamedTuple):
    """Each sentence's rules, padded to as many automata of as many states and classes; see `automata.Automaton`.

    Attributes:
        classes: int32 [batch, rules, vocab].
        table: int32 [batch, rules, states, classes].
        tokens_left: int32 [batch, rules, states].
        wanted: bool [batch, rules], which rules want something said, each in tokens of its own; the same tokens may do
            for all others.
    """

    classes: jax.Array | np.ndarray
    table: jax.Array | np.ndarray
    tokens_left: jax.Array | np.ndarray
    wanted: jax.Array | np.ndarray


export.register_namedtuple_serialization(Rules, serialized_name="mt.Rules")


def stack(rules: Sequence[Sequence[Automaton]], shape: tuple[int, ...], vocab: int) -> Rules:
    """Sentences' rules as arrays; what fills them up allows everything.

    Args:
        rules: of each sentence.
        shape: automata a sentence, and states and classes of each, that there is room for.
        vocab: how many tokens there are.
    """
    automata, states, classes = shape
    stacked = Rules(
        np.zeros((len(rules), automata, vocab), np.int32),
        np.zeros((len(rules), automata, states, classes), np.int32),
        np.zeros((len(rules), automata, states), np.int32),
        np.zeros((len(rules), automata), bool),
    )
    for row, of_sentence in enumerate(rules):
        for number, each in enumerate(of_sentence):
            stacked.classes[row, number] = each.classes
            stacked.table[row, number, : each.table.shape[0], : each.table.shape[1]] = each.table
            stacked.tokens_left[row, number, : len(each.tokens_left)] = each.tokens_left
            stacked.wanted[row, number] = each.wanted
    return stacked


def begin_rules(rules: Rules, beam: int) -> jax.Array:
    """The states that hypotheses begin in, int32 [batch, beam, rules]."""
    batch, number = rules.tokens_left.shape[:2]
    return jnp.zeros((batch, beam, number), jnp.int32)


def select_by_rules(
    totals: jax.Array, rules: Rules, states: jax.Array, room: jax.Array, eos: int
) -> tuple[Selected, jax.Array]:
    """As `selection.select`, of the continuations that can still keep to the rules in the length that is left.

    Each stage of keeping them has its share of the beam, and each hypothesis' own best continuation is considered, and
    its best that comes nearer to what the rules want: else those that keep a rule at some cost would be crowded out
    before they had.

    Args:
        totals: see there.
        rules: of each sentence.
        states: int32 [batch, beam, rules], see `begin_rules`.
        room: see `within`.
        eos: see there.

    Returns:
        What is selected, and the states of what lives on.
    """
    batch, beam, vocab = totals.shape
    before, (left, wanted) = _left_now(rules, states), left_after(rules, states)
    totals = within(totals, left, room, eos)
    best, flat = top_k(totals.reshape(batch, beam * vocab), 2 * beam)
    in_front = jnp.arange(4 * beam) < beam
    for allowed in (jnp.ones((), bool), wanted < before[..., None]):
        best, flat = _with_own_best(jnp.where(allowed, totals, -jnp.inf), best, flat)
    parents, tokens = flat // vocab, flat % vocab
    is_end = tokens == eos
    ends = jnp.where(is_end & (in_front | (jnp.arange(4 * beam) >= 2 * beam)), best, NEVER)
    stages = jnp.take_along_axis(wanted.reshape(batch, beam * vocab), flat, axis=1)
    best = jnp.where(is_end, NEVER, best)
    places = _by_stages(best, stages, beam)
    log_probs, living, tokens = (take(each, places) for each in (best, parents, tokens))
    states = advance(rules, take(states, living), tokens)
    return Selected(ends, parents, jnp.maximum(log_probs, NEVER), living, tokens), states


def _left_now(rules: Rules, states: jax.Array) -> jax.Array:
    """The least number of tokens that each hypothesis must still say of what is wanted, int32 [batch, beam]."""
    of_rule = jnp.take_along_axis(rules.tokens_left[:, None], states[..., None], axis=3)[..., 0]
    return jnp.sum(jnp.where(rules.wanted[:, None], of_rule, 0), axis=2)


def left_after(rules: Rules, states: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The least number of tokens that must follow each token, int32 [batch, beam, vocab], `FAR` or more if it breaks a
    rule; and how many of them are of what is wanted."""
    others, wanted = jnp.zeros((2, 1), jnp.int32)
    for number in range(rules.classes.shape[1]):
        table = rules.table[:, number]  # [batch, states, classes]
        ahead = jnp.take_along_axis(rules.tokens_left[:, number, None], jnp.maximum(table, 0), axis=2)
        ahead = jnp.where(table == DEAD, FAR, ahead)
        own = jnp.take_along_axis(ahead, states[:, :, number, None], axis=1)  # [batch, beam, classes]
        own = jnp.take_along_axis(own, rules.classes[:, number, None], axis=2)  # [batch, beam, vocab]
        is_wanted = rules.wanted[:, number, None, None]
        wanted = wanted + jnp.where(is_wanted, own, 0)
        others = jnp.maximum(others, jnp.where(is_wanted, 0, own))
    return jnp.maximum(others, wanted), wanted


def within(totals: jax.Array, left: jax.Array, room: jax.Array, eos: int) -> jax.Array:
    """Continuations without those that break a rule, or leave too little room to keep one.

    Args:
        totals: float32 [batch, beam, vocab].
        left: see `left_after`.
        room: int [batch], how many tokens may follow, the next one included and eos not.
        eos: the token that ends a hypothesis.
    """
    most = jnp.where(jnp.arange(totals.shape[-1]) == eos, 0, room[:, None] - 1)  # [batch, vocab]
    return jnp.where(left <= most[:, None], totals, NEVER)


def advance(rules: Rules, states: jax.Array, tokens: jax.Array) -> jax.Array:
    """The states after a token, int [batch, beam], of each hypothesis."""
    after = []
    for number in range(rules.classes.shape[1]):
        class_of = jnp.take_along_axis(rules.classes[:, number], tokens, axis=1)  # [batch, beam]
        own = jnp.take_along_axis(rules.table[:, number], states[:, :, number, None], axis=1)
        after.append(jnp.take_along_axis(own, class_of[..., None], axis=2)[..., 0])
    return jnp.maximum(jnp.stack(after, axis=2), 0)


def _with_own_best(totals: jax.Array, best: jax.Array, flat: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Adds each hypothesis' own best continuation.

    Args:
        totals: float32 [batch, beam, vocab].
        best: float32 [batch, n], those that are chosen already.
        flat: int [batch, n], where they are in [beam * vocab].

    Returns:
        As `best` and `flat`, [batch, n + beam]; what was chosen already comes again with -inf.
    """
    token = jnp.argmax(totals, axis=-1)  # [batch, beam]
    places = jnp.arange(totals.shape[1]) * totals.shape[2] + token
    values = jnp.take_along_axis(totals, token[..., None], axis=-1)[..., 0]
    known = jnp.any(places[:, :, None] == flat[:, None], axis=-1)
    return jnp.concatenate([best, jnp.where(known, -jnp.inf, values)], 1), jnp.concatenate([flat, places], 1)


def _by_stages(totals: jax.Array, stages: jax.Array, number: int) -> jax.Array:
    """Chooses so that each stage of keeping the rules has its share of the beam.

    So do Post and Vilar 2018 ("Fast Lexically Constrained Decoding", section 3.2), for phrases that are cut into tokens
    in one way.

    Args:
        totals: float32 [batch, n].
        stages: int [batch, n], alike for those that compete for the same places.
        number: how many to choose.

    Returns:
        int [batch, number]: the best of every stage, then the second of every, and so on; those of the same rank by
        their totals.
    """
    order = jnp.arange(totals.shape[1])
    better = (totals[:, None] > totals[:, :, None]) | (
        (totals[:, None] == totals[:, :, None]) & (order < order[:, None])
    )  # [batch, n, n], at [b, i, j]: j comes before i
    overall = jnp.sum(better, axis=-1)
    within = jnp.sum(better & (stages[:, None] == stages[:, :, None]), axis=-1)
    # What is not allowed comes last, whatever its stage.
    key = jnp.where(totals > NEVER, within * totals.shape[1] + overall, FAR + overall)
    return plain_top_k(-key.astype(jnp.float32), number)[1]
