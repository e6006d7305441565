"""What a model remembers of the text before: each layer's input, without gradients (Dai et al. 2019, section 3.2)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from mt.layers.positions import first_of_each


class Memory(NamedTuple):
    """The tokens that stood before, the newest last; where there are fewer, the first places are empty.

    Attributes:
        hidden: a layer, what entered it, [rows, memory_length, model_dim].
        documents: int32 [rows, memory_length], which document each token belongs to; 0 is an empty place.
    """

    hidden: tuple[jax.Array, ...]
    documents: jax.Array

    @classmethod
    def empty(cls, layers: int, rows: int, length: int, model_dim: int, dtype: jnp.dtype) -> "Memory":
        """Before the first token."""
        nothing = jnp.zeros((rows, length, model_dim), dtype)
        return cls((nothing,) * layers, jnp.zeros((rows, length), jnp.int32))

    def after(self, entered: list[jax.Array], documents: jax.Array) -> "Memory":
        """The memory once a row's tokens have been read.

        Args:
            entered: a layer, what entered it, [rows, length, model_dim].
            documents: int32 [rows, length], of each token; padding, which is 0, stands at the end.
        """
        read = jnp.sum(documents > 0, axis=1)
        hidden = tuple(_newest(old, new, read) for old, new in zip(self.hidden, entered))
        return Memory(hidden, _newest(self.documents, documents, read))

    def seen(self, documents: jax.Array, sees_empty: bool = False) -> jax.Array:
        """What tokens see of the memory, their own document; see `mask`: bool [rows, length, memory_length]."""
        seen = documents[:, :, None] == self.documents[:, None, :]
        return seen | (self.documents == 0)[:, None, :] if sees_empty else seen

    def mask(self, documents: jax.Array, same_length: bool = False, sees_empty: bool = False) -> jax.Array:
        """What tokens see of the memory and of each other: their own document, up to themselves.

        Args:
            documents: int32 [rows, length].
            same_length: whether each sees as many places as the memory has, itself the last of them.
            sees_empty: whether the memory's empty places are seen, as vectors of zeros.

        Returns:
            bool [rows, 1, length, memory_length + length].
        """
        before, length = self.documents.shape[1], documents.shape[1]
        own = documents[:, :, None] == documents[:, None, :]
        seen = jnp.concatenate([self.seen(documents, sees_empty), own], axis=2)
        key, query = jnp.arange(before + length)[None, :], jnp.arange(length)[:, None]
        near = (key <= before + query) & (key > query if same_length else True)
        return (seen & near)[:, None]

    def window(self, documents: jax.Array, sentences: jax.Array) -> jax.Array:
        """What tokens see that read a sentence at a time: their own sentence, and as many tokens before it as the
        memory has places, of their own document, some of which may stand in the same row.

        Args:
            documents: int32 [rows, length].
            sentences: int32 [rows, length], numbered from 1 in each row; 0 is padding.

        Returns:
            bool [rows, 1, length, memory_length + length].
        """
        before, length = self.documents.shape[1], documents.shape[1]
        first = first_of_each(sentences)[:, :, None]  # where in the row the sentence begins
        place = jnp.arange(before + length) - before
        earlier = (place < first) & (place >= first - before)
        own = sentences[:, :, None] == jnp.pad(sentences, ((0, 0), (before, 0)))[:, None, :]
        same = jnp.concatenate(
            [self.seen(documents), documents[:, :, None] == documents[:, None, :]], axis=2
        )  # of padding, which is 0 too, nothing is asked
        return (same & (earlier | (own & (place >= first))))[:, None]


export.register_namedtuple_serialization(Memory, serialized_name="mt.Memory")


def _newest(old: jax.Array, new: jax.Array, read: jax.Array) -> jax.Array:
    """The last places of each row of `old` with the first `read` of `new` behind them: [rows, memory_length, ...]."""
    both = jnp.concatenate([old, new.astype(old.dtype)], axis=1)
    kept = jax.vmap(lambda row, start: jax.lax.dynamic_slice_in_dim(row, start, old.shape[1]))(both, read)
    return jax.lax.stop_gradient(kept)
