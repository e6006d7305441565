"""One update of the parameters: a pure function of the state and a batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from mt.models.interface import Batch, Params
from mt.parallel import AXIS
from mt.training.objectives import Objective, Sums


class TrainState(NamedTuple):
    """All that training changes.

    Attributes:
        step: int32 [], updates made.
        params: of the model.
        optimizer_state: of optax.
        average: the moving average of the parameters, if there is one.
    """

    step: jax.Array
    params: Params
    optimizer_state: Any
    average: Params | None = None

    @property
    def best_params(self) -> Params:
        """What to evaluate and to translate with."""
        return self.params if self.average is None else self.average

    @property
    def rest(self) -> Any:
        """What it takes beside `step` and `best_params` to go on."""
        return (
            self.optimizer_state if self.average is None else {"optimizer": self.optimizer_state, "params": self.params}
        )

    def restored(self, step: jax.Array, best_params: Params, rest: Any) -> "TrainState":
        """The state of which these are the parts; `self` says whether there is an average."""
        if self.average is None:
            return TrainState(step, best_params, rest)
        return TrainState(step, rest["params"], rest["optimizer"], best_params)


def initial_state(params: Params, optimizer: optax.GradientTransformation, averaged: bool = False) -> TrainState:
    """Before the first step."""
    average = jax.tree.map(jnp.copy, params) if averaged else None  # a state is donated, so it shares nothing
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params), average)


def make_train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    seed: int,
    accumulation_steps: int = 1,
    average_decay: float = 0.0,
) -> Callable[[TrainState, Batch], tuple[TrainState, Sums]]:
    """The update, to be run by `parallel.data_parallel`.

    Losses and gradients are summed over the batch's parts and over devices, and divided once by the whole batch's
    weight: how the rows are spread makes no difference. Where the loss, the gradient or the update is not finite,
    nothing changes but the step's number: the metrics then are zero, but for "skipped", which is 1.

    Args:
        objective: what to minimise.
        optimizer: how.
        seed: of dropout. Its random bits depend on nothing else but the step, the row and its part: devices may come
            and go.
        accumulation_steps: parts that a device's rows are cut into, one after the other; must divide them.
        average_decay: share of the parameters' moving average that a step keeps, for a state that has one. It is less
            in the first steps, (1 + step) / (10 + step), so that the initial parameters are soon forgotten.
    """

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Sums]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)

        def differentiate(number: jax.Array | int, part: Batch) -> tuple[Params, Sums]:
            def loss(params):
                sums = objective.loss(params, part, jax.random.fold_in(key, number))
                return sums["loss"], sums

            return jax.grad(loss, has_aux=True)(state.params)

        if accumulation_steps == 1:
            gradients, sums = differentiate(0, batch)
        else:
            # Every n-th row makes a part, so that a row is in the same one however many devices there are.
            parts = jax.tree.map(
                lambda rows: rows.reshape(
                    len(rows) // accumulation_steps, accumulation_steps, *rows.shape[1:]
                ).swapaxes(0, 1),
                batch,
            )
            shapes = jax.eval_shape(differentiate, 0, jax.tree.map(lambda rows: rows[0], parts))
            (gradients, sums), _ = jax.lax.scan(
                lambda total, numbered: (jax.tree.map(jnp.add, total, differentiate(*numbered)), None),
                jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes),
                (jnp.arange(accumulation_steps), parts),
            )
        gradients, sums = jax.lax.psum((gradients, sums), AXIS)
        gradients = jax.tree.map(lambda gradient: gradient / sums["weight"], gradients)
        updates, optimizer_state = optimizer.update(gradients, state.optimizer_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = sums | {"gradient_norm": optax.tree.norm(gradients)}
        sound = jnp.isfinite(metrics["loss"] + metrics["gradient_norm"] + optax.tree.norm(updates))
        metrics = {name: jnp.where(sound, value, 0) for name, value in metrics.items()}
        metrics["skipped"] = 1 - sound.astype(jnp.float32)
        average = state.average
        if average is not None:
            decay = jnp.minimum(average_decay, (1 + state.step) / (10 + state.step))
            average = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, average, params)
        new = state._replace(params=params, optimizer_state=optimizer_state, average=average)
        kept = jax.tree.map(lambda new, old: jnp.where(sound, new, old), new, state)
        return kept._replace(step=state.step + 1), metrics

    return train_step


def make_evaluation_step(objective: Objective) -> Callable[[Params, Batch], Sums]:
    """The objective's sums without dropout, to be run by `parallel.data_parallel`."""

    def evaluation_step(params: Params, batch: Batch) -> Sums:
        return jax.lax.psum(objective.loss(params, batch, None), AXIS)

    return evaluation_step
