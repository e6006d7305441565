"""What a training begins with that starts from a trained model."""

import dataclasses
import pathlib
from typing import Any

from mt import trained
from mt.config import RunConfig
from mt.data.tokenizers import Tokenizers
from mt.models import ModelConfig
from mt.serialization import from_json

# What a model's parameters do not depend on.
_OWN = ("dropout", "attention_dropout", "activation_dropout", "stochastic_depth", "dtype", "remat")


def start(config: RunConfig) -> pathlib.Path | None:
    """The run or bundle that a config starts from, if from any."""
    return pathlib.Path(config.start_from).expanduser() if config.start_from else None


def adopt(config: RunConfig, run: pathlib.Path | None = None) -> RunConfig:
    """The config with the model that it starts from, if it starts from any.

    Args:
        config: as given.
        run: the training's own folder. Once it has begun, what it started from is not needed any more.

    Raises:
        UserError: there is nothing to start from.
    """
    if (folder := start(config)) is None:
        return config
    if run is not None and (run / trained.CONFIG).is_file():
        folder = run
    described = trained.read_config(folder)["run"]["model"]
    model: ModelConfig = from_json(ModelConfig, described, str(folder / trained.CONFIG))
    own = {name: getattr(config.model, name) for name in _OWN}
    return dataclasses.replace(config, model=dataclasses.replace(model, **own))


def build_model(config: RunConfig) -> Any:
    """The model over the vocabulary that its training would have, which no text need be read to know."""
    if (folder := start(config)) is None:
        return config.model.build(config.tokenizer.vocab_size)
    tokenizers = Tokenizers.load(folder)
    return adopt(config).model.build(len(tokenizers.target), len(tokenizers.source))
