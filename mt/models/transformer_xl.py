"""Transformer-XL (Dai et al. 2019): a decoder alone that remembers the text before, and knows distances only."""

import dataclasses
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mt.errors import UserError
from mt.layers.adaptive_embedding import AdaptiveEmbedding
from mt.layers.blocks import EncoderBlock, layer_norm, stack
from mt.layers.dropout import Dropout
from mt.layers.embedding import Embedding
from mt.layers.memory import Memory
from mt.models.checks import check_memory, check_one_vocabulary, check_sizes, check_text_alone
from mt.models.decoder_alone import DecoderAlone
from mt.models.interface import Batch


@dataclasses.dataclass(frozen=True)
class TransformerXlConfig:
    """Sizes and options of Transformer-XL. The defaults are the paper's base model for WikiText-103.

    Attributes:
        architecture: what a config of this kind is known by.
        num_layers: blocks.
        model_dim: width of the residual stream.
        ff_dim: width inside the feed-forward network.
        num_heads: attention heads; must divide `model_dim`.
        activation: of the feed-forward network; "gelu" by its tanh approximation, "gelu_erf" exactly.
        norm: "post" is the paper's.
        memory_length: tokens before a row's first that its tokens see; another number may be evaluated with.
        same_length: whether each token sees as many others, the memory's length, and not those at the end of a row
            more.
        max_distance: what is farther away counts as that far; 0 is as far as it is.
        sees_empty_memory: whether tokens see the places of a memory that are still empty, as vectors of zeros. The
            authors' code does; by the paper (section 3.2), there is nothing before the first segment, and nothing of
            another document should be seen.
        adaptive_cutoffs: where in the vocabulary, the frequent tokens first, clusters with narrower vectors begin
            (Grave et al. 2017); none is one table.
        adaptive_factor: how much narrower each is than the one before.
        tie_projections: whether the output shares the clusters' projections with the embeddings.
        norm_epsilon: what layer normalisation adds to the variance before it divides.
        dropout: on embeddings and on each sublayer's output.
        attention_dropout: on attention weights.
        activation_dropout: inside the feed-forward network.
        stochastic_depth: share of a row's sublayers that are left out in training, in the last block; fewer in those
            before.
        dtype: of activations; parameters, softmax, normalisation and loss are float32.
        remat: recompute each block's activations in the backward pass: less memory, about a third more time.
    """

    objective: ClassVar = "next_token"
    needs_source: ClassVar = False
    architecture: Literal["transformer_xl"] = "transformer_xl"
    num_layers: int = 16
    model_dim: int = 410
    ff_dim: int = 2100
    num_heads: int = 10
    activation: Literal["relu", "gelu", "gelu_erf", "swish", "swiglu"] = "relu"
    norm: Literal["pre", "post"] = "post"
    memory_length: int = 150
    same_length: bool = False
    max_distance: int = 0
    sees_empty_memory: bool = False
    adaptive_cutoffs: tuple[int, ...] = ()
    adaptive_factor: int = 4
    tie_projections: bool = True
    norm_epsilon: float = 1e-5
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    stochastic_depth: float = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: bool = False

    def __post_init__(self):
        check_sizes(
            self,
            ("num_layers", "model_dim", "ff_dim", "num_heads", "adaptive_factor"),
            ("dropout", "attention_dropout", "activation_dropout", "stochastic_depth"),
        )
        check_memory(self)
        if self.same_length and not self.memory_length:
            raise UserError("model.same_length: is as many tokens as model.memory_length, which is 0")
        if list(self.adaptive_cutoffs) != sorted({each for each in self.adaptive_cutoffs if each > 0}):
            raise UserError(f"model.adaptive_cutoffs: {self.adaptive_cutoffs} do not ascend from 1 on")
        if self.model_dim // self.adaptive_factor ** len(self.adaptive_cutoffs) < 1:
            raise UserError("model.adaptive_cutoffs: the last cluster's vectors would have no channel")

    def check_lengths(self, source_length: int, target_length: int) -> None:
        """Raises UserError where there is a source."""
        check_text_alone("Transformer-XL", source_length)

    def build(self, vocab: int, source_vocab: int | None = None) -> "TransformerXl":
        """The model over a vocabulary of that size.

        Raises:
            UserError: the source has another vocabulary, or a cluster would have no token.
        """
        check_one_vocabulary("transformer_xl", vocab, source_vocab)
        if self.adaptive_cutoffs and self.adaptive_cutoffs[-1] >= vocab:
            raise UserError(
                f"model.adaptive_cutoffs: {self.adaptive_cutoffs[-1]} is beyond the vocabulary, of {vocab} pieces"
            )
        return TransformerXl(self, vocab)


class TransformerXl(DecoderAlone):
    """Text, as far as it is remembered. All tokens are int32; 0 is padding."""

    config: TransformerXlConfig
    vocab: int

    def setup(self):
        config, dtype = self.config, jnp.dtype(self.config.dtype)
        if config.adaptive_cutoffs:
            clusters = config.adaptive_cutoffs, config.adaptive_factor, config.tie_projections
            self.embedding: Any = AdaptiveEmbedding(self.vocab, config.model_dim, *clusters, dtype)
        else:
            self.embedding = Embedding(self.vocab, config.model_dim, dtype)
            self.output_bias = self.param("output_bias", nn.initializers.zeros, (self.vocab,), jnp.float32)
        self.embedding_dropout = Dropout(config.dropout)
        pre_norm, kind = config.norm == "pre", {"positions": "relative", "max_distance": config.max_distance}
        self.layers = stack(EncoderBlock, config.num_layers, config, config.stochastic_depth, pre_norm=pre_norm, **kind)
        if config.norm == "pre":
            self.norm = layer_norm(config.norm_epsilon)

    def initial_carry(self, rows: int) -> Memory:
        """What is remembered of the text before, by so many rows: nothing."""
        config = self.config
        return Memory.empty(config.num_layers, rows, config.memory_length, config.model_dim, jnp.dtype(config.dtype))

    def read(self, batch: Batch, carry: Memory, deterministic: bool = True) -> tuple[jax.Array, Memory]:
        """A training batch's last hidden states, and what is remembered after it.

        Args:
            batch: see `batching.assemble`. Where it does not say which document each token belongs to, each of its
                texts is one.
            carry: of the text before each row.
            deterministic: without dropout.

        Returns:
            [batch, target_length, model_dim], and the memory.
        """
        config = self.config
        documents = batch.get("target_documents", batch["target_segments"])
        stream = self.embedding_dropout(self.embedding(batch["target_inputs"]), deterministic)
        mask = carry.mask(documents, config.same_length, config.sees_empty_memory)
        entered = []
        for layer, memory in zip(self.layers, carry.hidden):
            entered.append(stream)
            stream = layer(stream, mask, deterministic, memory)
        return self._normalised(stream), carry.after(entered, documents)

    def hidden(self, batch: Batch, deterministic: bool = True) -> jax.Array:
        """As `read`, of text with nothing before it."""
        return self.read(batch, self.initial_carry(len(batch["target_inputs"])), deterministic)[0]

    def _normalised(self, stream: jax.Array) -> jax.Array:
        return self.norm(stream).astype(stream.dtype) if self.config.norm == "pre" else stream

    def logits(self, hidden: jax.Array) -> jax.Array:
        """[..., model_dim] -> float32 [..., vocab]; log-probabilities where the vocabulary has clusters."""
        if self.config.adaptive_cutoffs:
            return self.embedding.log_probs(hidden)
        return self.embedding.logits(hidden) + self.output_bias

    def output_projection(self) -> tuple[jax.Array, jax.Array] | None:
        """What `logits` multiplies with, float32 [vocab, model_dim], and adds, float32 [vocab]; None where the
        vocabulary has clusters, and it is more than a product."""
        return None if self.config.adaptive_cutoffs else (self.embedding.table, self.output_bias)

    def __call__(self, batch: Batch, deterministic: bool = True) -> jax.Array:
        """A training batch's logits, float32 [batch, target_length, vocab]."""
        return self.logits(self.hidden(batch, deterministic))

    def flops(self, source_lengths: np.ndarray, target_lengths: np.ndarray, hypotheses: int = 1) -> float:
        """Floating-point operations of the matrix products of a forward pass, see `Transformer.flops`."""
        config = self.config
        target = np.asarray(target_lengths, np.float64)
        seen = target + config.memory_length
        feed_forward = (3 if config.activation == "swiglu" else 2) * config.model_dim * config.ff_dim
        each = (4 * config.model_dim**2 + feed_forward) * target.sum()
        each += 2 * config.model_dim**2 * config.memory_length * len(target)  # keys and values of the memory
        each += config.model_dim * (target * (3 * seen + target)).sum()
        each += config.model_dim**2 * (seen + target).sum()  # encoded distances
        output = config.model_dim * self.vocab * target.sum()
        return 2 * float(hypotheses * (config.num_layers * each + output))

    def embed(self, tokens: jax.Array, positions: jax.Array) -> jax.Array:
        """See `DecoderAlone`."""
        return self.embedding(tokens)

    def output(self) -> Any:
        """See `DecoderAlone`: the embedding table turned, [model_dim, vocab], if there is but one."""
        return None if self.config.adaptive_cutoffs else self.embedding.table.astype(self.config.dtype).T

    def predict(self, stream: jax.Array, output: Any) -> jax.Array:
        """See `DecoderAlone`."""
        hidden = self._normalised(stream)
        if output is None:
            return self.embedding.log_probs(hidden)
        hidden = hidden.astype(output.dtype)
        return jnp.matmul(hidden, output, preferred_element_type=jnp.float32) + self.output_bias
