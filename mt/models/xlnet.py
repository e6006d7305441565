"""XLNet (Yang et al. 2019): an encoder alone that finds tokens in any order, each given those before it in it."""

import dataclasses
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mt.errors import UserError
from mt.layers.blocks import stack
from mt.layers.dropout import Dropout
from mt.layers.embedding import Embedding
from mt.layers.memory import Memory
from mt.layers.two_stream import Look, TwoStreamBlock
from mt.models.checks import check_memory, check_one_vocabulary, check_sizes
from mt.models.interface import Batch, Order, Params, Text


@dataclasses.dataclass(frozen=True)
class XlnetConfig:
    """Sizes and options of XLNet. The defaults are XLNet-base.

    Attributes:
        architecture: what a config of this kind is known by.
        num_layers: blocks.
        model_dim: width of the residual stream.
        ff_dim: width inside the feed-forward network.
        num_heads: attention heads; must divide `model_dim`.
        activation: of the feed-forward network; "gelu_erf" is the paper's.
        memory_length: tokens before a row's first that its tokens see; 0 remembers nothing.
        max_distance: what is farther away counts as that far; 0 is as far as it is.
        norm_epsilon: what layer normalisation adds to the variance before it divides.
        dropout: on embeddings and on each sublayer's output.
        attention_dropout: on attention weights.
        activation_dropout: inside the feed-forward network.
        dtype: of activations; parameters, softmax, normalisation and loss are float32.
        remat: recompute each block's activations in the backward pass: less memory, about a third more time.
    """

    objective: ClassVar = "permuted_token"
    needs_source: ClassVar = False
    architecture: Literal["xlnet"] = "xlnet"
    num_layers: int = 12
    model_dim: int = 768
    ff_dim: int = 3072
    num_heads: int = 12
    activation: Literal["relu", "gelu", "gelu_erf", "swish"] = "gelu_erf"
    memory_length: int = 0
    max_distance: int = 0
    norm_epsilon: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.1
    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: bool = False

    def __post_init__(self):
        check_sizes(
            self,
            ("num_layers", "model_dim", "ff_dim", "num_heads"),
            ("dropout", "attention_dropout", "activation_dropout"),
        )
        check_memory(self)

    def check_lengths(self, source_length: int, target_length: int) -> None:
        """Raises UserError where pairs are to be remembered."""
        if source_length and self.memory_length:
            raise UserError(
                "model.memory_length: pairs are not remembered; set data.source_language to nothing, or it to 0"
            )

    def build(self, vocab: int, source_vocab: int | None = None) -> "Xlnet":
        """The model over a vocabulary of that size.

        Raises:
            UserError: the source has another vocabulary.
        """
        check_one_vocabulary("xlnet", vocab, source_vocab)
        return Xlnet(self, vocab)

    @property
    def encoder(self) -> dict[str, Any]:
        """What a `TransformerConfig` says whose encoder this is, beside what they have in common.

        Raises:
            UserError: there is none.
        """
        if self.max_distance:
            raise UserError("model.max_distance: a transformer's encoder knows all distances; pretrain with 0")
        return {"num_layers": self.num_layers, "norm": "post", "positions": "relative"}


class Xlnet(nn.Module):
    """Embeddings, blocks, and an output that shares the embeddings."""

    config: XlnetConfig
    vocab: int

    def setup(self):
        config, dtype = self.config, jnp.dtype(self.config.dtype)
        self.embedding = Embedding(self.vocab, config.model_dim, dtype, scaled=False)
        self.query = self.param("query", nn.initializers.normal(0.02), (config.model_dim,), jnp.float32)
        self.embedding_dropout = Dropout(config.dropout)
        options = {"pre_norm": False, "max_distance": config.max_distance}
        self.layers = stack(TwoStreamBlock, config.num_layers, config, **options)
        self.output_bias = self.param("output_bias", nn.initializers.zeros, (self.vocab,), jnp.float32)

    def initial_carry(self, rows: int) -> Memory:
        """What is remembered of the text before, by so many rows: nothing."""
        config = self.config
        return Memory.empty(config.num_layers, rows, config.memory_length, config.model_dim, jnp.dtype(config.dtype))

    def read(
        self,
        text: Text,
        carry: Memory,
        order: Order | None = None,
        backwards: jax.Array | None = None,
        deterministic: bool = True,
    ) -> tuple[jax.Array, jax.Array | None, Memory]:
        """Both streams' last hidden states, and what is remembered after the text.

        Args:
            text: what is read. Its segments see no others, and what is remembered of each is what has its number; see
                `Text.in_rows`.
            carry: of the text before.
            order: None is of all tokens at once: each sees all.
            backwards: bool [batch], which rows stand in the order from the last token to the first; None is none.
            deterministic: without dropout.

        Returns:
            The content's, [batch, length, model_dim]; those of the places to be found, [batch, query, model_dim], none
            without an order; and the memory.
        """
        batch, length = text.tokens.shape
        before = carry.documents.shape[1]
        visible = text.segments[:, :, None] == text.segments[:, None, :]
        remembered = carry.seen(text.segments)
        same_kind = None
        if text.kinds is not None:
            # What is remembered is of the first kind, as in the authors' code.
            key_kinds = jnp.pad(text.kinds, ((0, 0), (before, 0)))
            same_kind = text.kinds[:, :, None] == key_kinds[:, None, :]
        places = text.positions + before
        key_places = jnp.concatenate([jnp.broadcast_to(jnp.arange(before), (batch, before)), places], axis=1)

        def look(seen: jax.Array, of: Any) -> Look:
            mask = jnp.concatenate([remembered, seen & visible], axis=2)
            return Look(of(places), of(mask)[:, None], None if same_kind is None else of(same_kind))

        stream = self.embedding_dropout(self.embedding(text.tokens), deterministic)
        if order is None:
            looks: tuple[Look, Look | None] = look(jnp.ones_like(visible), lambda each: each), None
            queries = None
        else:
            rows = jnp.arange(batch)[:, None]
            itself = jnp.eye(length, dtype=bool)[None]
            looks = (
                look(order.seen | itself, lambda each: each),
                look(order.seen, lambda each: each[rows, order.places]),
            )
            queries = jnp.broadcast_to(self.query.astype(stream.dtype), (*order.places.shape, stream.shape[-1]))
            queries = self.embedding_dropout(queries, deterministic)
        entered = []
        for number, layer in enumerate(self.layers):
            entered.append(stream)
            memory = carry.hidden[number] if before else None
            stream, queries = layer(stream, memory, queries, looks, key_places, backwards, deterministic)
        return stream, queries, carry.after(entered, text.segments)

    def hidden(self, text: Text, deterministic: bool = True) -> jax.Array:
        """The content's last hidden states, of text with nothing before it, [batch, length, model_dim]."""
        return self.read(text, self.initial_carry(len(text.tokens)), deterministic=deterministic)[0]

    def output_projection(self) -> tuple[jax.Array, jax.Array]:
        """What logits multiply with, float32 [vocab, model_dim], and add, float32 [vocab]."""
        return self.embedding.table, self.output_bias

    def logits(self, hidden: jax.Array) -> jax.Array:
        """[..., model_dim] -> float32 [..., vocab]."""
        return self.embedding.logits(hidden) + self.output_bias

    def __call__(self, text: Text | Batch, deterministic: bool = True) -> jax.Array:
        """Logits of every token given all others of its segment, float32 [batch, length, vocab]."""
        text = text if isinstance(text, Text) else Text.in_rows(text)
        length = text.tokens.shape[1]
        others = ~jnp.eye(length, dtype=bool)[None]
        places = jnp.broadcast_to(jnp.arange(length), text.tokens.shape)
        order = Order(jnp.broadcast_to(others, (len(places), length, length)), places)
        _, found, _ = self.read(text, self.initial_carry(len(places)), order, deterministic=deterministic)
        assert found is not None
        return self.logits(found)

    def as_encoder(self, params: Params) -> Params:
        """The parameters of a Transformer's encoder that reads as this does, text of one kind: to a softmax it is all
        the same what every key has in common."""
        own = ("kinds", "kind_bias")
        layers = {
            f"encoder_{name}": layer
            | {"self_attention": {each: value for each, value in layer["self_attention"].items() if each not in own}}
            for name, layer in params.items()
            if name.startswith("layers_")
        }
        return {"source_embedding": params["embedding"], **layers}

    def flops(self, source_lengths: np.ndarray, target_lengths: np.ndarray, hypotheses: int = 1) -> float:
        """Floating-point operations of the matrix products of a forward pass, see `Transformer.flops`; of the content
        alone, as it depends on the objective how many tokens are asked for."""
        config = self.config
        length = np.asarray(source_lengths, np.float64) + np.asarray(target_lengths, np.float64)
        keys = length + config.memory_length
        a_token = 4 * config.model_dim**2 + 2 * config.model_dim * config.ff_dim
        blocks = a_token * length.sum() + 2 * config.model_dim**2 * config.memory_length * len(length)
        blocks += config.model_dim * (length * (2 * keys + 2 * keys)).sum()  # by content and value, and by distance
        blocks += config.model_dim**2 * (2 * keys).sum()  # encoded distances
        return 2 * float(hypotheses * config.num_layers * blocks)
