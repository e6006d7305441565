"""BERT (Devlin et al. 2019): an encoder alone, which reads text with some of its tokens hidden."""

import dataclasses
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mt.layers.blocks import EncoderBlock, layer_norm, stack
from mt.layers.dropout import Dropout
from mt.layers.embedding import Embedding
from mt.layers.feed_forward import ACTIVATIONS
from mt.layers.masks import segment_mask
from mt.layers.positions import LearnedPositions
from mt.models.checks import check_one_sequence, check_one_vocabulary, check_sizes
from mt.models.interface import Batch, Params, Text


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """Sizes and options of BERT. The defaults are BERT-base.

    Attributes:
        architecture: what a config of this kind is known by.
        num_layers: blocks.
        model_dim: width of the residual stream.
        ff_dim: width inside the feed-forward network.
        num_heads: attention heads; must divide `model_dim`.
        activation: of the feed-forward network and of the head that predicts tokens; "gelu_erf" is the paper's.
        max_positions: how many positions are learned.
        kinds: how many kinds of text a row may have, such as a first and a second sentence, each with a vector.
        norm_epsilon: what layer normalisation adds to the variance before it divides.
        dropout: on embeddings and on each sublayer's output.
        attention_dropout: on attention weights.
        dtype: of activations; parameters, softmax, normalisation and loss are float32.
        remat: recompute each block's activations in the backward pass: less memory, about a third more time.
    """

    objective: ClassVar = "masked_token"
    needs_source: ClassVar = False
    architecture: Literal["bert"] = "bert"
    num_layers: int = 12
    model_dim: int = 768
    ff_dim: int = 3072
    num_heads: int = 12
    activation: Literal["relu", "gelu", "gelu_erf", "swish"] = "gelu_erf"
    max_positions: int = 512
    kinds: int = 2
    norm_epsilon: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: bool = False

    def __post_init__(self):
        check_sizes(
            self,
            ("num_layers", "model_dim", "ff_dim", "num_heads", "max_positions", "kinds"),
            ("dropout", "attention_dropout"),
        )

    def check_lengths(self, source_length: int, target_length: int) -> None:
        """Raises UserError where a source and its target together have more positions than there are."""
        check_one_sequence(self.max_positions, source_length, target_length)

    def build(self, vocab: int, source_vocab: int | None = None) -> "Bert":
        """The model over a vocabulary of that size.

        Raises:
            UserError: the source has another vocabulary.
        """
        check_one_vocabulary("bert", vocab, source_vocab)
        return Bert(self, vocab)

    @property
    def encoder(self) -> dict[str, Any]:
        """What a `TransformerConfig` says whose encoder this is, beside what they have in common."""
        return {"num_layers": self.num_layers, "norm": "post", "source_norm": True}


class Bert(nn.Module):
    """Embeddings, blocks, and the heads of both pretraining tasks."""

    config: BertConfig
    vocab: int

    def setup(self):
        config, dtype = self.config, jnp.dtype(self.config.dtype)
        self.embedding = Embedding(self.vocab, config.model_dim, dtype, scaled=False)
        self.positions = LearnedPositions(config.max_positions, config.model_dim)
        self.kinds = Embedding(config.kinds, config.model_dim, dtype, scaled=False)
        self.embedding_norm = layer_norm(config.norm_epsilon)
        self.embedding_dropout = Dropout(config.dropout)
        self.layers = stack(EncoderBlock, config.num_layers, config, pre_norm=False, activation_dropout=0.0)
        self.pooler = nn.Dense(config.model_dim, dtype=dtype)
        self.next_sentence = nn.Dense(2, dtype=dtype)
        self.prediction = nn.Dense(config.model_dim, dtype=dtype)
        self.prediction_norm = layer_norm(config.norm_epsilon)
        self.output_bias = self.param("output_bias", nn.initializers.zeros, (self.vocab,), jnp.float32)

    def hidden(self, text: Text, deterministic: bool = True) -> jax.Array:
        """The last hidden states, [batch, length, model_dim]."""
        embedded = self.embedding(text.tokens)
        embedded += self.positions(text.positions).astype(embedded.dtype) + self.kinds(text.kinds)
        stream = self.embedding_norm(embedded).astype(embedded.dtype)
        stream = self.embedding_dropout(stream, deterministic)
        mask = segment_mask(text.segments, text.segments)
        for layer in self.layers:
            stream = layer(stream, mask, deterministic)
        return stream

    def pooled(self, hidden: jax.Array) -> jax.Array:
        """A text as its first token has it: [..., model_dim] of first tokens -> the same."""
        return jnp.tanh(self.pooler(hidden))

    def next_sentence_logits(self, hidden: jax.Array) -> jax.Array:
        """From [..., model_dim] of first tokens, float32 [..., 2]: whether the second text follows the first, or not
        (section 3.1, task 2)."""
        return self.next_sentence(self.pooled(hidden)).astype(jnp.float32)

    def predictions(self, hidden: jax.Array) -> jax.Array:
        """What stands for hidden tokens, [..., model_dim] -> the same: `output_projection` makes logits of it."""
        activated = ACTIVATIONS[self.config.activation](self.prediction(hidden))
        return self.prediction_norm(activated).astype(hidden.dtype)

    def output_projection(self) -> tuple[jax.Array, jax.Array]:
        """What logits multiply with, float32 [vocab, model_dim], and add, float32 [vocab]."""
        return self.embedding.table, self.output_bias

    def __call__(self, text: Text | Batch, deterministic: bool = True) -> tuple[jax.Array, jax.Array]:
        """Logits of every token, float32 [batch, length, vocab], and of the next sentence, float32 [batch, 2]."""
        text = text if isinstance(text, Text) else Text.of(text)
        hidden = self.hidden(text, deterministic)
        logits = self.embedding.logits(self.predictions(hidden)) + self.output_bias
        return logits, self.next_sentence_logits(hidden[:, 0])

    def as_encoder(self, params: Params) -> Params:
        """The parameters of a Transformer's encoder that reads as this does, text of the first kind."""
        layers = {f"encoder_{name}": own for name, own in params.items() if name.startswith("layers_")}
        return {
            "source_embedding": params["embedding"],
            "source_positions": {"table": params["positions"]["table"] + params["kinds"]["table"][0]},
            "source_norm": params["embedding_norm"],
            **layers,
        }

    def flops(self, source_lengths: np.ndarray, target_lengths: np.ndarray, hypotheses: int = 1) -> float:
        """Floating-point operations of the matrix products of a forward pass, see `Transformer.flops`; without those of
        the heads, which depend on how many tokens are asked for."""
        config = self.config
        length = np.asarray(source_lengths, np.float64) + np.asarray(target_lengths, np.float64)
        a_token = 4 * config.model_dim**2 + 2 * config.model_dim * config.ff_dim
        blocks = a_token * length.sum() + 2 * config.model_dim * (length**2).sum()
        return 2 * float(hypotheses * config.num_layers * blocks)
