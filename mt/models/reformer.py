"""The Reformer as a translator (Kitaev et al. 2020): encoder and decoder need no more memory the deeper they are, and
for what is longer no more than in proportion."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from mt.layers.blocks import layer_norm
from mt.layers.chunked_attention import Slots
from mt.layers.dropout import Dropout
from mt.layers.reversible import Streams
from mt.layers.reversible_blocks import ReversibleStack
from mt.models.checks import check_sizes, check_tied
from mt.models.reformer_sizes import ReformerSizes
from mt.models.searchable import with_themselves
from mt.models.transformer import DecoderCache, Transformer


@dataclasses.dataclass(frozen=True)
class ReformerConfig(ReformerSizes):
    """Sizes and options, see `ReformerSizes`, of the translator.

    Attributes:
        architecture: what a config of this kind is known by.
        decoder_layers: blocks in the decoder; left out, as many as in the encoder.
        decoder_attention: as `attention`, of the decoder, which sees the source whole as well; left out, the same.
        lsh_after: chunks after its own that a source position sees of those that are sorted by their hashes.
        local_after: chunks after its own that a source position sees of those of the sequence.
        cross_chunk: target positions of a row that look at the source at once, but in a search; 0 is all of them.
        tie_embeddings: "all" is one table for source, target and output; "target" ties target and output only, and
            "inputs" source and target.
        output_bias: whether each token of the vocabulary has a bias.
    """

    needs_source: ClassVar = True
    architecture: Literal["reformer"] = "reformer"
    decoder_layers: int | None = None
    decoder_attention: tuple[Literal["lsh", "local"], ...] = ()
    lsh_after: int = 1
    local_after: int = 1
    cross_chunk: int = 0
    tie_embeddings: Literal["all", "target", "inputs", "none"] = "all"
    output_bias: bool = False

    def __post_init__(self):
        super().__post_init__()
        check_sizes(self, ("decoder_layers",), ())
        self._check_not_negative("cross_chunk")
        self._check_neighbours("lsh_after", "local_after")
        self._check_pattern("decoder_attention" if self.decoder_attention else "attention", self.decoder_depth)

    @property
    def decoder_depth(self) -> int:
        """Blocks in the decoder."""
        return self.num_layers if self.decoder_layers is None else self.decoder_layers

    @property
    def encoder_kinds(self) -> tuple[str, ...]:
        """Of self-attention, an encoder's layer."""
        return self.kinds(self.attention, self.num_layers)

    @property
    def decoder_kinds(self) -> tuple[str, ...]:
        """Of self-attention, a decoder's layer."""
        return self.kinds(self.decoder_attention or self.attention, self.decoder_depth)

    def check_lengths(self, source_length: int, target_length: int) -> None:
        """Raises UserError where a row of so many tokens on either side has more positions than there are."""
        self.check_row_lengths(source_length, target_length)

    def build(self, vocab: int, source_vocab: int | None = None) -> "Reformer":
        """The model over a vocabulary of that size, and another of the source if it has its own.

        Raises:
            UserError: the sizes differ, but one table is to serve both.
        """
        check_tied(self.tie_embeddings, vocab, source_vocab)
        return Reformer(self, vocab, None if source_vocab == vocab else source_vocab)


class Reformer(Transformer):
    """As the Transformer, of reversible blocks. Where both streams end, their mean goes on, as in the authors' code."""

    config: ReformerConfig  # type: ignore[assignment]

    def setup(self):
        config = self.config
        self._set_up_embeddings(config.scale_embeddings)
        self.source_positions = config.build_positions()  # type: ignore[assignment]
        self.target_positions = config.build_positions()  # type: ignore[assignment]
        self.embedding_dropout = Dropout(config.dropout)
        windows = config.windows(config.lsh_after, config.local_after)
        self.encoder = ReversibleStack(config, config.encoder_kinds, windows, causal=False)
        self.decoder = ReversibleStack(config, config.decoder_kinds, config.windows(), causal=True, cross=True)
        self.encoder_norm = layer_norm(config.norm_epsilon)
        self.decoder_norm = layer_norm(config.norm_epsilon)

    def _embed(self, side: str, tokens: jax.Array, positions: jax.Array) -> jax.Array:
        embedded: jax.Array = getattr(self, f"{side}_embedding")(tokens)
        added = getattr(self, f"{side}_positions")
        return embedded if added is None else embedded + added(positions).astype(embedded.dtype)

    def _mean(self, side: str, streams: Streams) -> jax.Array:
        mean = (streams[0] + streams[1]) / 2
        return getattr(self, f"{side}_norm")(mean).astype(self.config.dtype)

    def encode(
        self,
        source: jax.Array,
        positions: jax.Array,
        segments: jax.Array,
        deterministic: bool = True,
        rotations: Sequence[jax.Array | None] | None = None,
    ) -> jax.Array:
        """See `Transformer.encode`; `rotations` are for `ReversibleStack`."""
        embedded = self.embedding_dropout(self._embed("source", source, positions), deterministic)
        return self._mean("encoder", self.encoder(embedded, segments, deterministic, rotations=rotations))

    def decode(
        self,
        encoded: jax.Array,
        source_segments: jax.Array,
        target_inputs: jax.Array,
        positions: jax.Array,
        segments: jax.Array,
        deterministic: bool = True,
        rotations: Sequence[jax.Array | None] | None = None,
    ) -> jax.Array:
        """See `Transformer.decode`; `rotations` are for `ReversibleStack`."""
        embedded = self.embedding_dropout(self._embed("target", target_inputs, positions), deterministic)
        streams = self.decoder(embedded, segments, deterministic, encoded, source_segments, rotations)
        return self._mean("decoder", streams)

    def flops(self, source_lengths: np.ndarray, target_lengths: np.ndarray, hypotheses: int = 1) -> float:
        """See `Transformer.flops`; self-attention counts over whole windows."""
        config = self.config
        source, target = (np.asarray(lengths, np.float64) for lengths in (source_lengths, target_lengths))
        after = config.lsh_after, config.local_after
        once = sum(config.attention_flops(kind, source.sum(), *after) for kind in config.encoder_kinds)
        once += config.num_layers * config.feed_forward_flops * source.sum()
        once += config.decoder_depth * 2 * config.model_dim**2 * source.sum()  # the source's keys and values
        each = sum(config.attention_flops(kind, target.sum()) for kind in config.decoder_kinds)
        a_token = config.feed_forward_flops + 2 * config.model_dim**2
        each += config.decoder_depth * (a_token * target.sum() + 2 * config.model_dim * (source * target).sum())
        return 2 * float(once + hypotheses * (each + config.model_dim * self.vocab * target.sum()))

    def _begin(self, encoded: jax.Array, segments: jax.Array, beam_size: int, max_length: int) -> DecoderCache:
        past = self.decoder.nothing_yet(encoded.shape[0], max_length * beam_size)
        of_source = self.decoder.project_encoded(encoded)
        return self._cache(past, of_source, segments, beam_size, max_length, encoded.dtype)

    def _step(self, tokens: jax.Array, cache: DecoderCache) -> tuple[jax.Array, DecoderCache]:
        batch, beam = tokens.shape
        embedded = self._embed("target", tokens, jnp.broadcast_to(cache.position, tokens.shape))
        ancestry = with_themselves(cache.ancestry, cache.position)
        descends = ancestry.reshape(batch, beam, -1)
        steps = jnp.arange(descends.shape[-1]) // beam
        slots = Slots(cache.position * beam, descends, jnp.full((1, beam), cache.position), steps[None], beam)
        streams, past = self.decoder.step(embedded, cache.keys_values, slots, cache.encoded, cache.source_mask)
        cache = cache._replace(position=cache.position + 1, keys_values=past, ancestry=ancestry)
        return self._predict(self._mean("decoder", streams), cache), cache
