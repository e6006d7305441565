"""`mt import`: a model of another toolkit as a run."""

import dataclasses
import pathlib
import sys
from typing import Annotated, Literal

import jax
import tyro

from mt import config as run_config
from mt import trained
from mt.arguments import default
from mt.checkpoint import save_params
from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.pipeline import DataConfig
from mt.errors import UserError
from mt.files import atomic_folder, write_json
from mt.importing import marian


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Makes a run of a Hugging Face MarianMT folder, such as OPUS-MT's: it can be used as if it had been trained
    here, and training goes on from it with mt train --start-from.

    Attributes:
        folder: with config.json, model.safetensors, source.spm, target.spm and vocab.json.
        run: folder to make.
        format: "marian" is what there is.
        source_language: code of the language that is translated, if the folder does not say.
        target_language: code of the language that it is translated into, if the folder does not say.
    """

    folder: tyro.conf.Positional[pathlib.Path]
    run: tyro.conf.Positional[pathlib.Path]
    format: Literal["marian"] = "marian"
    source_language: Annotated[str, default("as the folder says")] = ""
    target_language: Annotated[str, default("as the folder says")] = ""


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    if arguments.run.exists():
        raise UserError(f"{arguments.run}: is there already; name a new folder")
    found = marian.read(arguments.folder)
    given = arguments.source_language, arguments.target_language
    source, target = (mine or theirs for mine, theirs in zip(given, found.languages))
    for side, language in (("source", source), ("target", target)):
        if not language:
            raise UserError(f"{arguments.folder}: does not say its {side} language; give it as --{side}-language")
    longest = found.max_source_length
    batching = BatchingConfig(row_length=longest, batch_tokens=max(longest, BatchingConfig().batch_tokens))
    config = RunConfig(
        model=found.config,
        data=DataConfig(source, target, train=(), batching=batching),
        search=found.search,
    )
    with atomic_folder(arguments.run.resolve()) as folder:
        found.tokenizers.save(folder)
        write_json(folder / trained.CONFIG, run_config.describe(config, found.tokenizers.sha256))
        save_params(folder, 0, jax.device_put(found.params))
    size = sum(leaf.size for leaf in jax.tree.leaves(found.params))
    for sentence in found.left_out:
        print(f"mt: {sentence}", file=sys.stderr)
    print(f"{arguments.folder} as a run in {arguments.run}: {size:,} parameters", file=sys.stderr)
