"""Stacks of reversible blocks: self-attention of chunks, a look at the source in a decoder, and feed-forward (Kitaev et
al. 2020, section 3)."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mt.layers.attention import KeysValues
from mt.layers.blocks import Residual
from mt.layers.chunked_attention import ChunkedSelfAttention, Past, Slots
from mt.layers.chunked_cross_attention import ChunkedCrossAttention
from mt.layers.chunked_feed_forward import ChunkedFeedForward
from mt.layers.chunks import Window
from mt.layers.hashing import random_rotations
from mt.layers.local_attention import LocalSelfAttention
from mt.layers.lsh_attention import LshSelfAttention
from mt.layers.reversible import Streams, reversibly_through, through


class Around(NamedTuple):
    """What all sublayers know of the rows.

    Attributes:
        segments: int [batch, length], which part of a row a position belongs to, such as a sentence; 0 is padding.
        encoded_segments: int [batch, source_length], the same of the source; None where there is none.
    """

    segments: jax.Array
    encoded_segments: jax.Array | None = None


class Given(NamedTuple):
    """What a sublayer needs of its own.

    Attributes:
        rotations: what its vectors are hashed by; None where nothing is hashed.
        key: of dropout; None is without.
    """

    rotations: jax.Array | None
    key: jax.Array | None


class _Sublayer(nn.Module):
    """A normalised stream, what is made of it, and dropout. Streams are float32: they must be found again."""

    model_dim: int
    norm_epsilon: float
    dropout: float
    dtype: jnp.dtype

    def setup(self):
        self.residual = Residual(self.dropout, pre_norm=True, norm_epsilon=self.norm_epsilon)

    def _enter(self, stream: jax.Array) -> jax.Array:
        return self.residual.enter(stream).astype(self.dtype)

    def _leave(self, output: jax.Array, deterministic: bool) -> jax.Array:
        return self.residual.added(output, deterministic).astype(jnp.float32)


class SelfAttentionSublayer(_Sublayer):
    """See `ChunkedSelfAttention`, whose fields but for sizes are those of `kind`."""

    kind: Callable[..., ChunkedSelfAttention]
    num_heads: int

    def setup(self):
        super().setup()
        self.self_attention = self.kind(self.num_heads, self.model_dim, dtype=self.dtype)

    def __call__(
        self, stream: jax.Array, encoded: jax.Array | None, around: Around, given: Given, kept: Any, deterministic: bool
    ) -> tuple[jax.Array, Any]:
        """See `reversible.Half`."""
        attended, order = self.self_attention(
            self._enter(stream), around.segments, deterministic, given.rotations, kept
        )
        return self._leave(attended, deterministic), order

    def read(self, stream: jax.Array, segments: jax.Array, rotations: jax.Array | None) -> tuple[jax.Array, Past]:
        """As a call without dropout, with what later positions may look at."""
        attended, past = self.self_attention.read(self._enter(stream), segments, rotations)
        return self._leave(attended, deterministic=True), past

    def step(self, stream: jax.Array, past: Past, slots: Slots, rotations: jax.Array | None) -> tuple[jax.Array, Past]:
        """See `ChunkedSelfAttention.step`."""
        attended, past = self.self_attention.step(self._enter(stream), past, slots, rotations)
        return self._leave(attended, deterministic=True), past


class CrossAttentionSublayer(_Sublayer):
    """The decoder's look at the source."""

    num_heads: int
    attention_dropout: float
    chunk: int

    def setup(self):
        super().setup()
        self.cross_attention = ChunkedCrossAttention(
            self.num_heads, self.model_dim, self.attention_dropout, self.dtype, self.chunk
        )

    def __call__(
        self, stream: jax.Array, encoded: jax.Array, around: Around, given: Given, kept: Any, deterministic: bool
    ) -> tuple[jax.Array, Any]:
        """See `reversible.Half`."""
        assert around.encoded_segments is not None
        attended = self.cross_attention.between(
            self._enter(stream), encoded, around.segments, around.encoded_segments, deterministic
        )
        return self._leave(attended, deterministic), ()

    def project_encoded(self, encoded: jax.Array) -> KeysValues:
        """The keys and values of the source: what a search computes once a sentence."""
        return self.cross_attention.project_keys_values(encoded)

    def step(self, stream: jax.Array, keys_values: KeysValues, mask: jax.Array) -> jax.Array:
        """One position of every hypothesis; `mask` is bool [batch, 1, 1, source_length]."""
        query = self.cross_attention.project_query(self._enter(stream))
        return self._leave(self.cross_attention.attend(query, keys_values, mask), deterministic=True)


class FeedForwardSublayer(_Sublayer):
    """See `ChunkedFeedForward`."""

    ff_dim: int
    activation: str
    activation_dropout: float
    chunk: int

    def setup(self):
        super().setup()
        self.feed_forward = ChunkedFeedForward(
            self.model_dim, self.ff_dim, self.activation, self.activation_dropout, self.dtype, self.chunk
        )

    def __call__(
        self, stream: jax.Array, encoded: jax.Array | None, around: Around, given: Given, kept: Any, deterministic: bool
    ) -> tuple[jax.Array, Any]:
        """See `reversible.Half`."""
        return self.step(stream, deterministic), ()

    def step(self, stream: jax.Array, deterministic: bool = True) -> jax.Array:
        """[batch, length, model_dim] -> the same."""
        return self._leave(self.feed_forward(self._enter(stream), deterministic), deterministic)


class ReversibleStack(nn.Module):
    """An encoder's or a decoder's blocks.

    Attributes:
        config: of the model, see `reformer_sizes.ReformerSizes`.
        kinds: of self-attention, "lsh" or "local" a layer.
        windows: how far each kind's chunks see.
        causal: whether positions see only those up to their own.
        cross: whether they look at a source.
    """

    config: Any
    kinds: tuple[str, ...]
    windows: dict[str, Window]
    causal: bool
    cross: bool = False

    def setup(self):
        config = self.config
        shared = dict(
            model_dim=config.model_dim,
            norm_epsilon=config.norm_epsilon,
            dropout=config.dropout,
            dtype=jnp.dtype(config.dtype),
        )

        def self_attention(kind: str) -> SelfAttentionSublayer:
            options = dict(window=self.windows[kind], causal=self.causal, dropout=config.attention_dropout)
            of_kind: Any = functools.partial(LocalSelfAttention, rotary=config.positions == "rotary")
            if kind == "lsh":
                of_kind = functools.partial(LshSelfAttention, buckets=config.bucket_factors)
            made = functools.partial(of_kind, **options)
            return SelfAttentionSublayer(kind=made, num_heads=config.num_heads, **shared)

        self.self_attentions = [self_attention(kind) for kind in self.kinds]
        if self.cross:
            self.cross_attentions = [
                CrossAttentionSublayer(
                    num_heads=config.num_heads,
                    attention_dropout=config.attention_dropout,
                    chunk=config.cross_chunk,
                    **shared,
                )
                for _ in self.kinds
            ]
        self.feed_forwards = [
            FeedForwardSublayer(
                ff_dim=config.ff_dim,
                activation=config.activation,
                activation_dropout=config.activation_dropout,
                chunk=config.feed_forward_chunk,
                **shared,
            )
            for _ in self.kinds
        ]

    @property
    def period(self) -> int:
        """After how many layers their kinds come again."""
        layers = len(self.kinds)
        return next(
            each
            for each in range(1, layers + 1)
            if all(self.kinds[number] == self.kinds[number % each] for number in range(layers))
        )

    def _sublayers(self) -> list[Any]:
        between = [self.cross_attentions] if self.cross else []
        return [sublayer for block in zip(self.self_attentions, *between, self.feed_forwards) for sublayer in block]

    def rotations(self, key: jax.Array | None = None) -> list[jax.Array | None]:
        """What each layer's vectors are hashed by: drawn by a key, or always the same."""
        config = self.config
        key = jax.random.key(config.hash_seed) if key is None else key
        head_dim = config.model_dim // config.num_heads
        sizes = config.num_heads, head_dim, config.rounds, config.bucket_factors
        return [
            random_rotations(jax.random.fold_in(key, number), *sizes) if kind == "lsh" else None
            for number, kind in enumerate(self.kinds)
        ]

    def __call__(
        self,
        embedded: jax.Array,
        segments: jax.Array,
        deterministic: bool,
        encoded: jax.Array | None = None,
        encoded_segments: jax.Array | None = None,
        rotations: Sequence[jax.Array | None] | None = None,
    ) -> Streams:
        """Whole sequences.

        Args:
            embedded: [batch, length, model_dim], where both streams begin.
            segments: int [batch, length], each of which sees itself alone; 0 is padding.
            deterministic: without dropout, and with rotations that are always the same; otherwise they are drawn each
                time.
            encoded: [batch, source_length, model_dim], what a decoder looks at.
            encoded_segments: int [batch, source_length].
            rotations: a layer, what its vectors are hashed by, in place of those.

        Returns:
            Both streams, float32 [batch, length, model_dim].
        """
        embedded = embedded.astype(jnp.float32)
        key = None if deterministic else self.make_rng("dropout")
        if rotations is None:
            rotations = self.rotations(None if key is None else jax.random.fold_in(key, 0))
        sublayers = self._sublayers()
        a_layer = len(sublayers) // len(self.kinds)
        of_layer = [each for each in rotations for _ in range(a_layer)]
        given = [
            Given(turned, None if key is None else jax.random.fold_in(key, number))
            for number, turned in enumerate(of_layer, 1)
        ]
        streams, around = (embedded, embedded), Around(segments, encoded_segments)
        if deterministic or self.is_initializing():
            # By the modules themselves, whose methods can be listened to.
            one, other = streams
            for sublayer, own in zip(sublayers, given):
                one, other = other, one + sublayer(other, encoded, around, own, None, True)[0]
            return one, other
        halves = [_function(sublayer.clone(parent=None)) for sublayer in sublayers]
        params = [sublayer.variables["params"] for sublayer in sublayers]
        if not self.config.reversible:
            return through(halves, params, streams, encoded, around, given)[0]
        turn = a_layer * self.period  # of sublayers, which come again and again; the rest is a turn of its own
        rest = len(sublayers) % turn
        for start, stop, width in ((0, len(sublayers) - rest, turn), (len(sublayers) - rest, len(sublayers), rest)):
            if start < stop:
                weights, constants = (_stacked(each[start:stop], width) for each in (params, given))
                streams = reversibly_through(
                    halves[start : start + width], weights, streams, encoded, around, constants
                )
        return streams

    def project_encoded(self, encoded: jax.Array) -> tuple[KeysValues, ...]:
        """The source's keys and values for each layer."""
        return tuple(sublayer.project_encoded(encoded) for sublayer in self.cross_attentions)

    def read(self, embedded: jax.Array, segments: jax.Array) -> tuple[Streams, tuple[Past, ...]]:
        """As a call without dropout and without a source, with what later positions may look at."""
        one = other = embedded.astype(jnp.float32)
        pasts = []
        for number, turned in enumerate(self.rotations()):
            attended, past = self.self_attentions[number].read(other, segments, turned)
            one, other = other, one + attended
            one, other = other, one + self.feed_forwards[number].step(other)
            pasts.append(past)
        return (one, other), tuple(pasts)

    def step(
        self,
        embedded: jax.Array,
        pasts: Sequence[Past],
        slots: Slots,
        encoded: Sequence[KeysValues] = (),
        source_mask: jax.Array | None = None,
    ) -> tuple[Streams, tuple[Past, ...]]:
        """One position of every hypothesis.

        Args:
            embedded: [batch, beam, model_dim].
            pasts: a layer's.
            slots: see there.
            encoded: a layer, from `project_encoded`.
            source_mask: bool [batch, 1, 1, source_length].

        Returns:
            Both streams, float32 [batch, beam, model_dim], and `pasts` with this step in them.
        """
        one = other = embedded.astype(jnp.float32)
        written = []
        for number, (past, turned) in enumerate(zip(pasts, self.rotations(), strict=True)):
            attended, past = self.self_attentions[number].step(other, past, slots, turned)
            one, other = other, one + attended
            if self.cross:
                assert source_mask is not None
                one, other = other, one + self.cross_attentions[number].step(other, encoded[number], source_mask)
            one, other = other, one + self.feed_forwards[number].step(other)
            written.append(past)
        return (one, other), tuple(written)

    def nothing_yet(self, batch: int, slots: int) -> tuple[Past, ...]:
        """What a first step looks at, with so many slots."""
        config = self.config
        shape, dtype = (batch, config.num_heads), jnp.dtype(config.dtype)
        head_dim = config.model_dim // config.num_heads
        return tuple(
            Past(
                jnp.zeros((*shape, head_dim, slots), dtype),
                jnp.zeros((*shape, slots, head_dim), dtype),
                jnp.zeros((*shape, config.rounds if kind == "lsh" else 0, slots), jnp.int32),
            )
            for kind in self.kinds
        )


def _stacked(trees: Sequence[Any], width: int) -> list[Any]:
    """Of each of so many, those that come at its place again and again, in one tree, [turns, ...]."""
    return [jax.tree.map(lambda *each: jnp.stack(each), *trees[number::width]) for number in range(width)]


def _function(sublayer: nn.Module) -> Any:
    """A sublayer with dropout as `reversible.Half`."""

    def half(
        params: Any, stream: jax.Array, encoded: Any, around: Around, given: Given, kept: Any
    ) -> tuple[jax.Array, Any]:
        assert given.key is not None
        rngs = {"dropout": given.key}
        added: Any = sublayer.apply({"params": params}, stream, encoded, around, given, kept, False, rngs=rngs)
        return added

    return half
