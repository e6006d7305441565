"""What self-attentions that look at chunks have in common: their projections, and their steps with a cache."""

import functools
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from mt.layers.chunks import HIDDEN, ITSELF, Window, average
from mt.layers.dropout import drop, key_words


class Past(NamedTuple):
    """What a step looks at, each as its product a head wants it.

    Attributes:
        keys: [batch, heads, head_dim, slots].
        values: [batch, heads, slots, head_dim].
        buckets: int32 [batch, heads, rounds, slots]; no rounds where nothing is hashed.
    """

    keys: jax.Array
    values: jax.Array
    buckets: jax.Array

    def with_room(self, slots: int) -> "Past":
        """With so many empty slots behind."""
        room = [(0, 0)] * 3
        keys, buckets = (jnp.pad(each, [*room, (0, slots)]) for each in (self.keys, self.buckets))
        return Past(keys, jnp.pad(self.values, [*room[:2], (0, slots), (0, 0)]), buckets)

    def written(self, new: "Past", start: jax.Array) -> "Past":
        """With `new` from that slot on."""
        update = jax.lax.dynamic_update_slice_in_dim
        return Past(*(update(old, own.astype(old.dtype), start, axis) for old, own, axis in zip(self, new, (3, 2, 3))))


@flax.struct.dataclass
class Slots:
    """Of a step of every hypothesis, which stand side by side as if they were a sequence of length `beam`.

    Attributes:
        start: int [], the first hypothesis' own slot; those of the others follow.
        descends: bool [batch, beam, slots], which of all that is cached a hypothesis descends from, itself included.
        position: int [batch or 1, beam], where they stand.
        positions: int [batch or 1, slots], where what is cached stands.
        beside: how many slots in a row hold one step's hypotheses, all the way; 1 where something else is cached too.
    """

    start: jax.Array
    descends: jax.Array
    position: jax.Array
    positions: jax.Array
    beside: int = flax.struct.field(pytree_node=False, default=1)

    @property
    def itself(self) -> jax.Array:
        """Each hypothesis' own slot, bool [beam, slots]."""
        beam, slots = self.descends.shape[1:]
        return jnp.arange(slots) == self.start + jnp.arange(beam)[:, None]


class ChunkedSelfAttention(nn.Module):
    """Of one kind or the other: `LshSelfAttention`, `LocalSelfAttention`. Projections have no bias, as in the authors'
    code.

    Attributes:
        num_heads: attention heads.
        model_dim: width of inputs and outputs.
        window: how far chunks see.
        causal: whether only positions up to a query's own are seen.
        dropout: on attention weights.
        dtype: to multiply in.
    """

    num_heads: int
    model_dim: int
    window: Window
    causal: bool
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32

    # How many projections there are, the first of which are queries and the last values; and whether positions see
    # themselves only where there is nothing else.
    parts: ClassVar[int]
    others_first: ClassVar[bool]

    def setup(self):
        self.projections = nn.DenseGeneral((self.parts, self.model_dim), use_bias=False, dtype=self.dtype)
        self.output = nn.Dense(self.model_dim, use_bias=False, dtype=self.dtype)

    def __call__(
        self,
        inputs: jax.Array,
        segments: jax.Array,
        deterministic: bool,
        rotations: jax.Array | None = None,
        order: Any = None,
    ) -> tuple[jax.Array, Any]:
        """Whole sequences.

        Args:
            inputs: [batch, length, model_dim].
            segments: int [batch, length], each of which sees itself alone; 0 is padding.
            deterministic: whether there is no dropout.
            rotations: what vectors are hashed by, see `hashing.random_rotations`; None where nothing is.
            order: what this has returned before of the same inputs but for rounding: the same is found once more.

        Returns:
            [batch, length, model_dim], and the order in which positions were sorted; () where they were not.
        """
        projected = self._project_all(inputs)
        order = self._order(self._hash(projected, rotations), segments) if order is None else order
        return self._merged(self._attend(projected, segments, order, deterministic)), order

    def weights(self, inputs: jax.Array, segments: jax.Array, rotations: jax.Array | None = None) -> jax.Array:
        """How much each position looks at each, whatever the chunks and rounds: what it finds where each position's
        value is its own number.

        Returns:
            [batch, heads, query, key].
        """
        projected = self._project_all(inputs)
        batch, length = segments.shape
        own = jnp.broadcast_to(jnp.eye(length, dtype=self.dtype), (batch, self.num_heads, length, length))
        order = self._order(self._hash(projected, rotations), segments)
        return self._attend([*projected[:-1], own], segments, order, deterministic=True)

    def read(
        self, inputs: jax.Array, segments: jax.Array, rotations: jax.Array | None = None
    ) -> tuple[jax.Array, Past]:
        """As a call without dropout, with what later positions may look at."""
        projected = self._project_all(inputs)
        buckets = self._hash(projected, rotations)
        attended = self._attend(projected, segments, self._order(buckets, segments), deterministic=True)
        return self._merged(attended), self._past(projected, buckets)

    def step(
        self, inputs: jax.Array, past: Past, slots: Slots, rotations: jax.Array | None = None
    ) -> tuple[jax.Array, Past]:
        """One position of every hypothesis of every sentence, [batch, beam, model_dim] -> the same, and `past` with
        this step in it. What they see is what the last position of one pass over all that they descend from would; of
        chunks in a circle, what stands before the first is not there yet."""
        projected = self._project(inputs, slots.position)
        past = past.written(self._past(projected, self._hash(projected, rotations)), slots.start)
        times = self._times(past, slots)
        query = self._scaled(projected[0])
        scores = jnp.einsum("bhqd,bhdk->bhqk", query, past.keys, preferred_element_type=jnp.float32)
        scores = jnp.where(times > 0, scores + jnp.log(jnp.maximum(times, 1)), HIDDEN)
        if self.others_first:
            scores = jnp.where(slots.itself, ITSELF, scores)
        return self._merged(average(scores, past.values)[0]), past

    def _hash(self, projected: list[jax.Array], rotations: jax.Array | None) -> jax.Array:
        """The buckets of what was projected, int32 [batch, heads, rounds, length]."""
        raise NotImplementedError

    def _order(self, buckets: jax.Array, segments: jax.Array) -> Any:
        """In which order positions are sorted."""
        raise NotImplementedError

    def _attend(self, projected: list[jax.Array], segments: jax.Array, order: Any, deterministic: bool) -> jax.Array:
        """What each position finds, [batch, heads, length, head_dim]."""
        raise NotImplementedError

    def _scaled(self, query: jax.Array) -> jax.Array:
        """As it is multiplied with keys, whatever the shape but for the last axis."""
        raise NotImplementedError

    def _keys(self, projected: list[jax.Array]) -> jax.Array:
        """[batch, heads, length, head_dim]."""
        raise NotImplementedError

    def _times(self, past: Past, slots: Slots) -> jax.Array:
        """How often each hypothesis sees each slot, int or bool [batch, heads or 1, beam, slots]."""
        raise NotImplementedError

    def _past(self, projected: list[jax.Array], buckets: jax.Array) -> Past:
        return Past(jnp.swapaxes(self._keys(projected), 2, 3), projected[-1], buckets)

    def _project(self, inputs: jax.Array, positions: jax.Array) -> list[jax.Array]:
        """[batch, length, model_dim], at positions int [batch or 1, length] -> a part, [batch, heads, length,
        head_dim]."""
        heads = self.projections(inputs).reshape(*inputs.shape[:2], self.parts, self.num_heads, -1)
        return [jnp.swapaxes(part, 1, 2) for part in self._placed(list(jnp.moveaxis(heads, 2, 0)), positions)]

    def _project_all(self, inputs: jax.Array) -> list[jax.Array]:
        return self._project(inputs, jnp.arange(inputs.shape[1])[None])

    def _placed(self, parts: list[jax.Array], positions: jax.Array) -> list[jax.Array]:
        """Projections, [batch, length, heads, head_dim] each, that know where they stand, if this attention does."""
        return parts

    def _merged(self, attended: jax.Array) -> jax.Array:
        """[batch, heads, length, head_dim] -> [batch, length, model_dim]."""
        merged = jnp.swapaxes(attended, 1, 2)
        return self.output(merged.reshape(*merged.shape[:2], self.model_dim))

    def _keep(self, batch: int, deterministic: bool) -> Callable[[jax.Array], jax.Array]:
        """What is done to weights whose first axis is the batch."""
        if deterministic or not self.dropout:
            return lambda weights: weights
        return functools.partial(drop, key_words(self.make_rng("dropout"), batch), rate=self.dropout)
