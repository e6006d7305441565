"""Permutation language modelling (Yang et al. 2019, "XLNet", section 2.2): tokens in a random order, one by one."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mt.data.backwards import BACKWARDS
from mt.models.interface import Batch, Order, Params, Text
from mt.training.choosing import Chosen, choose, row_keys, sums_of_chosen, word_begins
from mt.training.masked_tokens import MaskingConfig
from mt.training.objectives import Carry, Sums


@dataclasses.dataclass(frozen=True, eq=False)
class PermutedTokenObjective:
    """Cross-entropy of chosen tokens in a random order, each given all that are not chosen and the chosen before it.

    Attributes:
        model: a Flax module with the methods `read`, `initial_carry` and `output_projection`, see `Xlnet`.
        config: which are chosen (section 2.3, "Partial Prediction").
        word_starts: bool [vocab], which pieces begin a word.
        label_smoothing: in [0, 1); evaluation has none.
    """

    model: Any
    config: MaskingConfig
    word_starts: np.ndarray
    label_smoothing: float = 0.0

    def loss(self, params: Params, batch: Batch, rng: jax.Array | None) -> Sums:
        """See `Objective`. "nll" and "weight" are of chosen tokens, "tokens" counts all. Evaluation chooses the same
        places in the same order each time."""
        return self.loss_and_carry(params, batch, rng, self.model.initial_carry(len(batch["target_tokens"])))[0]

    def initial_carry(self, rows: int) -> Carry:
        """See `RememberingObjective`."""
        return self.model.initial_carry(rows)

    def loss_and_carry(self, params: Params, batch: Batch, rng: jax.Array | None, carry: Carry) -> tuple[Sums, Carry]:
        """See `RememberingObjective`."""
        deterministic = rng is None
        rng = jax.random.key(0) if rng is None else rng
        text = Text.in_rows(batch)
        backwards = batch[BACKWARDS] > 0 if BACKWARDS in batch else None
        keys = row_keys(rng, 1, len(text.tokens))
        chosen = choose(text.tokens, text.segments, keys, self.config.share, self._begins(batch, backwards))
        order = in_order(chosen, text.tokens.shape[1], keys)
        rngs = None if deterministic else {"dropout": jax.random.fold_in(rng, 0)}
        _, found, carry = self.model.apply(
            {"params": params}, text, carry, order, backwards, deterministic, method="read", rngs=rngs
        )
        projection = self.model.apply({"params": params}, method="output_projection")
        smoothing = 0.0 if deterministic else self.label_smoothing
        return sums_of_chosen(found, projection, text, chosen, smoothing), carry

    def _begins(self, batch: Batch, backwards: jax.Array | None) -> jax.Array | None:
        if not self.config.whole_words:
            return None
        begins = word_begins(self.word_starts, Text.of(batch))
        if backwards is None:
            return begins
        # Backwards, a word's first piece stands last.
        after_ends = jnp.roll(begins, 1, axis=1).at[:, 0].set(True)
        return jnp.where(backwards[:, None], after_ends, begins)


def in_order(chosen: Chosen, length: int, keys: jax.Array) -> Order:
    """The chosen tokens in a random order, after all others, which see each other.

    Args:
        chosen: [rows, most].
        length: of a row.
        keys: of JAX, [rows].
    """
    lots = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 3), chosen.places.shape[1:]))(keys)
    ranks = jnp.argsort(jnp.argsort(jnp.where(chosen.there, lots, 2.0), axis=1), axis=1) + 1
    rows = jnp.arange(len(ranks))[:, None]
    rank = jnp.zeros((len(ranks), length), jnp.int32)
    rank = rank.at[rows, jnp.where(chosen.there, chosen.places, length)].set(ranks, mode="drop")
    first = (rank == 0)[:, None, :]
    return Order(first | (rank[:, None, :] < rank[:, :, None]), chosen.places)
