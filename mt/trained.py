"""A trained model on disk: what it takes to use one, without what it took to train it."""

import json
import pathlib
from typing import Any, NamedTuple

import jax

from mt import checkpoint, tracing
from mt.data.batching import BatchingConfig
from mt.data.datasets import Languages
from mt.data.tokenizer import Tokenizer
from mt.decoding.beam_search import SearchConfig
from mt.errors import UserError
from mt.models import ModelConfig
from mt.models.interface import dummy_batch
from mt.serialization import from_json

CONFIG = "config.json"
TOKENIZER = "tokenizer.model"


class Trained(NamedTuple):
    """A model that can translate.

    Attributes:
        name: where it came from, for messages.
        model: the Flax module.
        params: its parameters, on one device.
        tokenizer: the one that it was trained with.
        languages: from what into what.
        search: how its config searches.
        max_source_length: the longest source in tokens that it was trained on, eos included.
    """

    name: str
    model: Any
    params: Any
    tokenizer: Tokenizer
    languages: Languages
    search: SearchConfig
    max_source_length: int


def read_config(run: pathlib.Path) -> dict[str, Any]:
    """A run's config, as JSON.

    Raises:
        UserError: it is no run, or its config is damaged.
    """
    path = run / CONFIG
    if not run.is_dir():
        raise UserError(f"{run}: no such run; give the --workdir of a finished mt train")
    if not path.is_file():
        raise UserError(f"{run} has no {CONFIG}, so it is not a run; give the --workdir of mt train")
    try:
        config = json.loads(path.read_text())
        complete = {"model", "search", "data"} <= config["run"].keys() and isinstance(config["tokenizer_sha256"], str)
    except (ValueError, KeyError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise UserError(f"{path}: not a run's config, or damaged; put back the file")
    return config


def load(run: pathlib.Path, which: str = "best") -> Trained:
    """Reads a run's tokenizer, and the parameters of one of its checkpoints.

    Args:
        run: its folder.
        which: see `checkpoint.choose`.

    Raises:
        UserError: it is not a run, has no such checkpoint, or one of its files is missing or not its own.
    """
    config, where = read_config(run), str(run / CONFIG)
    sections = config["run"]
    tokenizer = Tokenizer.load(run / TOKENIZER, config["tokenizer_sha256"])
    model = from_json(ModelConfig, sections["model"], where).build(len(tokenizer))
    step = checkpoint.choose(run, which)
    abstract = tracing.shapes(
        lambda: model.init(jax.random.key(0), dummy_batch())["params"], model, f"parameters of {model!r}"
    )
    return Trained(
        f"{run} at step {step}",
        model,
        checkpoint.restore_params(run, step, abstract),
        tokenizer,
        Languages(sections["data"]["source_language"], sections["data"]["target_language"]),
        from_json(SearchConfig, sections["search"], where),
        from_json(BatchingConfig, sections["data"]["batching"], where).row_length,
    )
