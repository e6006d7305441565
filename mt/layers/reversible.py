"""Reversible residual layers (Gomez et al. 2017; Kitaev et al. 2020, section 3): two streams, from whose last state
all states before are computed anew in the backward pass, so that none of them is kept."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp

Streams: TypeAlias = tuple[jax.Array, jax.Array]


class Half(Protocol):
    """One sublayer, which reads one stream to add to the other."""

    def __call__(
        self, params: Any, stream: jax.Array, encoded: Any, around: Any, given: Any, kept: Any
    ) -> tuple[jax.Array, Any]:
        """A function of nothing but its arguments.

        Args:
            params: its own.
            stream: float32 [batch, length, model_dim].
            encoded: what all sublayers look at beside that, which has a gradient.
            around: what they all need beside that, without gradients, such as segments.
            given: the same of this one, such as random keys.
            kept: None, or what it returned before of the same stream but for rounding.

        Returns:
            What is added, the stream's shape, and what must be the same when it is computed anew, though rounding
            might change it, such as an order; a tree of integers.
        """
        ...


def through(
    halves: Sequence[Half], params: Sequence[Any], streams: Streams, encoded: Any, around: Any, given: Sequence[Any]
) -> tuple[Streams, list[Any]]:
    """One sublayer after the other: from (a, b) to (b, a + f(b)), so that two of them are equation 9, and three a
    decoder's.

    Args:
        halves: the sublayers.
        params: of each.
        streams: before the first.
        encoded: see `Half`.
        around: see `Half`.
        given: of each, see `Half`.

    Returns:
        The streams after the last, and what each has to keep.
    """
    one, other = streams
    every = []
    for half, own, constants in zip(halves, params, given, strict=True):
        added, kept = half(own, other, encoded, around, constants, None)
        one, other = other, one + added
        every.append(kept)
    return (one, other), every


def reversibly_through(
    halves: Sequence[Half], params: Sequence[Any], streams: Streams, encoded: Any, around: Any, given: Sequence[Any]
) -> Streams:
    """As `through`, over and over; its backward pass goes from (b, c) back to (c - f(b), b) (equation 10), and
    differentiates each sublayer on its way.

    Args:
        halves: the sublayers of one turn.
        params: of each, those of all turns, [turns, ...].
        streams: before the first.
        encoded: see `Half`.
        around: see `Half`.
        given: of each, those of all turns, [turns, ...].

    Returns:
        The streams after the last.
    """

    def forward(params: Any, streams: Streams, encoded: Any, around: Any, given: Any) -> tuple[Streams, Any]:
        def turn(streams: Streams, own: tuple[Any, Any]) -> tuple[Streams, Any]:
            return through(halves, own[0], streams, encoded, around, own[1])

        streams, kept = jax.lax.scan(turn, streams, (params, given))
        return streams, (params, streams, encoded, around, given, kept)

    @jax.custom_vjp
    def run(*state: Any) -> Streams:
        return forward(*state)[0]

    def backward(saved: Any, gradients: Streams) -> Any:
        params, streams, encoded, around, given, kept = saved

        def turn_back(state: Any, own: tuple[Any, Any, Any]) -> tuple[Any, Any]:
            of_params = []
            for half, weights, constants, found in reversed(list(zip(halves, *own, strict=True))):
                state, of_own = _back(half, weights, (around, constants, found), encoded, state)
                of_params.append(of_own)
            return state, of_params[::-1]

        state = streams, gradients, jax.tree.map(jnp.zeros_like, encoded)
        (_, gradients, of_encoded), of_params = jax.lax.scan(turn_back, state, (params, given, kept), reverse=True)
        return of_params, gradients, of_encoded, None, None

    run.defvjp(forward, backward)
    return run(list(params), streams, encoded, around, list(given))


def _back(half: Half, params: Any, constants: tuple[Any, Any, Any], encoded: Any, state: Any) -> tuple[Any, Any]:
    """Before a sublayer what is given after it: the streams, their gradients, and those of `encoded` so far; and the
    gradients of its parameters."""
    (one, other), (of_one, of_other), of_encoded = state

    def added(params: Any, stream: jax.Array, encoded: Any) -> jax.Array:
        return half(params, stream, encoded, *constants)[0]

    addition, pull = jax.vjp(added, params, one, encoded)
    of_params, through_stream, through_encoded = pull(of_other)
    of_encoded = jax.tree.map(jnp.add, of_encoded, through_encoded)
    state = (other - addition, one), (of_other, of_one + through_stream), of_encoded
    # Products with gradients are not to be put off, which would keep what they are of.
    found: tuple[Any, Any] = jax.lax.optimization_barrier((state, of_params))
    return found
