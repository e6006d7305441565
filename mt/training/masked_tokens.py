"""Masked language modelling (Devlin et al. 2019, "BERT", section 3.1): what stands for tokens that are hidden."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mt.data.tokenizer import UNK
from mt.errors import UserError
from mt.models.interface import Batch, Params, Text
from mt.training.choosing import choose, row_keys, sums_of_chosen, word_begins
from mt.training.objectives import Sums

# The paper's section 3.1: of the chosen tokens, so many are hidden behind a mask, so many are others, the rest stay.
_MASKED, _REPLACED = 0.8, 0.1


@dataclasses.dataclass(frozen=True)
class MaskingConfig:
    """Which tokens BERT must find where they are hidden, and XLNet in a random order.

    Attributes:
        share: of a row's tokens that are chosen, sentences' ends not counted, others each time; 0.15 is BERT's, 0.167
            XLNet's.
        whole_words: all of a word's tokens are chosen or none (the authors' later models).
        next_sentence: whether a pair's second text follows its first must be told as well, of pairs of lines that
            follow each other (data.source_language the same as data.target_language); half of the rows have their
            second texts exchanged. A pair counts as much as so many chosen tokens, 20 in the paper; 0 is without.
    """

    share: float = 0.15
    whole_words: bool = False
    next_sentence: float = 0.0

    def __post_init__(self):
        if not 0 < self.share < 1:
            raise UserError(f"masking.share: {self.share} is not between 0 and 1")
        if not 0 <= self.next_sentence < math.inf:
            raise UserError(f"masking.next_sentence: {self.next_sentence} is not a number from 0 on; 0 is without")


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedTokenObjective:
    """Cross-entropy of chosen tokens, each given the text around them with most of them hidden.

    Attributes:
        model: a Flax module with the methods `hidden`, `predictions`, `output_projection` and `next_sentence_logits`.
        config: which are chosen.
        mask: the piece that hides.
        word_starts: bool [vocab], which pieces begin a word.
        label_smoothing: in [0, 1); evaluation has none.
    """

    model: Any
    config: MaskingConfig
    mask: int
    word_starts: np.ndarray
    label_smoothing: float = 0.0

    def loss(self, params: Params, batch: Batch, rng: jax.Array | None) -> Sums:
        """See `Objective`. "nll" and "weight" are of chosen tokens, "tokens" counts all. With next sentences,
        "next_sentence" is their loss, and "pairs" counts those that could be told. Evaluation hides the same places
        each time."""
        deterministic = rng is None
        rng = jax.random.key(0) if rng is None else rng
        swapped = None
        if self.config.next_sentence:
            batch, swapped = exchange(batch, row_keys(rng, 2, len(batch["target_tokens"])))
        text = Text.of(batch)
        keys = row_keys(rng, 1, len(text.tokens))
        begins = word_begins(self.word_starts, text) if self.config.whole_words else None
        chosen = choose(text.tokens, text.segments, keys, self.config.share, begins)
        right = jnp.take_along_axis(text.tokens, chosen.places, axis=1)
        shown = jax.vmap(self._shown)(right, keys)
        rows = jnp.arange(len(right))[:, None]
        hidden_text = text.tokens.at[rows, jnp.where(chosen.there, chosen.places, text.tokens.shape[1])].set(
            shown, mode="drop"
        )
        rngs = None if deterministic else {"dropout": jax.random.fold_in(rng, 0)}
        hidden = self.model.apply(
            {"params": params}, text._replace(tokens=hidden_text), deterministic, method="hidden", rngs=rngs
        )
        at_places = jnp.take_along_axis(hidden, chosen.places[..., None], axis=1)
        found = self.model.apply({"params": params}, at_places, method="predictions")
        projection = self.model.apply({"params": params}, method="output_projection")
        sums = sums_of_chosen(found, projection, text, chosen, 0.0 if deterministic else self.label_smoothing)
        if swapped is None:
            return sums
        told, pairs = self._next_sentence(params, hidden, batch, swapped)
        return sums | {"loss": sums["loss"] + self.config.next_sentence * told, "next_sentence": told, "pairs": pairs}

    def _shown(self, right: jax.Array, key: jax.Array) -> jax.Array:
        """What is shown in place of a row's chosen tokens, int [most]."""
        lots = jax.random.uniform(jax.random.fold_in(key, 1), right.shape)
        others = jax.random.randint(jax.random.fold_in(key, 2), right.shape, UNK + 1, len(self.word_starts))
        return jnp.where(lots < _MASKED, self.mask, jnp.where(lots < _MASKED + _REPLACED, others, right))

    def _next_sentence(
        self, params: Params, hidden: jax.Array, batch: Batch, swapped: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """The loss of telling, from the first token of each pair, whether its texts follow each other; and of how many
        pairs."""
        segments = batch["source_segments"]
        first = (batch["source_positions"] == 0) & (segments > 0) & (jnp.max(segments, axis=1) > 1)[:, None]
        logits = self.model.apply({"params": params}, hidden[:, : segments.shape[1]], method="next_sentence_logits")
        log_probs = jax.nn.log_softmax(logits)
        right = jnp.where(swapped[:, None], log_probs[..., 1], log_probs[..., 0])
        return -jnp.sum(jnp.where(first, right, 0.0)), jnp.sum(first).astype(jnp.float32)


def exchange(batch: Batch, keys: jax.Array) -> tuple[Batch, jax.Array]:
    """Half of the rows with their targets passed on to the next pair of the row.

    Args:
        batch: see `batching.assemble`.
        keys: of JAX, [rows].

    Returns:
        The batch, and which rows were changed, bool [rows].
    """
    segments = batch["target_segments"]
    swapped = jax.vmap(jax.random.bernoulli)(keys)
    pairs = jnp.max(segments, axis=1, keepdims=True)
    passed_on = jnp.where(segments > 0, segments % jnp.maximum(pairs, 1) + 1, 0)
    return batch | {"target_segments": jnp.where(swapped[:, None], passed_on, segments)}, swapped
