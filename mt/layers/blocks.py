"""Encoder and decoder blocks: attention and feed-forward, each in a residual connection with layer normalisation."""

import functools
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from mt.layers.attention import CrossAttention, KeysValues
from mt.layers.dropout import Dropout, StochasticDepth
from mt.layers.feed_forward import FeedForward
from mt.layers.relative_attention import KINDS


def layer_norm(epsilon: float) -> nn.LayerNorm:
    """Layer normalisation (Ba et al. 2016): statistics in float32 whatever comes in, float32 out."""
    return nn.LayerNorm(epsilon=epsilon, dtype=jnp.float32)


class Residual(nn.Module):
    """What a sublayer sees, and how its output joins the stream.

    Post-norm is the paper's LayerNorm(x + Sublayer(x)) (section 3.1); pre-norm is x + Sublayer(LayerNorm(x)), which
    trains without warm-up (Xiong et al. 2020).
    """

    dropout: float
    pre_norm: bool
    norm_epsilon: float
    stochastic_depth: float = 0.0

    def setup(self):
        self.norm = layer_norm(self.norm_epsilon)
        self.output_dropout = Dropout(self.dropout)
        self.output_depth = StochasticDepth(self.stochastic_depth)

    def enter(self, stream: jax.Array) -> jax.Array:
        """The sublayer's input."""
        return self.norm(stream).astype(stream.dtype) if self.pre_norm else stream

    def added(self, output: jax.Array, deterministic: bool) -> jax.Array:
        """What of the sublayer's output joins the stream."""
        return self.output_depth(self.output_dropout(output, deterministic), deterministic)

    def leave(self, stream: jax.Array, output: jax.Array, deterministic: bool) -> jax.Array:
        """The stream after the sublayer."""
        joined = stream + self.added(output, deterministic)
        return joined if self.pre_norm else self.norm(joined).astype(stream.dtype)


class EncoderBlock(nn.Module):
    """Self-attention, then feed-forward."""

    num_heads: int
    model_dim: int
    ff_dim: int
    activation: str
    pre_norm: bool
    norm_epsilon: float
    dropout: float
    attention_dropout: float
    activation_dropout: float
    stochastic_depth: float
    dtype: jnp.dtype
    positions: str = "absolute"
    max_distance: int = 0

    # Which argument of a call says whether it is, self being 0.
    deterministic_argument: ClassVar[int] = 3

    def _residual(self) -> Residual:
        return Residual(self.dropout, self.pre_norm, self.norm_epsilon, self.stochastic_depth)

    def _kind(self) -> Any:
        kind: Any = KINDS[self.positions]
        return functools.partial(kind, max_distance=self.max_distance) if self.max_distance else kind

    def setup(self):
        self.self_attention = self._kind()(self.num_heads, self.model_dim, self.attention_dropout, self.dtype)
        self.self_attention_residual = self._residual()
        self.feed_forward = FeedForward(
            self.model_dim, self.ff_dim, self.activation, self.activation_dropout, self.dtype
        )
        self.feed_forward_residual = self._residual()

    def _feed_forward(self, stream: jax.Array, deterministic: bool) -> jax.Array:
        residual = self.feed_forward_residual
        return residual.leave(stream, self.feed_forward(residual.enter(stream), deterministic), deterministic)

    def __call__(
        self, stream: jax.Array, mask: jax.Array, deterministic: bool, memory: jax.Array | None = None
    ) -> jax.Array:
        """[batch, length, model_dim] -> the same; `memory` is what entered here before it, see `SelfAttention`."""
        return self._feed_forward(self._attend_to_itself(stream, mask, deterministic, memory), deterministic)

    def _attend_to_itself(
        self, stream: jax.Array, mask: jax.Array, deterministic: bool, memory: jax.Array | None
    ) -> jax.Array:
        residual = self.self_attention_residual
        inputs = residual.enter(stream)
        memory = None if memory is None else residual.enter(memory)
        return residual.leave(stream, self.self_attention(inputs, mask, deterministic, memory), deterministic)

    def remember(self, memory: jax.Array) -> KeysValues:
        """The keys and values of what entered here before, [batch, memory_length, model_dim]: what a search computes
        once a sentence."""
        return self.self_attention.project_memory(self.self_attention_residual.enter(memory))

    def read(self, stream: jax.Array, mask: jax.Array) -> tuple[jax.Array, KeysValues]:
        """As a call without dropout, with what later positions may look at."""
        residual = self.self_attention_residual
        positions = jnp.arange(stream.shape[1])[None]
        query, keys_values = self.self_attention.project(residual.enter(stream), positions)
        query, bias = self.self_attention.by_position(query, positions, positions, whole=True)
        stream = residual.leave(stream, self.self_attention.attend(query, keys_values, mask, bias), deterministic=True)
        return self._feed_forward(stream, deterministic=True), keys_values

    def step(
        self,
        stream: jax.Array,
        cache: KeysValues,
        start: jax.Array,
        mask: jax.Array,
        positions: tuple[jax.Array, jax.Array],
    ) -> tuple[jax.Array, KeysValues]:
        """One position of every hypothesis of every sentence, as if they were a sequence of length `beam`.

        Args:
            stream: [batch, beam, model_dim].
            cache: keys and values so far, a step's hypotheses next to each other.
            start: int [], where in the cache this step is written.
            mask: bool [batch, 1, beam, cached], which of all that is cached a hypothesis looks at.
            positions: int [batch or 1, beam] and [batch or 1, cached], where they and what is cached stand.

        Returns:
            [batch, beam, model_dim], and the cache with this step in it.
        """
        stream, cache = self._attend_to_past(stream, cache, start, mask, positions)
        return self._feed_forward(stream, deterministic=True), cache

    def _attend_to_past(
        self,
        stream: jax.Array,
        cache: KeysValues,
        start: jax.Array,
        mask: jax.Array,
        positions: tuple[jax.Array, jax.Array],
    ) -> tuple[jax.Array, KeysValues]:
        residual = self.self_attention_residual
        query, new = self.self_attention.project(residual.enter(stream), positions[0])
        query, bias = self.self_attention.by_position(query, *positions, whole=False)
        update = jax.lax.dynamic_update_slice_in_dim
        cache = KeysValues(
            update(cache.keys, new.keys.astype(cache.keys.dtype), start, axis=3),
            update(cache.values, new.values.astype(cache.values.dtype), start, axis=2),
        )
        return residual.leave(stream, self.self_attention.attend(query, cache, mask, bias), deterministic=True), cache


class DecoderBlock(EncoderBlock):
    """Masked self-attention, encoder-decoder attention, then feed-forward."""

    deterministic_argument = 5

    def setup(self):
        super().setup()
        self.cross_attention = CrossAttention(self.num_heads, self.model_dim, self.attention_dropout, self.dtype)
        self.cross_attention_residual = self._residual()

    def __call__(  # type: ignore[override]
        self,
        stream: jax.Array,
        encoded: jax.Array,
        self_mask: jax.Array,
        cross_mask: jax.Array,
        deterministic: bool,
        memory: jax.Array | None = None,
    ) -> jax.Array:
        """[batch, target_length, model_dim], with `encoded` [batch, source_length, model_dim] -> the former's shape;
        `memory` is what entered here before it, see `SelfAttention`."""
        stream = self._attend_to_itself(stream, self_mask, deterministic, memory)
        residual = self.cross_attention_residual
        attended = self.cross_attention(residual.enter(stream), encoded, cross_mask, deterministic)
        stream = residual.leave(stream, attended, deterministic)
        return self._feed_forward(stream, deterministic)

    def project_encoded(self, encoded: jax.Array) -> KeysValues:
        """The keys and values of encoder-decoder attention: what a search computes once a sentence."""
        return self.cross_attention.project_keys_values(encoded)

    def step(  # type: ignore[override]
        self,
        stream: jax.Array,
        cache: KeysValues,
        memory: KeysValues,
        position: jax.Array,
        self_mask: jax.Array,
        cross_mask: jax.Array,
        remembered: jax.Array | None = None,
    ) -> tuple[jax.Array, KeysValues]:
        """One target position of every hypothesis of every sentence.

        The hypotheses of a sentence stand side by side as if they were a target of length `beam`, and the cached keys
        of all of them as if they were one memory of length `length * beam`: the mask alone says which of them a
        hypothesis descends from. So neither this cache nor the encoder's keys are ever copied or moved.

        Args:
            stream: [batch, beam, model_dim].
            cache: keys and values so far, of length `length * beam`, a step's hypotheses next to each other.
            memory: from `project_encoded`.
            position: int [], where in the cache this step is written.
            self_mask: bool [batch, beam, length, beam].
            cross_mask: bool [batch, 1, 1, source_length].
            remembered: bool [batch, memory_length], what is seen of what stands before the first step, whose keys and
                values are the first of `cache`; None is nothing.

        Returns:
            [batch, beam, model_dim], and the cache with this step in it.
        """
        flat_mask = self_mask.reshape(*self_mask.shape[:2], -1)[:, None]  # [batch, 1, beam, length * beam]
        beam = stream.shape[1]
        own, steps, before = jnp.full((1, beam), position), jnp.arange(flat_mask.shape[-1]) // beam, 0
        if remembered is not None:
            before = remembered.shape[1]
            seen = jnp.broadcast_to(remembered[:, None, None], (*flat_mask.shape[:3], before))
            flat_mask = jnp.concatenate([seen, flat_mask], axis=-1)
            steps = jnp.concatenate([jnp.arange(before) - before, steps])
        places = own + before, (steps + before)[None]
        stream, cache = self._attend_to_past(stream, cache, before + position * beam, flat_mask, places)
        residual = self.cross_attention_residual
        query = self.cross_attention.project_query(residual.enter(stream))
        stream = residual.leave(stream, self.cross_attention.attend(query, memory, cross_mask), deterministic=True)
        return self._feed_forward(stream, deterministic=True), cache


_CONFIGURED = (
    "num_heads",
    "model_dim",
    "ff_dim",
    "activation",
    "norm_epsilon",
    "dropout",
    "attention_dropout",
    "activation_dropout",
)


def stack(
    kind: type[EncoderBlock], depth: int, config: Any, stochastic_depth: float = 0.0, **options: Any
) -> list[Any]:
    """A model's blocks.

    Args:
        kind: of block.
        depth: how many.
        config: of the model, whose fields say what a block's fields of the same names are.
        stochastic_depth: the share of a sentence's sublayers that the last block leaves out in training; those before
            leave out fewer.
        options: a block's other fields, and those that are otherwise than the config says.
    """
    # `deterministic` chooses code, so rematerialisation must not trace it.
    block: Any = nn.remat(kind, static_argnums=(kind.deterministic_argument,)) if config.remat else kind
    own = {field: getattr(config, field) for field in _CONFIGURED if field not in options}
    own |= {"dtype": jnp.dtype(config.dtype)} | options
    return [block(stochastic_depth=stochastic_depth * (number + 1) / depth, **own) for number in range(depth)]
