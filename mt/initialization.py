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
from mt.errors import UserError
from mt.models import ModelConfig
from mt.models.checks import TRAINED_POSITIONS
from mt.models.interface import dummy_batch
from mt.models.joining import joined, joined_params
from mt.serialization import from_json

# Parameters that have a row for each piece.
_OF_VOCABULARY = ("embedding", "output_bias")
# What a model's parameters do not depend on.
_OWN = (
    *("dropout", "attention_dropout", "activation_dropout", "stochastic_depth", "dtype"),
    *("remat", "reversible", "feed_forward_chunk", "cross_chunk", "rounds", "hash_seed"),
)


def start(config: RunConfig) -> pathlib.Path | None:
    """The folder of the run or bundle that a config starts from, if from any."""
    return pretrained.locate(config.start_from) if config.start_from else None


def parts(config: RunConfig) -> dict[str, pathlib.Path]:
    """The folders of the runs or bundles that the "encoder" and the "decoder" start from, if from any."""
    named = {"encoder": config.encoder_from, "decoder": config.decoder_from}
    return {side: pretrained.locate(name) for side, name in named.items() if name}


def adopt(config: RunConfig, run: pathlib.Path | None = None) -> RunConfig:
    """The config with the model that it starts from, if it starts from any, or with the form of its parts.

    Args:
        config: as given.
        run: the training's own folder. Once it has begun, what it started from is not needed any more.

    Raises:
        UserError: there is nothing to start from, or parts do not go together.
    """
    if start(config) is None and not parts(config):
        return config
    if run is not None and (run / trained.CONFIG).is_file():
        model = _model(run)
    elif folder := start(config):
        model = _as(type(config.model), _model(folder), config.model)
        if type(model) is not type(config.model):
            sides = [side for side in ("encoder", "decoder") if hasattr(type(model), side)]
            part = "".join(f", or name it by {side}_from" for side in sides)
            raise UserError(
                f"start_from: {folder} is a {model.architecture}, and what is to be trained a "
                f"{config.model.architecture}; take a config of a {model.architecture}{part}"
            )
    else:
        folders = parts(config)
        forms = {side: _model(folder) for side, folder in folders.items()}
        names = {side: str(folder) for side, folder in folders.items()}
        return dataclasses.replace(config, model=joined(config.model, forms, names))
    fields = _OWN if getattr(model, "positions", "learned") in TRAINED_POSITIONS else (*_OWN, "max_positions")
    own = {name: getattr(config.model, name) for name in fields if hasattr(model, name) and hasattr(config.model, name)}
    taken = dataclasses.replace(model, **own)
    try:
        return dataclasses.replace(config, model=taken)
    except UserError as error:
        raise UserError(f"start_from: with the model of {config.start_from}, whose sizes stay, {error}") from None


def _as(kind: type, model: ModelConfig, own: ModelConfig) -> ModelConfig:
    """A model as one of a kind that is a special one of its own: what only that kind has is as the config says."""
    if not issubclass(kind, type(model)) or kind is type(model):
        return model
    fields = [field.name for field in dataclasses.fields(model) if field.name != "architecture"]
    found: ModelConfig = dataclasses.replace(own, **{field: getattr(model, field) for field in fields})
    return found


def _model(folder: pathlib.Path) -> ModelConfig:
    described = trained.read_config(folder)["run"]["model"]
    model: ModelConfig = from_json(ModelConfig, described, str(folder / trained.CONFIG))
    return model


def build_model(config: RunConfig) -> Any:
    """The model over the vocabulary that its training would have, which no text need be read to know."""
    if not has_tokenizers(config):
        return config.model.build(config.tokenizer.vocab_size)
    tokenizers = existing_tokenizers(config)
    return adopt(config).model.build(len(tokenizers.target), len(tokenizers.source))


def has_tokenizers(config: RunConfig) -> bool:
    """Whether the tokenizers are there before the training."""
    return bool(config.tokenizer.path or start(config) or parts(config))


def existing_tokenizers(config: RunConfig) -> Tokenizers:
    """Those that the config names, or else those of the models that it starts from.

    Raises:
        UserError: parts of the model have not the same.
    """
    named = None
    if config.tokenizer.path:
        named = Tokenizers.shared(Tokenizer.load(pathlib.Path(config.tokenizer.path).expanduser()))
    elif folder := start(config):
        return Tokenizers.load(folder)
    for folder in parts(config).values():
        found = Tokenizers.load(folder)
        if named is not None and found.sha256 != named.sha256:
            raise UserError(
                f"{folder}: has another vocabulary than the rest of the model; train it with the same tokenizer.path"
            )
        named = found
    assert named is not None
    return named


def params_of_parts(config: RunConfig, model: Any) -> Any:
    """New parameters, but for the encoder's and the decoder's where they start from other models."""
    found = {side: trained.load(folder) for side, folder in parts(config).items()}
    begun = jax.jit(lambda: model.init(jax.random.key(config.seed), dummy_batch())["params"])()
    return joined_params(begun, {side: (each.model, each.params) for side, each in found.items()})


def starting_params(found: trained.Trained, tokenizers: Tokenizers, model: Any, seed: int) -> Any:
    """A trained model's parameters, for these vocabularies.

    Args:
        found: the trained model.
        tokenizers: of the model that is to begin with them.
        model: that one, which differs from the trained one in its vocabularies at most.
        seed: of the vectors of pieces that the trained model does not know.

    Raises:
        UserError: they are other vocabularies than the trained model's, whose parameters depend on the pieces' order.
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
        side = "source" if name.startswith("source") else "target"
        if len(own) != len(getattr(tokenizers, side)) or len(theirs) != len(getattr(found.tokenizers, side)):
            raise UserError(f"start_from: {found.name} has clusters of its vocabulary; leave tokenizer.path out")
        new, old = rows[side]
        return own.at[new].set(theirs[old])

    return jax.tree_util.tree_map_with_path(carry, begun, found.params)
