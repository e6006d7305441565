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
        keys_values: a layer, the source's and then the past, of length source_length + `max_length * beam`, a step's
            hypotheses next to each other.
        source_mask: bool [batch, 1, source_length].
        ancestry: bool [batch, beam, max_length, beam]: at [b, i, t, j], hypothesis i had at step t been hypothesis j.
        output: what `predict` needs beside the parameters.
    """

    position: jax.Array
    source_lengths: jax.Array
    keys_values: tuple[KeysValues, ...]
    source_mask: jax.Array
    ancestry: jax.Array
    output: Any


class DecoderAlone(SearchableModule):
    """A model with `layers`, `EncoderBlock`s, and these methods.

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

    def _start(self, source: jax.Array, beam_size: int, max_length: int) -> TextCache:
        batch, source_length = source.shape
        segments = (source > 0).astype(jnp.int32)
        stream = self.embed(source, jnp.broadcast_to(jnp.arange(source_length), source.shape))
        mask, keys_values = self.source_mask(segments), []
        room = [(0, 0)] * 3
        for layer in self.layers:
            stream, own = layer.read(stream, mask)
            keys_values.append(
                KeysValues(
                    jnp.pad(own.keys, [*room, (0, max_length * beam_size)]),
                    jnp.pad(own.values, [*room[:2], (0, max_length * beam_size), (0, 0)]),
                )
            )
        return TextCache(
            position=jnp.zeros((), jnp.int32),
            source_lengths=jnp.sum(segments, axis=1),
            keys_values=tuple(keys_values),
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
        keys_values = []
        for layer, past in zip(self.layers, cache.keys_values):
            stream, past = layer.step(stream, past, source_length + cache.position * beam, mask, places)
            keys_values.append(past)
        logits = self.predict(stream, cache.output)
        return logits, cache._replace(position=cache.position + 1, keys_values=tuple(keys_values), ancestry=ancestry)
