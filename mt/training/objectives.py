"""What a model is trained for: from a batch to sums that a trainer adds up over devices and divides once."""

import dataclasses
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp

from mt.layers.attention_maps import cross_attention, with_cross_attention
from mt.models.interface import Batch, Params
from mt.training.losses import alignment_loss, consistent_cross_entropy, projected_cross_entropy

Sums: TypeAlias = dict[str, jax.Array]


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


@dataclasses.dataclass(frozen=True)
class TranslationObjective:
    """Cross-entropy of the target's tokens, each given those before it and the source.

    Attributes:
        model: a Flax module with the methods `hidden` and `output_projection`, which make the logits together.
        label_smoothing: in [0, 1); evaluation has none.
        consistency: weight of R-Drop's second term, see `consistent_cross_entropy`; 0 is one pass without it.
        guided_alignment: weight of the alignment loss, see `losses.alignment_loss`, of batches that have
            "target_links"; evaluation has none.
    """

    model: Any
    label_smoothing: float = 0.0
    consistency: float = 0.0
    guided_alignment: float = 0.0

    def loss(self, params: Params, batch: Batch, rng: jax.Array | None) -> Sums:
        """See `Objective`. "nll" is the loss without smoothing, "weight" counts target tokens, and "alignment" is the
        alignment loss if it has a weight."""
        deterministic = rng is None
        targets, weights = (
            batch["target_tokens"].reshape(-1),
            (batch["target_segments"].reshape(-1) > 0).astype(jnp.float32),
        )
        twice = not deterministic and self.consistency > 0
        if twice:  # each row is there twice, and has other random bits
            batch = jax.tree.map(lambda rows: jnp.repeat(rows, 2, axis=0), batch)

        def read() -> Any:
            rngs = None if deterministic else {"dropout": rng}
            return self.model.apply({"params": params}, batch, deterministic, method="hidden", rngs=rngs)

        aligned: Sums = {}
        if self.guided_alignment and not deterministic:
            hidden, found = with_cross_attention(read)
            aligned["alignment"] = alignment_loss(cross_attention(found), batch["target_links"]) / (1 + twice)
        else:
            hidden = read()
        added = self.guided_alignment * aligned.get("alignment", 0.0)
        table, bias = self.model.apply({"params": params}, method="output_projection")
        if twice:
            passes = hidden.reshape(-1, 2, *hidden.shape[1:]).swapaxes(0, 1).reshape(2, len(targets), -1)
            loss, nll = consistent_cross_entropy(
                passes, table, bias, targets, weights, self.label_smoothing, self.consistency
            )
            return {"loss": loss + added, "nll": nll, "weight": jnp.sum(weights)} | aligned
        loss, nll = projected_cross_entropy(
            hidden.reshape(-1, hidden.shape[-1]),
            table,
            bias,
            targets,
            weights,
            0.0 if deterministic else self.label_smoothing,
        )
        return {"loss": loss + added, "nll": nll, "weight": jnp.sum(weights)} | aligned
