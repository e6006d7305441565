"""What a trainer and a search may ask of any model."""

from typing import Any, NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp

from mt.layers.positions import tokens_before

Params: TypeAlias = Any  # a tree of arrays
Cache: TypeAlias = Any  # a tree of arrays, whose structure only the model knows
Batch: TypeAlias = dict[str, jax.Array]


class Searchable(Protocol):
    """What beam search needs: a cache that starts from a source, steps by a token and follows the hypotheses."""

    def start(self, params: Params, source: jax.Array, beam_size: int, max_length: int) -> Cache:
        """Reads the source.

        Args:
            source: int [batch, source_length], padded with 0.
            beam_size: hypotheses a sentence.
            max_length: how many steps the cache must hold.
        """
        ...

    def step(self, params: Params, tokens: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
        """Reads the last token of every hypothesis, int [batch, beam]: float32 logits [batch, beam, vocab]."""
        ...

    def reorder(self, cache: Cache, parents: jax.Array) -> Cache:
        """Hypothesis i goes on from hypothesis `parents[batch, i]`, int [batch, beam]."""
        ...


class Order(NamedTuple):
    """In which order tokens are found.

    Attributes:
        seen: bool [batch, length, length], which tokens (last axis) come before which; a token's own content sees it
            too.
        places: int [batch, query], which tokens are to be found.
    """

    seen: jax.Array
    places: jax.Array


class Text(NamedTuple):
    """Rows of text, as an encoder alone reads them.

    Attributes:
        tokens: int32 [batch, length].
        positions: int32 [batch, length], counted from 0 in each text.
        segments: int32 [batch, length], which text of its row a token belongs to, from 1; 0 is padding.
        kinds: int32 [batch, length], such as a first and a second text, from 0; None where there is only one.
    """

    tokens: jax.Array
    positions: jax.Array
    segments: jax.Array
    kinds: Any

    @classmethod
    def of(cls, batch: Batch) -> "Text":
        """A training batch's pairs, each source with its target after it, of kinds 0 and 1; keys: see
        `batching.assemble`."""
        source_segments, target_segments = batch["source_segments"], batch["target_segments"]
        before = tokens_before(source_segments, target_segments)
        kinds = [jnp.zeros_like(source_segments), jnp.ones_like(target_segments)]
        if source_segments.shape[1] == 0:  # text alone is of the first kind
            kinds = kinds[:1] + [jnp.zeros_like(target_segments)]
        sides = (
            (batch["source_tokens"], batch["target_tokens"]),
            (batch["source_positions"], batch["target_positions"] + before),
            (source_segments, target_segments),
            kinds,
        )
        return cls(*(jnp.concatenate(side, axis=1) for side in sides))

    @classmethod
    def in_rows(cls, batch: Batch) -> "Text":
        """As `of`, for a model that knows distances: text alone has positions that count through its row, and its
        documents as segments, where the batch knows them."""
        text = cls.of(batch)
        if batch["source_tokens"].shape[1]:
            return text
        positions = jnp.broadcast_to(jnp.arange(text.tokens.shape[1], dtype=jnp.int32), text.tokens.shape)
        segments = batch.get("target_documents", text.segments)
        return text._replace(positions=positions, segments=segments, kinds=None)


def writes(model: Any) -> bool:
    """Whether a model is `Searchable`: an encoder alone is not."""
    return hasattr(model, "start")


def dummy_batch() -> Batch:
    """The smallest training batch: what a model's parameters are initialised with."""
    names = [f"{side}_{field}" for side in ("source", "target") for field in ("tokens", "positions", "segments")]
    return {name: jnp.ones((1, 1), jnp.int32) for name in [*names, "target_inputs"]}
