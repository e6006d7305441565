"""Self-attention by locality-sensitive hashing (Kitaev et al. 2020, "Reformer", section 2): positions look at those
alone whose vectors point in about the same direction."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from mt.layers.chunked_attention import ChunkedSelfAttention, Past, Slots
from mt.layers.chunks import Places, attend_in_chunks, in_chunks, pad_length, with_neighbours
from mt.layers.hashing import hash_vectors
from mt.layers.positions import first_of_each

_EPSILON = 1e-6


@jax.custom_vjp
def reordered(values: jax.Array, order: jax.Array, inverse: jax.Array) -> jax.Array:
    """Values in another order, whose gradient is put back by the inverse order, and not added up place by place.

    Args:
        values: [..., length, width].
        order: int [..., length], of each place the one where its value comes from.
        inverse: int [..., length], of each place the one where its value goes to.
    """
    return jnp.take_along_axis(values, order[..., None], axis=-2)


def _reordered(values, order, inverse):
    return reordered(values, order, inverse), (order, inverse)


def _put_back(orders, gradient):
    order, inverse = orders
    return reordered(gradient, inverse, order), None, None


reordered.defvjp(_reordered, _put_back)


def inverse_of(order: jax.Array) -> jax.Array:
    """The inverse of permutations, int [..., length]."""
    places = jnp.broadcast_to(jnp.arange(order.shape[-1], dtype=order.dtype), order.shape)
    return jnp.put_along_axis(jnp.zeros_like(order), order, places, axis=-1, inplace=False)


def normalised(vectors: jax.Array) -> jax.Array:
    """Vectors of length one: what queries are as keys (section 2, "Shared-QK")."""
    square = jnp.mean(jnp.square(vectors.astype(jnp.float32)), axis=-1, keepdims=True) + _EPSILON
    return (vectors * jax.lax.rsqrt(square) / math.sqrt(vectors.shape[-1])).astype(vectors.dtype)


def sorted_order(buckets: jax.Array, segments: jax.Array, most: int) -> jax.Array:
    """Positions by segment, padding last, within it by bucket, and within that as they stand.

    Args:
        buckets: int [batch, heads, rounds, length], each less than `most`.
        segments: int [batch, length], from 1, 0 at padding; a segment's positions stand next to each other.
        most: how many buckets there are.

    Returns:
        int32, the shape of `buckets`.
    """
    # Segments by where they begin: their numbers may be large, as those of documents are.
    place = jnp.where(segments > 0, first_of_each(segments), segments.shape[1])
    return jnp.argsort(place[:, None, None] * most + buckets, axis=-1, stable=True).astype(jnp.int32)


def ranked(values: jax.Array, ranks: jax.Array, bits: int) -> jax.Array:
    """Those of some ranks: a bit at a time, by how many are less. A step of a search needs but two, and sorting all for
    them would take most of its time.

    Args:
        values: int32 [..., length]; none is negative.
        ranks: int [..., ranks], from 0, the least value's.
        bits: that values have; those that have more count as greater than all others.

    Returns:
        int32 [..., ranks]; 0 for ranks below 0, and 2 ** bits - 1 for those beyond all values.
    """

    def with_bit(number: jax.Array, found: jax.Array) -> jax.Array:
        tried = found | (1 << (bits - 1 - number))
        less = jnp.sum(values[..., None, :] < tried[..., None], axis=-1)
        return jnp.where(less <= ranks, tried, found)

    return jax.lax.fori_loop(0, bits, with_bit, jnp.zeros_like(ranks, jnp.int32))


class LshSelfAttention(ChunkedSelfAttention):
    """Each round hashes all positions into buckets, sorts them by these, and cuts what is sorted into chunks, which see
    themselves and their neighbours. What the rounds have found becomes one by the sums of their scores' exponentials.

    Which others a position sees is by the buckets of all of its segment, those after it too, where it is causal: no
    more than that is known of what comes, and no gradient comes from there. Other segments change nothing but by their
    lengths.

    If the window is circular, the rounds stand one behind the other in one circle, and what several rounds find counts
    as often; otherwise it counts once, as in the paper's appendix A, and rounds see nothing of each other.

    Attributes:
        buckets: factors of the number of buckets, each even.
    """

    buckets: tuple[int, ...] = (2,)

    parts = 2
    others_first = True

    def _hash(self, projected: list[jax.Array], rotations: jax.Array | None) -> jax.Array:
        assert rotations is not None
        return hash_vectors(projected[0], rotations, self.buckets)

    def _order(self, buckets: jax.Array, segments: jax.Array) -> jax.Array:
        """How positions and what fills the last chunk are sorted, int32 [batch, heads, rounds, whole length]; of one
        chunk, as they stand."""
        length = segments.shape[1]
        if length <= self.window.length:
            return jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32), (*buckets.shape[:2], 1, length))
        whole = self.window.padded(length)
        buckets, segments = pad_length(buckets, whole, axis=3), pad_length(segments, whole, axis=1)
        return sorted_order(buckets, segments, math.prod(self.buckets))

    def _attend(self, projected: list[jax.Array], segments: jax.Array, order: Any, deterministic: bool) -> jax.Array:
        batch, heads, rounds, whole = order.shape
        length = segments.shape[1]
        window = self.window.covering(length)
        inverse = inverse_of(order)
        rings = 1 if window.circular else rounds

        def chunked(each: jax.Array) -> jax.Array:
            """[batch, heads, rounds, whole, ...] -> [batch, heads, rings, chunks, chunk, ...]."""
            joined = each.reshape(batch, heads, rounds * whole, *each.shape[4:])
            return in_chunks(joined, rings, window.length, axis=2)

        def sort(each: jax.Array) -> jax.Array:
            each = pad_length(each, whole, axis=2)[:, :, None]
            return chunked(reordered(jnp.broadcast_to(each, (*order.shape, each.shape[-1])), order, inverse))

        query, values = map(sort, projected)
        segments = jnp.broadcast_to(pad_length(segments, whole, axis=1)[:, None, None], order.shape)
        places = Places(chunked(order), chunked(jnp.take_along_axis(segments, order, axis=-1)))
        bias = None
        if rounds > 1 and not window.circular:
            # A key that several rounds find is there as many times: each has its share.
            chunk_of = inverse // window.length  # [batch, heads, rounds, whole]
            bias = -jnp.log(
                sum(
                    self._near(chunked(jnp.take_along_axis(jnp.broadcast_to(each, order.shape), order, axis=-1)))
                    for each in jnp.split(chunk_of, rounds, axis=2)
                )
            )
        attended, total = attend_in_chunks(
            query,
            normalised(query),
            values,
            places,
            window,
            self.causal,
            bias,
            self.others_first,
            dropout=self._keep(batch, deterministic),
        )
        attended = reordered(attended.reshape(*order.shape, -1), inverse, order)
        total = reordered(total.reshape(*order.shape, 1), inverse, order)
        shares = jax.nn.softmax(total, axis=2).astype(attended.dtype)
        return jnp.sum(shares * attended, axis=2)[:, :, :length]

    def _near(self, chunk: jax.Array) -> jax.Array:
        """Whether a round whose chunks these are lets a query see a key; at least 1e-9, so that there is a logarithm.

        Args:
            chunk: int [batch, heads, rings, chunks, chunk], where another round has put what stands here.

        Returns:
            float32 [batch, heads, rings, chunks, chunk, keys].
        """
        ahead = with_neighbours(chunk, self.window, axis=3)[..., None, :] - chunk[..., None]
        near = (ahead >= -self.window.before) & (ahead <= self.window.after)
        return jnp.where(near, 1.0, 1e-9)

    def _scaled(self, query: jax.Array) -> jax.Array:
        return query  # keys are of length one

    def _keys(self, projected: list[jax.Array]) -> jax.Array:
        return normalised(projected[0])

    def _times(self, past: Past, slots: Slots) -> jax.Array:
        descends = slots.descends[:, None, None]  # [batch, 1, 1, beam, slots]
        # Which bucket and where in it; of what a hypothesis does not descend from, behind all that there is.
        place = past.buckets * (jnp.max(slots.positions) + 1) + slots.positions[:, None, None]
        place = jnp.where(descends, place[..., None, :], jnp.iinfo(jnp.int32).max)  # [..., rounds, beam, slots]
        own = jnp.sum(jnp.where(slots.itself, place, 0), axis=-1, keepdims=True)
        # Of what stands side by side, each hypothesis descends from one at most.
        there = jnp.min(place.reshape(*place.shape[:-1], -1, slots.beside), axis=-1)
        chunk = jnp.sum(there < own, axis=-1, keepdims=True) // self.window.length
        first = (chunk - self.window.before) * self.window.length
        last = (chunk + self.window.after + 1) * self.window.length - 1
        bits = min((math.prod(self.buckets) * (there.shape[-1] + 1)).bit_length(), 31)
        first, last = jnp.split(ranked(there, jnp.concatenate([first, last], axis=-1), bits), 2, axis=-1)
        times = jnp.sum((place >= first) & (place <= last) & descends, axis=2)
        return times if self.window.circular else jnp.minimum(times, 1)
