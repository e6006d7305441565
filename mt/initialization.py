"""What a training begins with that starts from a trained model."""

import dataclasses
import pathlib
import sys
from typing import Any

import jax
import numpy as np

from mt import pretrained, trained
from mt.config import RunConfig
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizers import Tokenizers
from mt.models import ModelConfig
from mt.models.interface import dummy_batch
from mt.serialization import from_json

# Parameters that have a row for each piece.
_OF_VOCABULARY = ("_embedding", "output_bias")
# What a model's parameters do not depend on.
_OWN = ("dropout", "attention_dropout", "activation_dropout", "stochastic_depth", "dtype", "remat")


def start(config: RunConfig) -> pathlib.Path | None:
    """The folder of the run or bundle that a config starts from, if from any."""
    return pretrained.locate(config.start_from) if config.start_from else None


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
    if start(config) is None and not config.tokenizer.path:
        return config.model.build(config.tokenizer.vocab_size)
    tokenizers = existing_tokenizers(config)
    return adopt(config).model.build(len(tokenizers.target), len(tokenizers.source))


def existing_tokenizers(config: RunConfig) -> Tokenizers:
    """Those that the config names, or else those of the model that it starts from."""
    if config.tokenizer.path:
        return Tokenizers.shared(Tokenizer.load(pathlib.Path(config.tokenizer.path).expanduser()))
    return Tokenizers.load(pretrained.locate(config.start_from))


def starting_params(found: trained.Trained, tokenizers: Tokenizers, model: Any, seed: int) -> Any:
    """A trained model's parameters, for these vocabularies.

    Args:
        found: the trained model.
        tokenizers: of the model that is to begin with them.
        model: that one, which differs from the trained one in its vocabularies at most.
        seed: of the vectors of pieces that the trained model does not know.
    """
    if tokenizers.files == found.tokenizers.files:
        return found.params
    rows = {}
    for side in ("source", "target"):
        new, old = (getattr(each, side) for each in (tokenizers, found.tokenizers))
        known = {piece: number for number, piece in enumerate(old.pieces(range(len(old))))}
        pairs = [(row, known[piece]) for row, piece in enumerate(new.pieces(range(len(new)))) if piece in known]
        rows[side] = np.array(pairs).T
        print(f"{side}: {len(pairs):,} of {len(new):,} pieces have a vector there", file=sys.stderr)
    begun = jax.jit(lambda: model.init(jax.random.key(seed), dummy_batch())["params"])()

    def carry(path: Any, own: jax.Array, theirs: jax.Array) -> jax.Array:
        name = path[0].key
        if not name.endswith(_OF_VOCABULARY):
            return theirs
        new, old = rows["source" if name.startswith("source") else "target"]
        return own.at[new].set(theirs[old])

    return jax.tree_util.tree_map_with_path(carry, begun, found.params)
