"""GPT (Radford et al. 2018, 2019): a decoder alone. It continues text, or translates what stands before a separator."""

import dataclasses
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mt.layers.blocks import EncoderBlock, layer_norm, stack
from mt.layers.dropout import Dropout
from mt.layers.embedding import Embedding
from mt.layers.masks import causal_mask, segment_mask
from mt.layers.positions import LearnedPositions, first_of_each, tokens_before
from mt.models.checks import check_one_sequence, check_one_vocabulary, check_sizes
from mt.models.decoder_alone import DecoderAlone
from mt.models.interface import Batch, Params


@dataclasses.dataclass(frozen=True)
class GptConfig:
    """Sizes and options of GPT. The defaults are GPT-2's smallest model.

    Attributes:
        architecture: what a config of this kind is known by.
        num_layers: blocks.
        model_dim: width of the residual stream.
        ff_dim: width inside the feed-forward network.
        num_heads: attention heads; must divide `model_dim`.
        activation: of the feed-forward network; "gelu" by its tanh approximation, "gelu_erf" exactly.
        max_positions: how many positions are learned.
        source_attention: what a source's tokens see of their own side: "full" is all, as an encoder's do (Raffel et al.
            2020, section 3.2.1, "prefix LM"), "causal" what stands before them.
        output_bias: whether each token of the vocabulary has a bias.
        norm_epsilon: what layer normalisation adds to the variance before it divides.
        dropout: on embeddings and on each sublayer's output.
        attention_dropout: on attention weights.
        activation_dropout: inside the feed-forward network.
        stochastic_depth: share of a sentence's sublayers that are left out in training, in the last block; fewer in
            those before.
        dtype: of activations; parameters, softmax, normalisation and loss are float32.
        remat: recompute each block's activations in the backward pass: less memory, about a third more time.
    """

    objective: ClassVar = "next_token"
    needs_source: ClassVar = False
    architecture: Literal["gpt"] = "gpt"
    num_layers: int = 12
    model_dim: int = 768
    ff_dim: int = 3072
    num_heads: int = 12
    activation: Literal["relu", "gelu", "gelu_erf", "swish", "swiglu"] = "gelu"
    max_positions: int = 1024
    source_attention: Literal["full", "causal"] = "full"
    output_bias: bool = False
    norm_epsilon: float = 1e-5
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0
    stochastic_depth: float = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: bool = False

    def __post_init__(self):
        check_sizes(
            self,
            ("num_layers", "model_dim", "ff_dim", "num_heads", "max_positions"),
            ("dropout", "attention_dropout", "activation_dropout", "stochastic_depth"),
        )

    def check_lengths(self, source_length: int, target_length: int) -> None:
        """Raises UserError where a source and its target together have more positions than there are."""
        check_one_sequence(self.max_positions, source_length, target_length)

    def build(self, vocab: int, source_vocab: int | None = None) -> "Gpt":
        """The model over a vocabulary of that size.

        Raises:
            UserError: the source has another vocabulary.
        """
        check_one_vocabulary("gpt", vocab, source_vocab)
        return Gpt(self, vocab)

    @property
    def decoder(self) -> dict[str, Any]:
        """What a `TransformerConfig` says whose decoder this is, beside what they have in common."""
        return {"decoder_layers": self.num_layers, "decoder_norm": "pre", "output_bias": self.output_bias}


class Gpt(DecoderAlone):
    """A source, which may be empty, and what follows it, as one sequence. All tokens are int32; 0 is padding."""

    config: GptConfig
    vocab: int

    def setup(self):
        config, dtype = self.config, jnp.dtype(self.config.dtype)
        self.embedding = Embedding(self.vocab, config.model_dim, dtype, scaled=False)
        self.positions = LearnedPositions(config.max_positions, config.model_dim)
        self.embedding_dropout = Dropout(config.dropout)
        self.layers = stack(EncoderBlock, config.num_layers, config, config.stochastic_depth, pre_norm=True)
        self.norm = layer_norm(config.norm_epsilon)
        if config.output_bias:
            self.output_bias = self.param("output_bias", nn.initializers.zeros, (self.vocab,), jnp.float32)

    def as_decoder(self, params: Params) -> Params:
        """The parameters of a Transformer's decoder that writes as this does where it sees no source."""
        layers = {f"decoder_{name}": own for name, own in params.items() if name.startswith("layers_")}
        found = {
            "target_embedding": params["embedding"],
            "target_positions": params["positions"],
            "decoder_norm": params["norm"],
            **layers,
        }
        return found | ({"output_bias": params["output_bias"]} if self.config.output_bias else {})

    def as_language_model(self) -> "Gpt":
        """See `DecoderAlone`."""
        return self.clone(config=dataclasses.replace(self.config, source_attention="causal"))

    def source_mask(self, segments: jax.Array) -> jax.Array:
        """See `DecoderAlone`."""
        full = self.config.source_attention == "full"
        return segment_mask(segments, segments) if full else super().source_mask(segments)

    def embed(self, tokens: jax.Array, positions: jax.Array) -> jax.Array:
        """See `DecoderAlone`."""
        embedded = self.embedding(tokens)
        return embedded + self.positions(positions).astype(embedded.dtype)

    def hidden(self, batch: Batch, deterministic: bool = True) -> jax.Array:
        """A training batch's last hidden states, [batch, target_length, model_dim]; keys: see `batching.assemble`.

        Each target follows its source in a sequence of its own, however many share a row; its positions go on where the
        source's end. Of documents of one language, what a row has of each is one sequence.
        """
        source_segments, target_segments = batch["source_segments"], batch["target_segments"]
        target_positions = batch["target_positions"]
        if "target_documents" in batch and not source_segments.shape[1]:
            target_segments = batch["target_documents"]
            target_positions = jnp.arange(target_segments.shape[1]) - first_of_each(target_segments)
        same = segment_mask(target_segments, source_segments)  # [batch, 1, target_length, source_length]
        before = tokens_before(source_segments, target_segments)
        stream = jnp.concatenate(
            [
                self.embed(batch["source_tokens"], batch["source_positions"]),
                self.embed(batch["target_inputs"], target_positions + before),
            ],
            axis=1,
        )
        own = segment_mask(target_segments, target_segments) & causal_mask(target_segments.shape[1])
        of_source = self.source_mask(source_segments)
        nothing = jnp.zeros_like(jnp.swapaxes(same, 2, 3))
        mask = jnp.concatenate(
            [jnp.concatenate([of_source, nothing], axis=3), jnp.concatenate([same, own], axis=3)], axis=2
        )
        stream = self.embedding_dropout(stream, deterministic)
        for layer in self.layers:
            stream = layer(stream, mask, deterministic)
        return self.norm(stream[:, source_segments.shape[1] :]).astype(stream.dtype)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """[..., model_dim] -> float32 [..., vocab]."""
        logits = self.embedding.logits(hidden)
        return logits + self.output_bias if self.config.output_bias else logits

    def output_projection(self) -> tuple[jax.Array, jax.Array | None]:
        """What `logits` multiplies with, float32 [vocab, model_dim], and adds, float32 [vocab] or None."""
        return self.embedding.table, self.output_bias if self.config.output_bias else None

    def __call__(self, batch: Batch, deterministic: bool = True) -> jax.Array:
        """A training batch's logits, float32 [batch, target_length, vocab]."""
        return self.logits(self.hidden(batch, deterministic))

    def flops(self, source_lengths: np.ndarray, target_lengths: np.ndarray, hypotheses: int = 1) -> float:
        """Floating-point operations of the matrix products of a forward pass, see `Transformer.flops`."""
        config = self.config
        source, target = (np.asarray(lengths, np.float64) for lengths in (source_lengths, target_lengths))
        feed_forward = (3 if config.activation == "swiglu" else 2) * config.model_dim * config.ff_dim
        a_token = 4 * config.model_dim**2 + feed_forward
        once = a_token * source.sum() + 2 * config.model_dim * (source**2).sum()
        each = a_token * target.sum() + 2 * config.model_dim * (target * (source + target)).sum()
        output = config.model_dim * self.vocab * target.sum()
        return 2 * float(config.num_layers * (once + hypotheses * each) + hypotheses * output)

    def output(self) -> jax.Array:
        """See `DecoderAlone`: the embedding table turned, [model_dim, vocab]."""
        return self.embedding.table.astype(self.config.dtype).T

    def predict(self, stream: jax.Array, output: jax.Array) -> jax.Array:
        """See `DecoderAlone`."""
        hidden = self.norm(stream).astype(output.dtype)
        logits = jnp.matmul(hidden, output, preferred_element_type=jnp.float32)
        return logits + self.output_bias if self.config.output_bias else logits
