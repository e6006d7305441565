"""A trained model on disk: what it takes to use one, without what it took to train it."""

import math
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from mt import bundles, checkpoint, manifest, pretrained, tracing
from mt.data.batching import BatchingConfig
from mt.data.datasets import Languages
from mt.data.tokenizers import NAMES, Tokenizers
from mt.decoding.beam_search import SearchConfig
from mt.decoding.ensemble import Ensemble
from mt.decoding.fusion import Fused
from mt.errors import UserError
from mt.files import parse_json
from mt.models import ModelConfig
from mt.models.interface import dummy_batch, writes
from mt.serialization import from_json

CONFIG = "config.json"


class Trained(NamedTuple):
    """A model that can translate.

    Attributes:
        name: where it came from, for messages.
        model: the Flax module.
        params: its parameters, on one device.
        tokenizers: those that it was trained with.
        languages: from what into what.
        search: how its config searches.
        max_source_length: the longest source in tokens that it was trained on, eos included.
    """

    name: str
    model: Any
    params: Any
    tokenizers: Tokenizers
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
        raise UserError(
            f"{run}: no such folder, nor a model that ships; give the --workdir of mt train, or what mt export has made"
        )
    if not path.is_file():
        raise UserError(f"{run} has no {CONFIG}: give the --workdir of mt train, or a bundle that mt export has made")
    try:
        config = parse_json(path.read_text())
        complete = {"model", "search", "data"} <= config["run"].keys() and isinstance(config["tokenizer_sha256"], str)
    except (ValueError, KeyError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise UserError(f"{path}: not a run's config, or damaged; put back the file")
    return config


def load(run: pathlib.Path, which: str = "best") -> Trained:
    """Reads a run's tokenizers, and the parameters of one of its checkpoints; or a bundle, once found to be whole.

    Args:
        run: its folder.
        which: see `checkpoint.choose`.

    Raises:
        UserError: it is not a run, has no such checkpoint, or one of its files is missing or not its own.
    """
    about = manifest.verify(run, (CONFIG, *NAMES, bundles.PARAMS)) if bundles.is_bundle(run) else None
    config, where = read_config(run), str(run / CONFIG)
    sections = config["run"]
    tokenizers = Tokenizers.load(run, config["tokenizer_sha256"])
    model = from_json(ModelConfig, sections["model"], where).build(len(tokenizers.target), len(tokenizers.source))
    abstract = tracing.shapes(
        lambda: model.init(jax.random.key(0), dummy_batch())["params"], model, f"parameters of {model!r}"
    )
    if about is not None:
        if which != "best":
            raise UserError(f"--checkpoint {which}: {run} is a bundle, which holds one alone; leave the option out")
        name, params = str(run), bundles.read_params(run, about, abstract)
    else:
        step = checkpoint.choose(run, which)
        name, params = f"{run} at step {step}", checkpoint.restore_params(run, step, abstract)
    return Trained(
        name,
        model,
        params,
        tokenizers,
        Languages(
            sections["data"]["source_language"],
            sections["data"]["target_language"],
            sections["data"].get("whole_documents", False),
        ),
        from_json(SearchConfig, sections["search"], where),
        from_json(BatchingConfig, sections["data"]["batching"], where).row_length,
    )


def check_translates(found: Trained, asked: str = "") -> None:
    """Raises UserError where a model was not trained to translate, as was asked of it."""
    if found.languages.alone or not writes(found.model):
        raise UserError(
            f"{asked}{found.name}: was trained on text of one language, and does not translate; {_purpose(found)}"
        )


def _purpose(found: Trained) -> str:
    """What a model is for, to tell whoever has asked it for something else."""
    if not writes(found.model):
        return "a translator starts from it by --encoder-from"
    if not found.languages.alone:
        return "mt translate translates with it"
    if hasattr(found.model, "as_language_model"):
        return "mt generate goes on with text by it"
    return "a translator starts from it by --start-from"


def language_model(found: Trained) -> Any:
    """The model, as one of text alone.

    Raises:
        UserError: it is none.
    """
    if found.languages.source or not hasattr(found.model, "as_language_model"):
        raise UserError(
            f"{found.name}: is no language model ({_purpose(found)}); take a run of a decoder alone with "
            "data.source_language empty"
        )
    return found.model.as_language_model()


def fused(found: Trained, run: pathlib.Path, weight: float) -> Trained:
    """A translator with a language model beside it, for shallow fusion.

    Args:
        found: the translator.
        run: the language model's folder or bundle; RUN@STEP is a checkpoint.
        weight: see `Fused`.

    Raises:
        UserError: it is no language model, or has another vocabulary.
    """
    other = _load_at(run, "best")
    model = language_model(other)
    if other.tokenizers.sha256 != found.tokenizers.sha256:
        raise UserError(
            f"{other.name} and {found.name} have different vocabularies; train the language model with the "
            "translator's tokenizer (--tokenizer.path)"
        )
    if not 0 <= weight < math.inf:
        raise UserError(f"--language-model-weight {weight}: is not a number from 0 on")
    return found._replace(
        name=f"{found.name}, with {other.name}",
        model=Fused(found.model, model, weight),
        params=(found.params, other.params),
    )


def load_together(runs: Sequence[pathlib.Path], which: str = "best") -> Trained:
    """Reads one run, or several as an ensemble, whose search is the first's.

    Args:
        runs: their folders, bundles' or names of models that ship. RUN@STEP is a checkpoint of its own in place of
            `which`.
        which: see `checkpoint.choose`.

    Raises:
        UserError: see `load`; or they do not share their vocabularies.
    """
    found = [_load_at(run, which) for run in runs]
    if len(found) == 1:
        return found[0]
    for other in found[1:]:
        if other.tokenizers.sha256 != found[0].tokenizers.sha256:
            raise UserError(
                f"{other.name} and {found[0].name} have different vocabularies; an ensemble's members must share theirs"
            )
    return found[0]._replace(
        name=" + ".join(each.name for each in found),
        model=Ensemble(tuple(each.model for each in found)),
        params=tuple(each.params for each in found),
        max_source_length=min(each.max_source_length for each in found),
    )


def _load_at(run: pathlib.Path, which: str) -> Trained:
    name, at, step = str(run).rpartition("@")
    if at and not run.exists():
        return load(pretrained.locate(pathlib.Path(name)), step)
    return load(pretrained.locate(run), which)
