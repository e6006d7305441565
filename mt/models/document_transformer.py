"""A Transformer that translates documents: it reads each sentence with the memory of those before it, and writes each
with that of its own translations (Transformer-XL's memory, Dai et al. 2019, in encoder and decoder)."""

import dataclasses
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from mt.errors import UserError
from mt.layers.attention import KeysValues
from mt.layers.masks import causal_mask, segment_mask
from mt.layers.memory import Memory
from mt.models.interface import Batch
from mt.models.transformer import DecoderCache, Transformer, TransformerConfig


@dataclasses.dataclass(frozen=True)
class DocumentTransformerConfig(TransformerConfig):
    """Sizes and options of the Transformer, see there, and of its memory.

    Attributes:
        architecture: what a config of this kind is known by.
        memory_length: tokens before a sentence that it sees, of its document: the encoder those of the sentences
            before, the decoder those of their translations.
        positions: must be known as distances alone.
    """

    architecture: Literal["document_transformer"] = "document_transformer"  # type: ignore[assignment]
    memory_length: int = 128
    positions: Literal["rotary", "alibi", "relative"] = "relative"  # type: ignore[assignment]

    def __post_init__(self):
        super().__post_init__()
        if self.memory_length < 1:
            raise UserError(
                f"model.memory_length: {self.memory_length} is not positive; what reads each sentence by itself is "
                "model.architecture transformer"
            )
        if self.positions in ("sinusoidal", "learned"):
            raise UserError(
                f"model.positions: {self.positions} ones are counted from a sentence's beginning, and have no place "
                "for what is remembered; take relative, rotary or alibi"
            )

    def build(self, vocab: int, source_vocab: int | None = None) -> "DocumentTransformer":
        """See `TransformerConfig.build`."""
        plain = super().build(vocab, source_vocab)
        return DocumentTransformer(self, plain.vocab, plain.source_vocab)


class DocumentMemory(NamedTuple):
    """What is remembered of a document.

    Attributes:
        source: what has entered the encoder's layers.
        target: what has entered the decoder's.
    """

    source: Memory
    target: Memory


export.register_namedtuple_serialization(DocumentMemory, serialized_name="mt.DocumentMemory")


class DocumentTransformer(Transformer):
    """See `Transformer`; of sentences in the order of their documents."""

    config: DocumentTransformerConfig

    def initial_carry(self, rows: int) -> DocumentMemory:
        """What is remembered before the first sentence, by so many rows: nothing."""
        config = self.config
        sizes = rows, config.memory_length, config.model_dim, jnp.dtype(config.dtype)
        return DocumentMemory(Memory.empty(config.num_layers, *sizes), Memory.empty(config.decoder_depth, *sizes))

    def read(self, batch: Batch, carry: DocumentMemory, deterministic: bool = True) -> tuple[jax.Array, DocumentMemory]:
        """A training batch's last hidden states, and what is remembered after it.

        Args:
            batch: see `batching.assemble`. Where it does not say which document each sentence belongs to, each is one.
            carry: of the sentences before each row.
            deterministic: without dropout.

        Returns:
            [batch, target_length, model_dim], and the memory.
        """
        segments = {side: batch[f"{side}_segments"] for side in ("source", "target")}
        documents = {side: batch.get(f"{side}_documents", own) for side, own in segments.items()}
        encoded, entered = self._read_source(
            batch["source_tokens"], segments["source"], documents["source"], carry.source, deterministic
        )
        remembered = carry.source.after(entered, documents["source"])
        stream = self._embed("target", batch["target_inputs"], batch["target_positions"])
        stream = self.embedding_dropout(stream, deterministic)
        before, length = carry.target.documents.shape[1], segments["target"].shape[1]
        causal = jnp.pad(causal_mask(length), ((0, 0), (0, 0), (0, 0), (before, 0)), constant_values=True)
        self_mask = carry.target.window(documents["target"], segments["target"]) & causal
        cross_mask = segment_mask(segments["target"], segments["source"])
        entered = []
        for layer, memory in zip(self.decoder_layers, carry.target.hidden):
            entered.append(stream)
            stream = layer(stream, encoded, self_mask, cross_mask, deterministic, memory)
        return self._last("decoder", stream), DocumentMemory(
            remembered, carry.target.after(entered, documents["target"])
        )

    def hidden(self, batch: Batch, deterministic: bool = True) -> jax.Array:
        """As `read`, with nothing before the batch."""
        return self.read(batch, self.initial_carry(len(batch["source_tokens"])), deterministic)[0]

    def _read_source(
        self, tokens: jax.Array, segments: jax.Array, documents: jax.Array, carry: Memory, deterministic: bool
    ) -> tuple[jax.Array, list[jax.Array]]:
        """The source as the decoder sees it, and what has entered each layer."""
        nowhere = jnp.zeros_like(tokens)  # not read where positions are distances alone
        stream = self.embedding_dropout(self._embed("source", tokens, nowhere), deterministic)
        mask = carry.window(documents, segments)
        entered = []
        for layer, memory in zip(self.encoder_layers, carry.hidden):
            entered.append(stream)
            stream = layer(stream, mask, deterministic, memory)
        return self._last("encoder", stream), entered

    def start_after(self, params: Any, source: jax.Array, beam_size: int, max_length: int, carry: Any) -> Any:
        """As `start`, after what is remembered of each row's document, all of whose tokens have the number 1 there."""
        return self.apply({"params": params}, source, beam_size, max_length, carry, method="_start")

    def _start(
        self, source: jax.Array, beam_size: int, max_length: int, carry: DocumentMemory | None = None
    ) -> DecoderCache:
        carry = self.initial_carry(source.shape[0]) if carry is None else carry
        segments = (source > 0).astype(jnp.int32)
        encoded, _ = self._read_source(source, segments, segments, carry.source, deterministic=True)
        cache = self._begin(encoded, segments, beam_size, max_length)
        keys_values = []
        for layer, empty, memory in zip(self.decoder_layers, cache.keys_values, carry.target.hidden):
            before = layer.remember(memory)
            keys_values.append(
                KeysValues(
                    jnp.concatenate([before.keys, empty.keys], axis=3),
                    jnp.concatenate([before.values, empty.values], axis=2),
                )
            )
        return cache._replace(keys_values=tuple(keys_values), remembered=carry.target.documents > 0)
