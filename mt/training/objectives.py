"""What a model is trained for: from a batch to sums that a trainer adds up over devices and divides once."""

import dataclasses
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp

from mt.layers.attention_maps import cross_attention, with_cross_attention
from mt.models.interface import Batch, Params
from mt.training.losses import alignment_loss, consistent_cross_entropy, projected_cross_entropy

Sums: TypeAlias = dict[str, jax.Array]
Carry: TypeAlias = Any  # a tree of arrays [rows, ...]


class Objective(Protocol):
    """All that a trainer knows of a model."""

    def loss(self, params: Params, batch: Batch, rng: jax.Array | None) -> Sums:
        """Sums over a batch, float32 scalars: "loss", what is minimised; "weight", what to divide by; and others.

        Args:
            params: of the model.
            batch: of one device.
            rng: for dropout; None is evaluation.
        """
        ...


class RememberingObjective(Objective, Protocol):
    """Of a model that remembers the batches before."""

    def initial_carry(self, rows: int) -> Carry:
        """What the first batch of a device, of so many rows, is given: arrays [rows, ...]."""
        ...

    def loss_and_carry(self, params: Params, batch: Batch, rng: jax.Array | None, carry: Carry) -> tuple[Sums, Carry]:
        """As `loss`, given what the batch before has left; and what this one leaves, which has no gradient."""
        ...


def initial_carry(objective: Objective, rows: int) -> Carry:
    """What the first batch is given of those before; nothing, (), for most objectives, and by a memory of no length."""
    carry = objective.initial_carry(rows) if hasattr(objective, "initial_carry") else ()
    return carry if any(leaf.size for leaf in jax.tree.leaves(carry)) else ()


def loss_and_carry(
    objective: Objective, params: Params, batch: Batch, rng: jax.Array | None, carry: Carry
) -> tuple[Sums, Carry]:
    """An objective's sums, and what it leaves to the next batch: nothing, (), if it was given nothing."""
    if jax.tree.leaves(carry):
        return objective.loss_and_carry(params, batch, rng, carry)  # type: ignore[attr-defined]
    return objective.loss(params, batch, rng), ()


@dataclasses.dataclass(frozen=True)
class TranslationObjective:
    """Cross-entropy of the target's tokens, each given those before it and the source.

    Attributes:
        model: a Flax module with the methods `hidden`, `logits` and `output_projection`. If it remembers, with
            `initial_carry` and `read` too, see `TransformerXl`.
        label_smoothing: in [0, 1); evaluation has none.
        consistency: weight of R-Drop's second term, see `consistent_cross_entropy`; 0 is one pass without it.
        guided_alignment: weight of the alignment loss, see `losses.alignment_loss`, of batches that have
            "target_links"; evaluation has none.
        loss_chunk: positions whose logits are there at once, see `projected_cross_entropy`; 0 is all of a batch.
    """

    model: Any
    label_smoothing: float = 0.0
    consistency: float = 0.0
    guided_alignment: float = 0.0
    loss_chunk: int = 0

    def loss(self, params: Params, batch: Batch, rng: jax.Array | None) -> Sums:
        """See `Objective`. "nll" is the loss without smoothing, "weight" counts target tokens, and "alignment" is the
        alignment loss if it has a weight."""
        return self._loss(params, batch, rng, ())[0]

    def initial_carry(self, rows: int) -> Carry:
        """See `RememberingObjective`; () if the model does not remember."""
        return self.model.initial_carry(rows) if hasattr(self.model, "initial_carry") else ()

    def loss_and_carry(self, params: Params, batch: Batch, rng: jax.Array | None, carry: Carry) -> tuple[Sums, Carry]:
        """See `RememberingObjective`."""
        return self._loss(params, batch, rng, carry)

    def _loss(self, params: Params, batch: Batch, rng: jax.Array | None, carry: Carry) -> tuple[Sums, Carry]:
        deterministic = rng is None
        remembers = bool(jax.tree.leaves(carry))
        targets, weights = (
            batch["target_tokens"].reshape(-1),
            (batch["target_segments"].reshape(-1) > 0).astype(jnp.float32),
        )
        twice = not deterministic and self.consistency > 0
        if twice:  # each row is there twice, and has other random bits
            batch, carry = jax.tree.map(lambda rows: jnp.repeat(rows, 2, axis=0), (batch, carry))

        def read() -> Any:
            rngs = None if deterministic else {"dropout": rng}
            if remembers:
                return self.model.apply({"params": params}, batch, carry, deterministic, method="read", rngs=rngs)
            return self.model.apply({"params": params}, batch, deterministic, method="hidden", rngs=rngs), ()

        aligned: Sums = {}
        if self.guided_alignment and not deterministic:
            (hidden, carry), found = with_cross_attention(read)
            aligned["alignment"] = alignment_loss(cross_attention(found), batch["target_links"]) / (1 + twice)
        else:
            hidden, carry = read()
        if twice:
            carry = jax.tree.map(lambda rows: rows[::2], carry)
        added = self.guided_alignment * aligned.get("alignment", 0.0)
        projection = self.model.apply({"params": params}, method="output_projection")
        smoothing = 0.0 if deterministic else self.label_smoothing
        if twice or projection is None:
            passes = hidden.reshape(-1, 1 + twice, *hidden.shape[1:]).swapaxes(0, 1)
            loss, nll = consistent_cross_entropy(
                passes.reshape(1 + twice, len(targets), -1),
                lambda hidden: self.model.apply({"params": params}, hidden, method="logits"),
                targets,
                weights,
                smoothing,
                self.consistency,
            )
        else:
            flat = hidden.reshape(-1, hidden.shape[-1])
            loss, nll = projected_cross_entropy(flat, *projection, targets, weights, smoothing, self.loss_chunk)
        return {"loss": loss + added, "nll": nll, "weight": jnp.sum(weights)} | aligned, carry
