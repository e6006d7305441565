"""The parts of a training, put together as a config says."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from mt import parallel
from mt.config import RunConfig
from mt.models.interface import Params, dummy_batch
from mt.training.objectives import TranslationObjective
from mt.training.optimizer import build
from mt.training.train_step import TrainState, initial_state, make_train_step


class Training(NamedTuple):
    """What a config trains by.

    Attributes:
        objective: what is minimised.
        train_step: the update on all devices; the state that it is given is donated to it.
        initial_state: makes the state before the first step, of given parameters or of random ones that depend on the
            config's seed alone.
    """

    objective: TranslationObjective
    train_step: Callable[[TrainState, Any], Any]
    initial_state: Callable[[Params | None], TrainState]


def assemble(config: RunConfig, model: Any, devices: Sequence[jax.Device] | None = None) -> Training:
    """Puts a training together.

    Args:
        config: of the run.
        model: that it builds.
        devices: to train on, if not all.
    """
    optimizer = build(config.optimizer, config.training.steps)
    training = config.training
    objective = TranslationObjective(model, training.label_smoothing, training.consistency, training.guided_alignment)
    step = make_train_step(objective, optimizer, config.seed, training.accumulation_steps, training.average_decay)

    def begin(params: Params | None = None) -> TrainState:
        if params is None:
            params = model.init(jax.random.key(config.seed), dummy_batch())["params"]
        return initial_state(params, optimizer, training.average_decay > 0)

    return Training(objective, parallel.data_parallel(step, donate_state=True, devices=devices), begin)
