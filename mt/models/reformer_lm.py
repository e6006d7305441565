"""The Reformer as a language model (Kitaev et al. 2020): a decoder alone, of long texts in little memory."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mt.layers.blocks import layer_norm
from mt.layers.chunked_attention import Slots
from mt.layers.dropout import Dropout
from mt.layers.embedding import Embedding
from mt.layers.positions import first_of_each
from mt.layers.reversible import Streams
from mt.layers.reversible_blocks import ReversibleStack
from mt.models.checks import check_one_vocabulary, check_text_alone
from mt.models.decoder_alone import DecoderAlone
from mt.models.interface import Batch
from mt.models.reformer_sizes import ReformerSizes


@dataclasses.dataclass(frozen=True)
class ReformerLmConfig(ReformerSizes):
    """Sizes and options, see `ReformerSizes`, of the language model.

    Attributes:
        architecture: what a config of this kind is known by.
    """

    needs_source: ClassVar = False
    architecture: Literal["reformer_lm"] = "reformer_lm"

    def check_lengths(self, source_length: int, target_length: int) -> None:
        """Raises UserError where there is a source, or a row has more positions than there are."""
        check_text_alone("Reformer's language model", source_length)
        self.check_row_lengths(target_length)

    def build(self, vocab: int, source_vocab: int | None = None) -> "ReformerLm":
        """The model over a vocabulary of that size.

        Raises:
            UserError: the source has another vocabulary.
        """
        check_one_vocabulary("reformer_lm", vocab, source_vocab)
        return ReformerLm(self, vocab)


class ReformerLm(DecoderAlone):
    """Embeddings, reversible blocks, and an output of both streams. All tokens are int32; 0 is padding."""

    config: ReformerLmConfig
    vocab: int

    def setup(self):
        config = self.config
        scaled = config.scale_embeddings
        self.target_embedding = Embedding(self.vocab, config.model_dim, scaled=scaled)
        self.target_positions = config.build_positions()
        self.embedding_dropout = Dropout(config.dropout)
        kinds = config.kinds(config.attention, config.num_layers)
        self.decoder = ReversibleStack(config, kinds, config.windows(), causal=True)
        self.norm = layer_norm(config.norm_epsilon)
        self.output_dropout = Dropout(config.dropout)
        self.output_embedding = Embedding(self.vocab, 2 * config.model_dim, jnp.dtype(config.dtype), scaled)
        self.output_bias = self.param("output_bias", nn.initializers.zeros, (self.vocab,), jnp.float32)

    def embed(self, tokens: jax.Array, positions: jax.Array) -> jax.Array:
        """See `DecoderAlone`."""
        embedded = self.target_embedding(tokens)
        return embedded if self.target_positions is None else embedded + self.target_positions(positions)

    def hidden(
        self, batch: Batch, deterministic: bool = True, rotations: Sequence[jax.Array | None] | None = None
    ) -> jax.Array:
        """A training batch's last hidden states; keys: see `batching.assemble`.

        Args:
            batch: of text alone. What a row has of a document, or of a text where documents are not known, is read by
                itself.
            deterministic: without dropout; see `ReversibleStack`.
            rotations: see `ReversibleStack`.

        Returns:
            [batch, target_length, 2 * model_dim], both streams.
        """
        segments = batch.get("target_documents", batch["target_segments"])
        positions = jnp.arange(segments.shape[1]) - first_of_each(segments)
        embedded = self.embedding_dropout(self.embed(batch["target_inputs"], positions), deterministic)
        streams = self.decoder(embedded, segments, deterministic, rotations=rotations)
        return self.output_dropout(self._joined(streams), deterministic)

    def _joined(self, streams: Streams) -> jax.Array:
        joined = self.norm(jnp.concatenate(streams, axis=-1))
        return joined.astype(self.config.dtype)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """[..., 2 * model_dim] -> float32 [..., vocab]."""
        return self.output_embedding.logits(hidden) + self.output_bias

    def output_projection(self) -> tuple[jax.Array, jax.Array]:
        """What `logits` multiplies with, float32 [vocab, 2 * model_dim], and adds, float32 [vocab]."""
        return self.output_embedding.table, self.output_bias

    def __call__(self, batch: Batch, deterministic: bool = True) -> jax.Array:
        """A training batch's logits, float32 [batch, target_length, vocab]."""
        return self.logits(self.hidden(batch, deterministic))

    def flops(self, source_lengths: np.ndarray, target_lengths: np.ndarray, hypotheses: int = 1) -> float:
        """Floating-point operations of the matrix products of a forward pass, see `Transformer.flops`; attention counts
        over whole windows."""
        config, target = self.config, float(np.sum(target_lengths))
        layers = sum(config.attention_flops(kind, target) for kind in config.kinds(config.attention, config.num_layers))
        layers += config.num_layers * config.feed_forward_flops * target
        return 2 * float(hypotheses * (layers + 2 * config.model_dim * self.vocab * target))

    def output(self) -> jax.Array:
        """See `DecoderAlone`: the output table turned, [2 * model_dim, vocab]."""
        return self.output_embedding.table.astype(self.config.dtype).T

    def predict(self, stream: jax.Array, output: jax.Array) -> jax.Array:
        """See `DecoderAlone`; of both streams, [batch, length, 2 * model_dim]."""
        hidden = self.norm(stream).astype(output.dtype)
        return jnp.matmul(hidden, output, preferred_element_type=jnp.float32) + self.output_bias

    def read_layers(self, stream: jax.Array, segments: jax.Array, room: int) -> tuple[jax.Array, tuple[Any, ...]]:
        """See `DecoderAlone`."""
        streams, pasts = self.decoder.read(stream, segments)
        return jnp.concatenate(streams, axis=-1), tuple(past.with_room(room) for past in pasts)

    def step_layers(
        self,
        stream: jax.Array,
        past: tuple[Any, ...],
        start: jax.Array,
        mask: jax.Array,
        places: tuple[jax.Array, jax.Array],
    ) -> tuple[jax.Array, tuple[Any, ...]]:
        """See `DecoderAlone`."""
        streams, past = self.decoder.step(stream, past, Slots(start, mask[:, 0], *places))
        return jnp.concatenate(streams, axis=-1), past
