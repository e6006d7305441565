"""Embeddings and an output whose rare tokens have narrower vectors (Grave et al. 2017; Baevski and Auli 2019)."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class AdaptiveEmbedding(nn.Module):
    """The vocabulary in clusters, the frequent tokens first.

    The first cluster's vectors are as wide as the model, those of each further one `factor` times narrower, with a
    projection beside them. The output shares them: the first cluster's softmax says also how likely each other cluster
    is, whose own softmax says which of its tokens.

    Attributes:
        vocab: how many tokens.
        model_dim: width of the model.
        cutoffs: where each further cluster begins, ascending.
        factor: how much narrower each is than the one before.
        tie_projections: whether the output shares the projections too.
        dtype: to multiply in.
    """

    vocab: int
    model_dim: int
    cutoffs: tuple[int, ...]
    factor: int
    tie_projections: bool
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        self._bounds = [0, *self.cutoffs, self.vocab]
        normal = nn.initializers.normal
        tables, projections, outputs = [], [], []
        for number, (start, stop) in enumerate(zip(self._bounds, self._bounds[1:])):
            width = self.model_dim // self.factor**number
            tables.append(self.param(f"table_{number}", normal(self.model_dim**-0.5), (stop - start, width)))
            shape = width, self.model_dim
            projections.append(self.param(f"projection_{number}", normal(width**-0.5), shape))
            outputs.append(
                projections[-1]
                if self.tie_projections
                else self.param(f"output_projection_{number}", normal(width**-0.5), shape)
            )
        self._tables, self._projections, self._outputs = tables, projections, outputs
        self.clusters = self.param("clusters", normal(self.model_dim**-0.5), (len(self.cutoffs), self.model_dim))
        self.clusters_bias = self.param("clusters_bias", nn.initializers.zeros, (len(self.cutoffs),))
        self.bias = self.param("bias", nn.initializers.zeros, (self.vocab,))

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """int [...] -> dtype [..., model_dim], of unit variance."""
        found = jnp.zeros((*tokens.shape, self.model_dim), self.dtype)
        for start, table, projection in zip(self._bounds, self._tables, self._projections):
            place = jnp.clip(tokens - start, 0, len(table) - 1)
            own = jnp.take(table, place, axis=0).astype(self.dtype) @ projection.astype(self.dtype)
            inside = (tokens >= start) & (tokens < start + len(table))
            found = jnp.where(inside[..., None], own, found)
        return found * self.model_dim**0.5

    def log_probs(self, hidden: jax.Array) -> jax.Array:
        """[..., model_dim] -> float32 [..., vocab]."""
        parts, of_clusters = [], None
        for start, table, projection in zip(self._bounds, self._tables, self._outputs):
            narrow = self._product("...d,wd->...w", hidden, projection)
            logits = self._product("...w,vw->...v", narrow, table) + self.bias[start : start + len(table)]
            if of_clusters is None:
                others = self._product("...w,cw->...c", narrow, self.clusters) + self.clusters_bias
                both = jax.nn.log_softmax(jnp.concatenate([logits, others], axis=-1))
                parts.append(both[..., : len(table)])
                of_clusters = both[..., len(table) :]
            else:
                parts.append(of_clusters[..., len(parts) - 1, None] + jax.nn.log_softmax(logits))
        return jnp.concatenate(parts, axis=-1)

    def _product(self, pattern: str, one: jax.Array, other: jax.Array) -> jax.Array:
        one, other = one.astype(self.dtype), other.astype(self.dtype)
        return jnp.einsum(pattern, one, other, preferred_element_type=jnp.float32)
