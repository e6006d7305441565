"""One update of the parameters: a pure function of the state and a batch."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from mt.models.interface import Batch, Params
from mt.parallel import AXIS, data_parallel
from mt.training.objectives import Carry, Objective, Sums, loss_and_carry


class TrainState(NamedTuple):
    """All that training changes.

    Attributes:
        step: int32 [], updates made.
        params: of the model.
        optimizer_state: of optax.
        average: the moving average of the parameters, if there is one.
        carry: what the model remembers of the batches before, a device's rows on each, [rows, ...]; () for most.
    """

    step: jax.Array
    params: Params
    optimizer_state: Any
    average: Params | None = None
    carry: Carry = ()

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

    def restored(self, step: jax.Array, best_params: Params, rest: Any, carry: Carry) -> "TrainState":
        """The state of which these are the parts; `self` says whether there is an average."""
        if self.average is None:
            return TrainState(step, best_params, rest, carry=carry)
        return TrainState(step, rest["params"], rest["optimizer"], best_params, carry)


def train_on_devices(
    step: Callable[[TrainState, Batch], tuple[TrainState, Sums]],
    donate_state: bool = False,
    devices: Sequence[jax.Device] | None = None,
) -> Callable[[TrainState, Batch], tuple[TrainState, Sums]]:
    """`make_train_step`'s update on several devices; see `parallel.data_parallel`."""
    nothing: Any = None
    axes = TrainState(nothing, nothing, nothing, nothing, 0)  # all have the same, but for the rows that each remembers
    return data_parallel(step, axes, (axes, None), donate_state, devices)


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
    """The update, to be run by `train_on_devices`.

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

        def differentiate(number: jax.Array | int, part: Batch, carry: Carry) -> tuple[tuple[Params, Sums], Carry]:
            def loss(params):
                own_key = jax.random.fold_in(key, number)
                sums, after = loss_and_carry(objective, params, part, own_key, carry)
                return sums["loss"], (sums, after)

            gradients, (sums, after) = jax.grad(loss, has_aux=True)(state.params)
            return (gradients, sums), after

        if accumulation_steps == 1:
            (gradients, sums), carry = differentiate(0, batch, state.carry)
        else:
            # Every n-th row makes a part, so that a row is in the same one however many devices there are.
            parts = jax.tree.map(
                lambda rows: rows.reshape(
                    len(rows) // accumulation_steps, accumulation_steps, *rows.shape[1:]
                ).swapaxes(0, 1),
                (batch, state.carry),
            )
            shapes, _ = jax.eval_shape(differentiate, 0, *jax.tree.map(lambda rows: rows[0], parts))

            def add(total: tuple[Params, Sums], numbered: tuple) -> tuple[tuple[Params, Sums], Carry]:
                found, after = differentiate(*numbered)
                return jax.tree.map(jnp.add, total, found), after

            (gradients, sums), carry = jax.lax.scan(
                add,
                jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes),
                (jnp.arange(accumulation_steps), *parts),
            )
            carry = jax.tree.map(lambda rows: rows.swapaxes(0, 1).reshape(-1, *rows.shape[2:]), carry)
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
        new = state._replace(params=params, optimizer_state=optimizer_state, average=average, carry=carry)
        kept = jax.tree.map(lambda new, old: jnp.where(sound, new, old), new, state)
        return kept._replace(step=state.step + 1), metrics

    return train_step


def make_evaluation_step(objective: Objective) -> Callable[[tuple[Params, Carry], Batch], tuple[Sums, Carry]]:
    """The objective's sums without dropout, and what is remembered after; to be run by `evaluate_on_devices`."""

    def evaluation_step(state: tuple[Params, Carry], batch: Batch) -> tuple[Sums, Carry]:
        params, carry = state
        sums, carry = loss_and_carry(objective, params, batch, None, carry)
        return jax.lax.psum(sums, AXIS), carry

    return evaluation_step


def evaluate_on_devices(
    step: Callable[[tuple[Params, Carry], Batch], tuple[Sums, Carry]],
) -> Callable[[tuple[Params, Carry], Batch], tuple[Sums, Carry]]:
    """`make_evaluation_step`'s sums over several devices; see `parallel.data_parallel`."""
    axes = (None, 0)
    return data_parallel(step, axes, axes)
