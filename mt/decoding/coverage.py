"""How much of a source a translation has attended to, as a search goes on."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mt.decoding.ensemble import Ensemble, log_mean
from mt.decoding.fusion import Fused
from mt.decoding.selection import take
from mt.layers.attention_maps import cross_attention, with_attention
from mt.models.interface import Cache, Params

_LEAST = 1e-9  # attention that a logarithm is taken of


class CoveredCache(NamedTuple):
    """A model's cache, and what its hypotheses have attended to.

    Attributes:
        inner: the model's.
        coverage: float32 [batch, beam, source_length], the sum of the attention of all steps.
        is_source: bool [batch, 1, source_length], what is no padding.
    """

    inner: Cache
    coverage: jax.Array
    is_source: jax.Array


@dataclasses.dataclass(frozen=True)
class Covered:
    """An `interface.Searchable` that keeps account of the attention of another one, or of an ensemble's members.

    Attributes:
        model: with encoder-decoder attention.
    """

    model: Any

    @property
    def gives_scores(self) -> bool:
        """See `continuations.token_scores`."""
        return getattr(self.model, "gives_scores", False)

    def start(self, params: Params, source: jax.Array, beam_size: int, max_length: int) -> CoveredCache:
        """See `interface.Searchable`."""
        inner = self.model.start(params, source, beam_size, max_length)
        batch, length = source.shape
        return CoveredCache(inner, jnp.zeros((batch, beam_size, length), jnp.float32), (source > 0)[:, None])

    def step(self, params: Params, tokens: jax.Array, cache: CoveredCache) -> tuple[jax.Array, CoveredCache]:
        """See `interface.Searchable`."""
        logits, inner, attention = _step(self.model, params, tokens, cache.inner)
        return logits, cache._replace(inner=inner, coverage=cache.coverage + attention)

    def reorder(self, cache: CoveredCache, parents: jax.Array) -> CoveredCache:
        """See `interface.Searchable`."""
        inner = self.model.reorder(cache.inner, parents)
        return cache._replace(inner=inner, coverage=take(cache.coverage, parents))

    def log_coverage(self, cache: CoveredCache) -> jax.Array:
        """The sum over the source's tokens of log(min(coverage, 1)), float32 [batch, beam] (Wu et al. 2016, equation
        14): 0 where all are covered, the less the more are not."""
        logs = jnp.log(jnp.clip(cache.coverage, _LEAST, 1.0))
        return jnp.sum(jnp.where(cache.is_source, logs, 0.0), axis=-1)


def log_coverage(attention: np.ndarray) -> float:
    """As `Covered.log_coverage`, of a whole translation's attention, [target_length, source_length]."""
    return float(np.log(np.clip(attention.sum(axis=0), _LEAST, 1.0)).sum())


def _step(model: Any, params: Params, tokens: jax.Array, cache: Cache) -> tuple[jax.Array, Cache, jax.Array]:
    """As a model's step, with the attention to the source, float32 [batch, beam, source_length]."""
    if isinstance(model, Ensemble):
        stepped = [_step(member, own, tokens, its) for member, own, its in zip(model.members, params, cache)]
        logits = log_mean([jax.nn.log_softmax(each) for each, *_ in stepped])
        return logits, tuple(its for _, its, _ in stepped), jnp.mean(jnp.stack([each[2] for each in stepped]), axis=0)
    if isinstance(model, Fused):
        logits, own, attention = _step(model.translator, params[0], tokens, cache[0])
        logits, its = model.with_language_model(params[1], logits, tokens, cache[1])
        return logits, (own, its), attention
    (logits, cache), found = with_attention(lambda: model.step(params, tokens, cache))
    return logits, cache, cross_attention(found)
