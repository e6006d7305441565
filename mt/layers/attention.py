"""Scaled dot-product attention and its multi-head form."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mt.layers.dropout import Dropout


class KeysValues(NamedTuple):
    """What attention looks at, each as its product a head wants it: in any other order, a step of a search would first
    copy all that is cached.

    Attributes:
        keys: [batch, heads, head_dim, length].
        values: [batch, heads, length, head_dim].
    """

    keys: jax.Array
    values: jax.Array


def attention_weights(query: jax.Array, keys: jax.Array, mask: jax.Array) -> jax.Array:
    """softmax(query keys^T / sqrt(head_dim)) over the keys that `mask` allows, in float32.

    Args:
        query: [batch, heads, query, head_dim].
        keys: [batch, heads, head_dim, key].
        mask: bool, broadcastable to [batch, heads, query, key]. Where a query may see no key at all, its weights are
            uniform, so that they are finite; no such query may count in a result.

    Returns:
        float32 [batch, heads, query, key].
    """
    query = query * jnp.asarray(query.shape[-1] ** -0.5, query.dtype)
    scores = jnp.einsum("bhqd,bhdk->bhqk", query, keys, preferred_element_type=jnp.float32)
    return jax.nn.softmax(jnp.where(mask, scores, jnp.finfo(scores.dtype).min), axis=-1)


def scaled_dot_product_attention(
    query: jax.Array,
    keys_values: KeysValues,
    mask: jax.Array,
    dropout: Callable[[jax.Array], jax.Array] = lambda weights: weights,
) -> jax.Array:
    """Values averaged with `attention_weights` ("Attention Is All You Need", equation 1).

    Args:
        query: [batch, heads, query, head_dim].
        keys_values: what is looked at.
        mask: see `attention_weights`.
        dropout: what is done to the weights before they are used.

    Returns:
        [batch, query, heads, head_dim], in the dtype of the values.
    """
    weights = dropout(attention_weights(query, keys_values.keys, mask))
    # An einsum straight into the other order of axes would swap its operands, for which XLA has no fast product on CPU.
    attended = jnp.einsum("bhqk,bhkd->bhqd", weights.astype(keys_values.values.dtype), keys_values.values)
    return jnp.swapaxes(attended, 1, 2)


class MultiHeadAttention(nn.Module):
    """Attention in `num_heads` subspaces at once ("Attention Is All You Need", section 3.2.2).

    The parts are public so that a decoder can keep projected keys and values from one step to the next.
    """

    num_heads: int
    model_dim: int
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        head_dim = self.model_dim // self.num_heads
        self.query = nn.DenseGeneral((self.num_heads, head_dim), dtype=self.dtype)
        self.key = nn.DenseGeneral((self.num_heads, head_dim), dtype=self.dtype)
        self.value = nn.DenseGeneral((self.num_heads, head_dim), dtype=self.dtype)
        self.output = nn.DenseGeneral(self.model_dim, axis=(-2, -1), dtype=self.dtype)
        self.weights_dropout = Dropout(self.dropout)

    def project_query(self, inputs: jax.Array) -> jax.Array:
        """[batch, query, model_dim] -> [batch, heads, query, head_dim]."""
        return jnp.swapaxes(self.query(inputs), 1, 2)

    def project_keys_values(self, inputs: jax.Array) -> KeysValues:
        """From [batch, key, model_dim]."""
        return KeysValues(jnp.moveaxis(self.key(inputs), 1, -1), jnp.swapaxes(self.value(inputs), 1, 2))

    def attend(self, query: jax.Array, keys_values: KeysValues, mask: jax.Array, deterministic: bool) -> jax.Array:
        """Projected query, keys and values -> [batch, query, model_dim]."""
        attended = scaled_dot_product_attention(
            query, keys_values, mask, lambda weights: self.weights_dropout(weights, deterministic)
        )
        return self.output(attended)

    def __call__(self, inputs: jax.Array, memory: jax.Array, mask: jax.Array, deterministic: bool) -> jax.Array:
        """Queries from `inputs`, keys and values from `memory`: [batch, query, model_dim]."""
        return self.attend(self.project_query(inputs), self.project_keys_values(memory), mask, deterministic)
