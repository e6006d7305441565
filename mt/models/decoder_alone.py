"""What models that are a decoder alone have in common: how they go on, step by step, with what stands before."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mt.layers.attention import KeysValues
from mt.layers.masks import causal_mask, padding_mask, segment_mask
from mt.models.searchable import SearchableModule, no_ancestors, with_themselves


class TextCache(NamedTuple):
    """What a decoder alone keeps between steps.

    Attributes:
        position: int [], steps taken.
        source_lengths: int [batch], tokens that stand before the first step.
        past: a layer, what steps look at: the source's and then the past, in source_length + `max_length * beam`
            places, a step's hypotheses next to each other; keys and values, where layers are `EncoderBlock`s.
        source_mask: bool [batch, 1, source_length].
        ancestry: bool [batch, beam, max_length, beam]: at [b, i, t, j], hypothesis i had at step t been hypothesis j.
        output: what `predict` needs beside the parameters.
    """

    position: jax.Array
    source_lengths: jax.Array
    past: tuple[Any, ...]
    source_mask: jax.Array
    ancestry: jax.Array
    output: Any


class DecoderAlone(SearchableModule):
    """A model with `layers`, `EncoderBlock`s, or with its own `read_layers` and `step_layers`, and with these methods.

    embed(tokens, positions): int [batch, length] both -> [batch, length, model_dim].
    output(): what is worth computing once for all steps.
    predict(stream, output): what the last layer gave, [batch, length, model_dim], -> float32 logits [batch, length,
        vocab].
    """

    def as_language_model(self) -> "DecoderAlone":
        """The same model as one of text alone, each token of which sees those before it."""
        return self

    def source_mask(self, segments: jax.Array) -> jax.Array:
        """What a source's tokens see, bool [batch, 1, source_length, source_length]."""
        return segment_mask(segments, segments) & causal_mask(segments.shape[1])

    def read_layers(self, stream: jax.Array, segments: jax.Array, room: int) -> tuple[jax.Array, tuple[Any, ...]]:
        """The source through all layers.

        Args:
            stream: [batch, source_length, model_dim].
            segments: int [batch, source_length], 1 where there is something and 0 at padding.
            room: how many places of what later steps look at are to be there for them.

        Returns:
            What the last layer gave, and what a step looks at in each.
        """
        mask, keys_values = self.source_mask(segments), []
        before = [(0, 0)] * 3
        for layer in self.layers:
            stream, own = layer.read(stream, mask)
            keys_values.append(
                KeysValues(
                    jnp.pad(own.keys, [*before, (0, room)]), jnp.pad(own.values, [*before[:2], (0, room), (0, 0)])
                )
            )
        return stream, tuple(keys_values)

    def step_layers(
        self,
        stream: jax.Array,
        past: tuple[Any, ...],
        start: jax.Array,
        mask: jax.Array,
        places: tuple[jax.Array, jax.Array],
    ) -> tuple[jax.Array, tuple[Any, ...]]:
        """A step through all layers; see `EncoderBlock.step`, of which `past` has each layer's cache."""
        keys_values = []
        for layer, own in zip(self.layers, past):
            stream, own = layer.step(stream, own, start, mask, places)
            keys_values.append(own)
        return stream, tuple(keys_values)

    def _start(self, source: jax.Array, beam_size: int, max_length: int) -> TextCache:
        batch, source_length = source.shape
        segments = (source > 0).astype(jnp.int32)
        stream = self.embed(source, jnp.broadcast_to(jnp.arange(source_length), source.shape))
        _, past = self.read_layers(stream, segments, max_length * beam_size)
        return TextCache(
            position=jnp.zeros((), jnp.int32),
            source_lengths=jnp.sum(segments, axis=1),
            past=past,
            source_mask=padding_mask(segments)[:, 0],
            ancestry=no_ancestors(batch, beam_size, max_length),
            output=self.output(),
        )

    def _step(self, tokens: jax.Array, cache: TextCache) -> tuple[jax.Array, TextCache]:
        batch, beam = tokens.shape
        first = cache.source_lengths[:, None]
        positions = jnp.broadcast_to(first + cache.position, tokens.shape)
        stream = self.embed(tokens, positions)
        ancestry = with_themselves(cache.ancestry, cache.position)
        source_length, steps = cache.source_mask.shape[-1], ancestry.shape[2]
        of_source = jnp.broadcast_to(cache.source_mask, (batch, beam, source_length))
        mask = jnp.concatenate([of_source, ancestry.reshape(batch, beam, -1)], axis=2)[:, None]
        read = jnp.broadcast_to(jnp.arange(source_length), (batch, source_length))
        written = first + jnp.repeat(jnp.arange(steps), beam)[None]
        places = positions, jnp.concatenate([read, written], axis=1)
        start = source_length + cache.position * beam
        stream, past = self.step_layers(stream, cache.past, start, mask, places)
        logits = self.predict(stream, cache.output)
        return logits, cache._replace(position=cache.position + 1, past=past, ancestry=ancestry)
