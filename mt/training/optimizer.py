"""Adam or Muon, their learning-rate schedules, clipping and weight decay, by optax."""

import dataclasses
import fnmatch
import math
import re
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from mt.errors import UserError

# Blocks are numbered from the input on, and what comes before them makes vectors of tokens and positions.
# Of a parameter's name, the stack of blocks that it is in, if that has a name, and the number of its block.
_BLOCK = re.compile(r"(?:(\w+)/(?:self_attentions|cross_attentions|feed_forwards)|(?:(\w+)_)?layers)_(\d+)/")
_INPUT = re.compile(r"(?:\w+_)?(embedding|positions|kinds)/")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019), or Muon for the layers.

    Attributes:
        kind: "muon" replaces the momentum of each kernel by the nearest orthogonal matrix (Jordan et al. 2024), at the
            size of Adam's updates (Liu et al. 2025, "Muon is Scalable for LLM Training", section 2.2), so that the
            same rates suit both; embeddings, biases and normalisation take Adam's with Nesterov's momentum (Dozat
            2016). Its products of matrices cost the same however large the batch.
        learning_rate: the schedule's highest.
        schedule: after the warm-up: "inverse_sqrt" falls with the square root of the step (the paper's, section 5.3),
            "linear" and "cosine" fall to zero at the last step, "constant" stays.
        warmup_steps: steps over which the rate rises linearly from zero.
        beta1: share of the gradients' moving average that Adam keeps in a step; the defaults are the paper's.
        beta2: the same of their squares' average.
        epsilon: what Adam adds to the root of the latter before it divides by it.
        momentum: share of the gradients' moving average that Muon keeps in a step.
        newton_schulz_steps: iterations by which Muon makes a matrix orthogonal; fewer are rougher and cheaper.
        weight_decay: per step and unit of learning rate, of matrices only; 0 is none.
        frozen: patterns of parameters that stay as they are, such as "encoder_*" or "*_embedding/*"; empty is none. *
            is any text, and a parameter's name its path in the model, say encoder_layers_0/feed_forward/inner/kernel.
        layer_decay: each block's learning rate is that of the block after it times this; embeddings come before the
            first (Clark et al. 2020, ELECTRA, appendix A). 1 is one rate for all.
        clip_norm: the largest norm of the whole gradient; longer ones are scaled down; 0 is no clipping.
    """

    kind: Literal["adam", "muon"] = "adam"
    learning_rate: float = 7e-4
    schedule: Literal["inverse_sqrt", "linear", "cosine", "constant"] = "inverse_sqrt"
    warmup_steps: int = 4000
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-9
    momentum: float = 0.95
    newton_schulz_steps: int = 5
    weight_decay: float = 0.0
    frozen: tuple[str, ...] = ()
    layer_decay: float = 1.0
    clip_norm: float = 0.0

    def __post_init__(self):
        if not 0 < self.learning_rate < math.inf:
            raise UserError(f"optimizer.learning_rate: {self.learning_rate} is not a positive number")
        if self.warmup_steps < 0:
            raise UserError(f"optimizer.warmup_steps: {self.warmup_steps} is negative")
        for field in ("beta1", "beta2", "momentum"):
            if not 0 <= getattr(self, field) < 1:
                raise UserError(f"optimizer.{field}: {getattr(self, field)} is not in [0, 1)")
        if self.newton_schulz_steps < 1:
            raise UserError(f"optimizer.newton_schulz_steps: {self.newton_schulz_steps} is not positive")
        if not 0 < self.epsilon < math.inf:
            raise UserError(f"optimizer.epsilon: {self.epsilon} is not a positive number; the paper's is 1e-9")
        if not 0 < self.layer_decay <= 1:
            raise UserError(f"optimizer.layer_decay: {self.layer_decay} is not in (0, 1]; 1 is one rate for all")
        for field in ("weight_decay", "clip_norm"):
            if not 0 <= getattr(self, field) < math.inf:
                raise UserError(f"optimizer.{field}: {getattr(self, field)} is not a number from 0 on")


def schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """The learning rate of each step, counted from 0.

    Args:
        config: which schedule.
        steps: of the whole training, where "linear" and "cosine" reach zero.
    """
    peak, warmup = config.learning_rate, config.warmup_steps

    def rate(step: jax.typing.ArrayLike) -> jax.Array:
        count = jnp.asarray(step, jnp.float32) + 1
        rising = count / max(warmup, 1)
        remaining = jnp.clip((steps + 1 - count) / max(steps + 1 - warmup, 1), 0, 1)
        falling = {
            "inverse_sqrt": jnp.sqrt(max(warmup, 1) / count),
            "linear": remaining,
            "cosine": (1 - jnp.cos(jnp.pi * remaining)) / 2,
            "constant": jnp.ones(()),
        }[config.schedule]
        return peak * jnp.where(count < warmup, rising, falling)

    return rate


def build(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """The optimizer of a training of so many steps."""
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    decay = [optax.add_decayed_weights(config.weight_decay, mask=_matrices)] if config.weight_decay else []
    trained = optax.chain(
        *clip,
        _muon(config) if config.kind == "muon" else optax.scale_by_adam(config.beta1, config.beta2, config.epsilon),
        *decay,
        optax.scale_by_learning_rate(schedule(config, steps)),
    )
    if config.frozen:
        parts = {False: trained, True: optax.set_to_zero()}
        trained = optax.partition(parts, lambda params: frozen(params, config.frozen))
    return trained if config.layer_decay == 1 else optax.chain(trained, _by_layer(config.layer_decay))


def frozen(params: Any, patterns: Sequence[str]) -> Any:
    """Of each parameter, whether it stays as it is.

    Raises:
        UserError: a pattern is of no parameter, or nothing is left to train.
    """
    names = [_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            first = ", ".join(sorted({name.partition("/")[0] for name in names}))
            raise UserError(f"optimizer.frozen: no parameter's name is like {pattern!r}; they begin with {first}")
    if all(_like(name, patterns) for name in names):
        raise UserError("optimizer.frozen: every parameter would be; leave some to train")
    return jax.tree_util.tree_map_with_path(lambda path, _: _like(_name(path), patterns), params)


def _like(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _name(path: Any) -> str:
    return "/".join(key.key for key in path)


def _by_layer(decay: float) -> optax.GradientTransformation:
    """Scales updates by how far below the top their parameters are."""

    def update(updates: Any, params: Any) -> Any:
        names = [_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
        blocks = [found for found in map(_BLOCK.match, names) if found]
        depths: dict[str, int] = {}
        for found in blocks:
            stack = found[1] or found[2]
            depths[stack] = max(depths.get(stack, 0), int(found[3]) + 1)

        def factor(path: Any, leaf: Any) -> Any:
            name = _name(path)
            if found := _BLOCK.match(name):
                return leaf * decay ** (depths[found[1] or found[2]] - 1 - int(found[3]))
            return leaf * decay ** max(depths.values(), default=0) if _INPUT.match(name) else leaf

        return jax.tree_util.tree_map_with_path(factor, updates)

    return optax.stateless(update)


def _muon(config: OptimizerConfig) -> optax.GradientTransformation:
    return optax.contrib.muon(
        learning_rate=-1.0,  # the update's direction alone, upwards as all of a chain's parts
        ns_steps=config.newton_schulz_steps,
        beta=config.momentum,
        adam_b1=config.beta1,
        adam_b2=config.beta2,
        eps=config.epsilon,
        muon_weight_dimension_numbers=_contractions,
        consistent_rms=0.2,
    )


def _contractions(params: Any) -> Any:
    """For each kernel, which axes it sums over and which it produces; None for all that is no kernel.

    One of several projections, [model_dim, projections, model_dim], is a matrix for each.
    """

    def contraction(path, leaf):
        return optax.contrib.MuonDimensionNumbers((0,), (leaf.ndim - 1,)) if path[-1].key == "kernel" else None

    return jax.tree_util.tree_map_with_path(contraction, params)


def _matrices(params: Any) -> Any:
    """Kernels and tables are decayed, biases and the scales of normalisation are not."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key in ("kernel", "table"), params)
