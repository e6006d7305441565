"""Token embeddings, and the output projection that may share their weights."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Embedding(nn.Module):
    """A table of vectors, one a token ("Attention Is All You Need", section 3.4).

    Initialised with standard deviation model_dim^-0.5 and scaled up by model_dim^0.5 on the way in, so that the same
    table gives inputs of unit variance and logits of unit variance. If not `scaled`, with 0.02, as BERT and GPT are.
    """

    vocab: int
    model_dim: int
    dtype: jnp.dtype = jnp.float32
    scaled: bool = True

    def setup(self):
        spread = self.model_dim**-0.5 if self.scaled else 0.02
        self.table = self.param("table", nn.initializers.normal(spread), (self.vocab, self.model_dim), jnp.float32)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """int [...] -> dtype [..., model_dim]."""
        embedded = jnp.take(self.table, tokens, axis=0).astype(self.dtype)
        return embedded * self.model_dim**0.5 if self.scaled else embedded

    def logits(self, hidden: jax.Array) -> jax.Array:
        """[..., model_dim] -> float32 [..., vocab]: the table as the pre-softmax projection."""
        return jnp.einsum(
            "...d,vd->...v",
            hidden.astype(self.dtype),
            self.table.astype(self.dtype),
            preferred_element_type=jnp.float32,
        )
