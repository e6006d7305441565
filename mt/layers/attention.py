"""Scaled dot-product attention and its multi-head form."""

import functools
import math
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mt.layers.dropout import drop, key_words


class KeysValues(NamedTuple):
    """What attention looks at, each as its product a head wants it: in any other order, a step of a search would first
    copy all that is cached.

    Attributes:
        keys: [batch, heads, head_dim, length].
        values: [batch, heads, length, head_dim].
    """

    keys: jax.Array
    values: jax.Array


def attention_weights(query: jax.Array, keys: jax.Array, mask: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """softmax(query keys^T / sqrt(head_dim) + bias) over the keys that `mask` allows, in float32.

    Args:
        query: [batch, heads, query, head_dim].
        keys: [batch, heads, head_dim, key].
        mask: bool, broadcastable to [batch, heads, query, key]. Where a query may see no key at all, its weights are
            uniform, so that they are finite; no such query may count in a result.
        bias: float32, broadcastable to [batch, heads, query, key]; None is none.

    Returns:
        float32 [batch, heads, query, key].
    """
    query = query * jnp.asarray(query.shape[-1] ** -0.5, query.dtype)
    scores = jnp.einsum("bhqd,bhdk->bhqk", query, keys, preferred_element_type=jnp.float32)
    scores = scores if bias is None else scores + bias
    return jax.nn.softmax(jnp.where(mask, scores, jnp.finfo(scores.dtype).min), axis=-1)


def scaled_dot_product_attention(
    query: jax.Array,
    keys_values: KeysValues,
    mask: jax.Array,
    dropout: Callable[[jax.Array], jax.Array] = lambda weights: weights,
    bias: jax.Array | None = None,
) -> jax.Array:
    """Values averaged with `attention_weights` ("Attention Is All You Need", equation 1).

    Args:
        query: [batch, heads, query, head_dim].
        keys_values: what is looked at.
        mask: see `attention_weights`.
        dropout: what is done to the weights before they are used.
        bias: see `attention_weights`.

    Returns:
        [batch, query, heads, head_dim], in the dtype of the values.
    """
    weights = dropout(attention_weights(query, keys_values.keys, mask, bias))
    # An einsum straight into the other order of axes would swap its operands, for which XLA has no fast product on CPU.
    attended = jnp.einsum("bhqk,bhkd->bhqd", weights.astype(keys_values.values.dtype), keys_values.values)
    return jnp.swapaxes(attended, 1, 2)


# Layers are alike: by jit they are traced once and not each by itself, the kernel's loops with them.
@functools.partial(jax.jit, static_argnames=("num_heads", "dropout"))
def attention_in_training(
    projected: tuple[jax.Array, ...], mask: jax.Array, words: jax.Array, num_heads: int, dropout: float
) -> jax.Array:
    """As `scaled_dot_product_attention`, of whole sequences, with dropout; on TPU by one kernel.

    Args:
        projected: see `fused_attention.fused_attention`.
        mask: bool, broadcastable to [batch, 1, query, key].
        words: uint32 [3], see `dropout.key_words`.
        num_heads: heads.
        dropout: the rate.

    Returns:
        [batch, query, model_dim].
    """
    # Loading kernels takes time that translating need not spend.
    from mt.layers.fused_attention import fits, fused_attention

    batch, query_length, _ = projected[0].shape
    key_length = projected[-1].shape[1]

    def plain(projected, mask, words):
        keep = (lambda weights: drop(words, weights, dropout)) if dropout else lambda weights: weights
        return _merge_heads(scaled_dot_product_attention(*_split_heads(projected, num_heads), mask, keep))

    def fused(projected, mask, words):
        mask = jnp.broadcast_to(mask[:, 0], (batch, query_length, key_length))
        return fused_attention(projected, mask, words, num_heads, dropout)

    head_dim = sum(each.shape[-1] for each in projected) // 3 // num_heads
    on_tpu = fused if fits(query_length, key_length, num_heads, head_dim) else plain
    return jax.lax.platform_dependent(projected, mask, words, tpu=on_tpu, default=plain)


def _split_heads(projected: tuple[jax.Array, ...], num_heads: int) -> tuple[jax.Array, KeysValues]:
    """[batch, length, parts * model_dim] each, three parts in all, as a query, [batch, heads, length, head_dim], and
    keys and values."""
    width = sum(each.shape[-1] for each in projected) // 3
    query, key, value = (
        each[..., start : start + width].reshape(*each.shape[:2], num_heads, -1)
        for each in projected
        for start in range(0, each.shape[-1], width)
    )
    return jnp.swapaxes(query, 1, 2), _keys_values(key, value)


def _keys_values(key: jax.Array, value: jax.Array) -> KeysValues:
    """From [batch, length, heads, head_dim] each."""
    return KeysValues(jnp.moveaxis(key, 1, -1), jnp.swapaxes(value, 1, 2))


def _merge_heads(attended: jax.Array) -> jax.Array:
    """[batch, length, heads, head_dim] -> [batch, length, model_dim]."""
    return attended.reshape(*attended.shape[:2], -1)


class MultiHeadAttention(nn.Module):
    """Attention in `num_heads` subspaces at once ("Attention Is All You Need", section 3.2.2).

    What is projected from the same inputs is projected by one product, whose kernel is [model_dim, projections,
    model_dim].
    """

    num_heads: int
    model_dim: int
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32

    # Whether scores depend on where queries and keys stand.
    biased: ClassVar[bool] = False

    def setup(self):
        self.output = nn.Dense(self.model_dim, dtype=self.dtype)

    def _projections(self, number: int) -> nn.DenseGeneral:
        return nn.DenseGeneral((number, self.model_dim), dtype=self.dtype)

    def attend(
        self, query: jax.Array, keys_values: KeysValues, mask: jax.Array, bias: jax.Array | None = None
    ) -> jax.Array:
        """A query [batch, heads, query, head_dim] of what is kept from step to step -> [batch, query, model_dim]."""
        return self.output(_merge_heads(scaled_dot_product_attention(query, keys_values, mask, bias=bias)))

    def _attend(self, projected: tuple[jax.Array, ...], mask: jax.Array, deterministic: bool) -> jax.Array:
        """See `attention_in_training` -> [batch, query, model_dim]."""
        if deterministic:
            return self.attend(*_split_heads(projected, self.num_heads), mask)
        words = key_words(self.make_rng("dropout"), len(projected[0])) if self.dropout else jnp.zeros(3, jnp.uint32)
        return self.output(attention_in_training(projected, mask, words, self.num_heads, self.dropout))


class SelfAttention(MultiHeadAttention):
    """Each position looks at others of the same sequence, wherever they stand; see `relative_attention` for more."""

    def setup(self):
        super().setup()
        self.query_key_value = self._projections(3)

    def place(self, projected: jax.Array, positions: jax.Array) -> jax.Array:
        """What it makes of where queries and keys stand, before they are multiplied.

        Args:
            projected: [batch, length, parts, model_dim], the last of which are values.
            positions: int [batch or 1, length].
        """
        return projected

    def _project(self, inputs: jax.Array, positions: jax.Array) -> tuple[jax.Array]:
        return (_flat(self.place(self.query_key_value(inputs), positions)),)

    def project_parts(self, inputs: jax.Array, parts: slice) -> jax.Array:
        """Some of query, key and value, [batch, length, model_dim] -> [batch, length, parts, model_dim]."""
        kernel, bias = (
            self.query_key_value.variables["params"][name].astype(self.dtype) for name in ("kernel", "bias")
        )
        return jnp.einsum("bld,dpe->blpe", inputs.astype(self.dtype), kernel[:, parts]) + bias[parts]

    def _project_memory(self, memory: jax.Array, positions: jax.Array) -> jax.Array:
        """Keys and values, [batch, length, 2 * model_dim]."""
        return _flat(self.place(self.project_parts(memory, slice(1, 3)), positions))

    def project_memory(self, memory: jax.Array) -> KeysValues:
        """The keys and values of what stands before all else, [batch, memory_length, model_dim]."""
        projected = self._project_memory(memory, jnp.arange(memory.shape[1])[None])
        heads = projected.reshape(*memory.shape[:2], 2, self.num_heads, self.model_dim // self.num_heads)
        return _keys_values(heads[:, :, 0], heads[:, :, 1])

    def project(self, inputs: jax.Array, positions: jax.Array | None = None) -> tuple[jax.Array, KeysValues]:
        """From [batch, length, model_dim], of which int [batch or 1, length] says where it stands, from 0 on if left
        out: the query, [batch, heads, length, head_dim], and the keys and values."""
        positions = jnp.arange(inputs.shape[1])[None] if positions is None else positions
        return _split_heads(self._project(inputs, positions), self.num_heads)

    def by_position(
        self, query: jax.Array, query_positions: jax.Array, key_positions: jax.Array, whole: bool
    ) -> tuple[jax.Array, jax.Array | None]:
        """What it makes of where queries and keys stand.

        Args:
            query: [batch, heads, query, head_dim].
            query_positions: int [batch or 1, query].
            key_positions: int [batch or 1, key].
            whole: whether keys stand one after the other, and the last query where the last key does.

        Returns:
            The query to multiply the keys with, and the scores' bias, see `attention_weights`.
        """
        return query, None

    def __call__(
        self, inputs: jax.Array, mask: jax.Array, deterministic: bool, memory: jax.Array | None = None
    ) -> jax.Array:
        """[batch, length, model_dim] -> the same.

        Args:
            inputs: who looks.
            mask: bool, broadcastable to [batch, 1, length, memory_length + length].
            deterministic: whether there is no dropout.
            memory: [batch, memory_length, model_dim], what stands before the inputs, and is looked at too.
        """
        remembered = 0 if memory is None else memory.shape[1]
        positions = jnp.arange(remembered + inputs.shape[1])[None]
        own = positions[:, remembered:]
        projected: tuple[jax.Array, ...] = self._project(inputs, own)
        if memory is not None:
            before = self._project_memory(memory, positions[:, :remembered])
            width = self.model_dim
            projected = projected[0][..., :width], jnp.concatenate([before, projected[0][..., width:]], axis=1)
        if not self.biased:
            return self._attend(projected, mask, deterministic)
        query, keys_values = _split_heads(projected, self.num_heads)
        query, bias = self.by_position(query, own, positions, whole=True)
        if deterministic or not self.dropout:
            return self.attend(query, keys_values, mask, bias)
        words = key_words(self.make_rng("dropout"), len(inputs))
        keep = functools.partial(drop, words, rate=self.dropout)
        return self.output(_merge_heads(scaled_dot_product_attention(query, keys_values, mask, keep, bias)))


class CrossAttention(MultiHeadAttention):
    """Each position of one sequence looks at the positions of another."""

    def setup(self):
        super().setup()
        self.query = nn.Dense(self.model_dim, dtype=self.dtype)
        self.key_value = self._projections(2)

    def project_query(self, inputs: jax.Array) -> jax.Array:
        """[batch, query, model_dim] -> [batch, heads, query, head_dim]."""
        query = self.query(inputs)
        return jnp.swapaxes(query.reshape(*query.shape[:2], self.num_heads, -1), 1, 2)

    def project_keys_values(self, memory: jax.Array) -> KeysValues:
        """From [batch, key, model_dim]."""
        projected = self.key_value(memory)  # [batch, key, 2, model_dim]
        return _keys_values(*jnp.moveaxis(projected.reshape(*projected.shape[:3], self.num_heads, -1), 2, 0))

    def __call__(self, inputs: jax.Array, memory: jax.Array, mask: jax.Array, deterministic: bool) -> jax.Array:
        """Queries from `inputs`, keys and values from `memory`: [batch, query, model_dim]."""
        return self._attend((self.query(inputs), _flat(self.key_value(memory))), mask, deterministic)


def _flat(projected: jax.Array) -> jax.Array:
    """[batch, length, projections, model_dim] -> [batch, length, projections * model_dim]."""
    return projected.reshape(*projected.shape[:2], math.prod(projected.shape[2:]))  # a memory may be of no length
