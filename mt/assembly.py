"""The parts of a training, put together as a config says."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from mt.config import RunConfig
from mt.data.pieces import mask_of, word_starts
from mt.data.tokenizer import UNK
from mt.data.tokenizers import Tokenizers
from mt.models.interface import Params, dummy_batch
from mt.training.masked_tokens import MaskedTokenObjective
from mt.training.objectives import Objective, TranslationObjective
from mt.training.optimizer import build
from mt.training.permuted_tokens import PermutedTokenObjective
from mt.training.train_step import TrainState, initial_state, make_train_step, train_on_devices


class Training(NamedTuple):
    """What a config trains by.

    Attributes:
        objective: what is minimised.
        train_step: the update on all devices; the state that it is given is donated to it.
        initial_state: makes the state before the first step, of given parameters or of random ones that depend on the
            config's seed alone; without what is remembered.
    """

    objective: Objective
    train_step: Callable[[TrainState, Any], Any]
    initial_state: Callable[[Params | None], TrainState]


def assemble(
    config: RunConfig, model: Any, tokenizers: Tokenizers | None = None, devices: Sequence[jax.Device] | None = None
) -> Training:
    """Puts a training together.

    Args:
        config: of the run.
        model: that it builds.
        tokenizers: of the run; None where it is only to be known what the training costs.
        devices: to train on, if not all.

    Raises:
        UserError: the vocabulary has no piece that hides others, which the objective needs.
    """
    optimizer = build(config.optimizer, config.training.steps)
    training = config.training
    objective = _OBJECTIVES[config.model.objective](config, model, tokenizers)
    step = make_train_step(objective, optimizer, config.seed, training.accumulation_steps, training.average_decay)

    def begin(params: Params | None = None) -> TrainState:
        if params is None:
            params = model.init(jax.random.key(config.seed), dummy_batch())["params"]
        return initial_state(params, optimizer, training.average_decay > 0)

    return Training(objective, train_on_devices(step, donate_state=True, devices=devices), begin)


def _next_token(config: RunConfig, model: Any, tokenizers: Tokenizers | None) -> Objective:
    training = config.training
    return TranslationObjective(
        model, training.label_smoothing, training.consistency, training.guided_alignment, training.loss_chunk
    )


def _masked_token(config: RunConfig, model: Any, tokenizers: Tokenizers | None) -> Objective:
    mask, starts = UNK, np.zeros(model.vocab, bool)
    if tokenizers is not None:
        mask, starts = mask_of(tokenizers.target), word_starts(tokenizers.target)
    return MaskedTokenObjective(model, config.masking, mask, starts, config.training.label_smoothing)


def _permuted_token(config: RunConfig, model: Any, tokenizers: Tokenizers | None) -> Objective:
    starts = np.zeros(model.vocab, bool) if tokenizers is None else word_starts(tokenizers.target)
    return PermutedTokenObjective(model, config.masking, starts, config.training.label_smoothing)


_OBJECTIVES: dict[str, Callable[[RunConfig, Any, Tokenizers | None], Objective]] = {
    "next_token": _next_token,
    "masked_token": _masked_token,
    "permuted_token": _permuted_token,
}
