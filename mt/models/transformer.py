"""The Transformer (Vaswani et al. 2017, "Attention Is All You Need"), an encoder and a decoder."""

import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mt.layers.attention import KeysValues
from mt.layers.blocks import DecoderBlock, EncoderBlock, layer_norm, stack
from mt.layers.dropout import Dropout
from mt.layers.embedding import Embedding
from mt.layers.masks import causal_mask, padding_mask, segment_mask
from mt.layers.positions import LearnedPositions, sinusoidal_positions
from mt.models.checks import check_even, check_positions, check_sizes, check_tied, check_turned
from mt.models.interface import Batch
from mt.models.searchable import SearchableModule, no_ancestors, with_themselves


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Sizes and options of the Transformer. The defaults are the paper's base model (table 3).

    Attributes:
        architecture: what a config of this kind is known by.
        num_layers: blocks in the encoder, and in the decoder unless `decoder_layers` says otherwise.
        decoder_layers: blocks in the decoder; left out, as many as in the encoder.
        model_dim: width of the residual stream.
        ff_dim: width inside the feed-forward network.
        num_heads: attention heads; must divide `model_dim`.
        activation: of the feed-forward network; "gelu" by its tanh approximation, "gelu_erf" exactly.
        norm: "post" is the paper's; "pre" trains deep models without warm-up.
        decoder_norm: of the decoder, if it is to be another than the encoder's.
        source_norm: normalise embedded sources, positions included, as BERT does.
        positions: how positions are encoded: added to embeddings, by sines ("sinusoidal") or "learned"; or known to
            self-attention alone, by turning queries and keys ("rotary", Su et al. 2021), by what distance costs
            ("alibi", Press et al. 2022), or as in Transformer-XL ("relative", Dai et al. 2019).
        max_positions: how many positions are learned (used by "learned" only).
        tie_embeddings: "all" is one table for source, target and output; "target" ties target and output only, and
            "inputs" source and target.
        scale_embeddings: multiply embeddings by the square root of their width; BERT and GPT do not.
        output_bias: whether each token of the vocabulary has a bias.
        norm_epsilon: what layer normalisation adds to the variance.
        dropout: on embeddings and on each sublayer's output.
        attention_dropout: on attention weights.
        activation_dropout: inside the feed-forward network.
        stochastic_depth: how likely a row in training goes past a sublayer of the last block, in encoder and decoder,
            for deep models; past those of earlier blocks less, in proportion to their depth (Huang et al. 2016, section
            3; "layer drop").
        dtype: of activations; parameters, softmax, normalisation and loss are float32.
        remat: recompute each block's activations in the backward pass: less memory, about a third more time.
    """

    objective: ClassVar = "next_token"
    needs_source: ClassVar = True
    architecture: Literal["transformer"] = "transformer"
    num_layers: int = 6
    decoder_layers: int | None = None
    model_dim: int = 512
    ff_dim: int = 2048
    num_heads: int = 8
    activation: Literal["relu", "gelu", "gelu_erf", "swish", "swiglu"] = "relu"
    norm: Literal["pre", "post"] = "post"
    decoder_norm: Literal["pre", "post"] | None = None
    source_norm: bool = False
    positions: Literal["sinusoidal", "learned", "rotary", "alibi", "relative"] = "sinusoidal"
    max_positions: int = 1024
    tie_embeddings: Literal["all", "target", "inputs", "none"] = "all"
    scale_embeddings: bool = True
    output_bias: bool = False
    norm_epsilon: float = 1e-6
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    stochastic_depth: float = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: bool = False

    def __post_init__(self):
        check_sizes(
            self,
            ("num_layers", "decoder_layers", "model_dim", "ff_dim", "num_heads", "max_positions"),
            ("dropout", "attention_dropout", "activation_dropout", "stochastic_depth"),
        )
        check_even(self)
        if self.positions == "rotary":
            check_turned(self)

    def check_lengths(self, source_length: int, target_length: int) -> None:
        """Raises UserError where a row of so many tokens on either side has more positions than there are."""
        if self.positions == "learned":
            check_positions(self.max_positions, source_length, target_length)

    @property
    def decoder_depth(self) -> int:
        """Blocks in the decoder."""
        return self.num_layers if self.decoder_layers is None else self.decoder_layers

    @property
    def norms(self) -> dict[str, str]:
        """Where the normalisation of "encoder" and "decoder" stands, "pre" or "post"."""
        return {"encoder": self.norm, "decoder": self.decoder_norm or self.norm}

    def build(self, vocab: int, source_vocab: int | None = None) -> "Transformer":
        """The model over a vocabulary of that size, and another of the source if it has its own.

        Raises:
            UserError: the sizes differ, but one table is to serve both.
        """
        check_tied(self.tie_embeddings, vocab, source_vocab)
        return Transformer(self, vocab, None if source_vocab == vocab else source_vocab)


class DecoderCache(NamedTuple):
    """What the decoder keeps between steps.

    Attributes:
        position: int [], steps taken.
        keys_values: a layer, the self-attention's past, of length `max_length * beam`, a step's hypotheses next to
            each other. In one axis: of two that are taken as one, XLA keeps two copies. A Reformer's has hashes too,
            see `chunked_attention.Past`.
        ancestry: bool [batch, beam, max_length, beam]: at [b, i, t, j], hypothesis i had at step t been hypothesis j.
        encoded: a layer, the encoder's keys and values.
        output_kernel: [model_dim, vocab], the output table turned: a product with few rows is faster so.
        output_bias: float32 [vocab], or None if there is none.
        source_mask: bool [batch, 1, 1, source_length].
        remembered: bool [batch, memory_length], which of the first keys and values, which stand before the first step,
            are seen; None if there are none.
    """

    position: jax.Array
    keys_values: tuple[Any, ...]
    ancestry: jax.Array
    encoded: tuple[KeysValues, ...]
    output_kernel: jax.Array
    output_bias: jax.Array | None
    source_mask: jax.Array
    remembered: jax.Array | None = None


class Transformer(SearchableModule):
    """Encoder, decoder and embeddings. All tokens are int32; 0 is padding, in tokens and in segments."""

    config: TransformerConfig
    vocab: int
    source_vocab: int | None = None

    def setup(self):
        config = self.config
        self._set_up_embeddings(config.scale_embeddings)
        if config.positions == "learned":
            self.source_positions = LearnedPositions(config.max_positions, config.model_dim)
            self.target_positions = LearnedPositions(config.max_positions, config.model_dim)
        if config.source_norm:
            self.source_norm = layer_norm(config.norm_epsilon)
        self.embedding_dropout = Dropout(config.dropout)
        positions = "absolute" if config.positions in ("sinusoidal", "learned") else config.positions
        pre_norm = {side: norm == "pre" for side, norm in config.norms.items()}

        def blocks(kind: type[EncoderBlock], side: str, depth: int) -> list[Any]:
            return stack(kind, depth, config, config.stochastic_depth, pre_norm=pre_norm[side], positions=positions)

        self.encoder_layers = blocks(EncoderBlock, "encoder", config.num_layers)
        self.decoder_layers = blocks(DecoderBlock, "decoder", config.decoder_depth)
        if pre_norm["encoder"]:
            self.encoder_norm = layer_norm(config.norm_epsilon)
        if pre_norm["decoder"]:
            self.decoder_norm = layer_norm(config.norm_epsilon)

    def _set_up_embeddings(self, scaled: bool) -> None:
        config, dtype = self.config, jnp.dtype(self.config.dtype)
        self.target_embedding = Embedding(self.vocab, config.model_dim, dtype, scaled)
        if config.tie_embeddings in ("all", "inputs"):
            self.source_embedding = self.target_embedding
        else:
            self.source_embedding = Embedding(self.source_vocab or self.vocab, config.model_dim, dtype, scaled)
        if config.tie_embeddings in ("inputs", "none"):
            self.output_embedding = Embedding(self.vocab, config.model_dim, dtype, scaled)
        else:
            self.output_embedding = self.target_embedding
        if config.output_bias:
            self.output_bias = self.param("output_bias", nn.initializers.zeros, (self.vocab,), jnp.float32)

    def _embed(self, side: str, tokens: jax.Array, positions: jax.Array) -> jax.Array:
        embedded = getattr(self, f"{side}_embedding")(tokens)
        if self.config.positions == "learned":
            embedded += getattr(self, f"{side}_positions")(positions).astype(embedded.dtype)
        elif self.config.positions == "sinusoidal":
            embedded += sinusoidal_positions(positions, self.config.model_dim).astype(embedded.dtype)
        normalised = side == "source" and self.config.source_norm
        return self.source_norm(embedded).astype(embedded.dtype) if normalised else embedded

    def _last(self, side: str, stream: jax.Array) -> jax.Array:
        """What leaves a side's last block, normalised where its blocks normalise what enters them."""
        norm = getattr(self, f"{side}_norm") if self.config.norms[side] == "pre" else None
        return stream if norm is None else norm(stream).astype(stream.dtype)

    def encode(
        self, source: jax.Array, positions: jax.Array, segments: jax.Array, deterministic: bool = True
    ) -> jax.Array:
        """The source as the decoder sees it.

        Args:
            source: int [batch, source_length].
            positions: int [batch, source_length], counted from 0 in each sentence.
            segments: int [batch, source_length], which sentence of its row a token belongs to, from 1.
            deterministic: without dropout.

        Returns:
            [batch, source_length, model_dim].
        """
        stream = self.embedding_dropout(self._embed("source", source, positions), deterministic)
        mask = segment_mask(segments, segments)
        for layer in self.encoder_layers:
            stream = layer(stream, mask, deterministic)
        return self._last("encoder", stream)

    def decode(
        self,
        encoded: jax.Array,
        source_segments: jax.Array,
        target_inputs: jax.Array,
        positions: jax.Array,
        segments: jax.Array,
        deterministic: bool = True,
    ) -> jax.Array:
        """All target positions at once, each seeing only those before it in its own sentence.

        Args:
            encoded: [batch, source_length, model_dim], from `encode`.
            source_segments: int [batch, source_length].
            target_inputs: int [batch, target_length], the target shifted right by one.
            positions: int [batch, target_length].
            segments: int [batch, target_length].
            deterministic: without dropout.

        Returns:
            [batch, target_length, model_dim]: `logits` makes predictions of it.
        """
        stream = self.embedding_dropout(self._embed("target", target_inputs, positions), deterministic)
        self_mask = segment_mask(segments, segments) & causal_mask(segments.shape[1])
        cross_mask = segment_mask(segments, source_segments)
        for layer in self.decoder_layers:
            stream = layer(stream, encoded, self_mask, cross_mask, deterministic)
        return self._last("decoder", stream)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """[..., model_dim] -> float32 [..., vocab]."""
        logits = self.output_embedding.logits(hidden)
        return logits + self.output_bias if self.config.output_bias else logits

    def output_projection(self) -> tuple[jax.Array, jax.Array | None]:
        """What `logits` multiplies with, float32 [vocab, model_dim], and adds, float32 [vocab] or None."""
        return self.output_embedding.table, self.output_bias if self.config.output_bias else None

    def hidden(self, batch: Batch, deterministic: bool = True) -> jax.Array:
        """A training batch's last hidden states, [batch, target_length, model_dim]; keys: see `batching.assemble`."""
        encoded = self.encode(
            batch["source_tokens"], batch["source_positions"], batch["source_segments"], deterministic
        )
        return self.decode(
            encoded,
            batch["source_segments"],
            batch["target_inputs"],
            batch["target_positions"],
            batch["target_segments"],
            deterministic,
        )

    def __call__(self, batch: Batch, deterministic: bool = True) -> jax.Array:
        """A training batch's logits, float32 [batch, target_length, vocab]."""
        return self.logits(self.hidden(batch, deterministic))

    def flops(self, source_lengths: np.ndarray, target_lengths: np.ndarray, hypotheses: int = 1) -> float:
        """Floating-point operations of the matrix products of a forward pass, a multiplication and an addition each.

        A backward pass has twice as many. Attention counts over the whole of each sentence, masked or not.

        Args:
            source_lengths: int [sentences], tokens without padding.
            target_lengths: int [sentences].
            hypotheses: of each sentence, each of that length; they share what is computed of the source.
        """
        config = self.config
        source, target = (np.asarray(lengths, np.float64) for lengths in (source_lengths, target_lengths))
        square = config.model_dim**2
        feed_forward = (3 if config.activation == "swiglu" else 2) * config.model_dim * config.ff_dim
        encoder = (4 * square + feed_forward) * source.sum() + 2 * config.model_dim * (source**2).sum()
        decoder = (6 * square + feed_forward) * target.sum() + 2 * config.model_dim * (target**2).sum()
        decoder += 2 * config.model_dim * (source * target).sum()
        if config.positions == "relative":  # products with encoded distances, before and after each position
            encoder += 2 * config.model_dim * (source**2).sum()
            decoder += 2 * config.model_dim * (target**2).sum()
        memory = 2 * square * source.sum()
        output = config.model_dim * self.vocab * target.sum()
        once = config.num_layers * encoder + config.decoder_depth * memory
        return 2 * float(once + hypotheses * (config.decoder_depth * decoder + output))

    def _start(self, source: jax.Array, beam_size: int, max_length: int) -> DecoderCache:
        batch, source_length = source.shape
        segments = (source > 0).astype(jnp.int32)
        positions = jnp.broadcast_to(jnp.arange(source_length), source.shape)
        return self._begin(self.encode(source, positions, segments), segments, beam_size, max_length)

    def _begin(self, encoded: jax.Array, segments: jax.Array, beam_size: int, max_length: int) -> DecoderCache:
        batch, head_dim = encoded.shape[0], self.config.model_dim // self.config.num_heads  # exports know no number
        past = (batch, self.config.num_heads)
        empty = KeysValues(
            jnp.zeros((*past, head_dim, max_length * beam_size), encoded.dtype),
            jnp.zeros((*past, max_length * beam_size, head_dim), encoded.dtype),
        )
        of_source = tuple(layer.project_encoded(encoded) for layer in self.decoder_layers)
        return self._cache((empty,) * len(of_source), of_source, segments, beam_size, max_length, encoded.dtype)

    def _cache(
        self, past: Any, encoded: Any, segments: jax.Array, beam_size: int, max_length: int, dtype: jnp.dtype
    ) -> DecoderCache:
        """Before the first step."""
        table, bias = self.output_projection()
        return DecoderCache(
            position=jnp.zeros((), jnp.int32),
            keys_values=past,
            ancestry=no_ancestors(segments.shape[0], beam_size, max_length),
            encoded=encoded,
            output_kernel=table.astype(dtype).T,
            output_bias=bias,
            source_mask=padding_mask(segments),
        )

    def _step(self, tokens: jax.Array, cache: DecoderCache) -> tuple[jax.Array, DecoderCache]:
        stream = self._embed("target", tokens, jnp.broadcast_to(cache.position, tokens.shape))
        ancestry = with_themselves(cache.ancestry, cache.position)
        keys_values = []
        for layer, past, encoded in zip(self.decoder_layers, cache.keys_values, cache.encoded):
            stream, past = layer.step(
                stream, past, encoded, cache.position, ancestry, cache.source_mask, cache.remembered
            )
            keys_values.append(past)
        cache = cache._replace(position=cache.position + 1, keys_values=tuple(keys_values), ancestry=ancestry)
        return self._predict(self._last("decoder", stream), cache), cache

    @staticmethod
    def _predict(stream: jax.Array, cache: DecoderCache) -> jax.Array:
        """As `logits`, of a step."""
        hidden = stream.astype(cache.output_kernel.dtype)
        logits = jnp.matmul(hidden, cache.output_kernel, preferred_element_type=jnp.float32)
        return logits if cache.output_bias is None else logits + cache.output_bias
