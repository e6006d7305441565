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
from mt.data.data_config import DataConfig
from mt.errors import UserError
from mt.files import atomic_folder, write_json
from mt.importing import marian, text_models
from mt.importing.folder import read_json
from mt.training.loop import TrainingConfig

_READERS = {"marian": marian.read, "bert": text_models.read_bert, "gpt2": text_models.read_gpt2}


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Makes a run of a Hugging Face folder: a MarianMT model's, such as OPUS-MT's, a BERT's or a GPT-2's. It can be
    used as if it had been trained here, and training goes on from it with mt train --start-from, or of a translator
    with --encoder-from a BERT and --decoder-from a GPT-2.

    Attributes:
        folder: with config.json, model.safetensors and the tokenizer's files: source.spm, target.spm and vocab.json of
            MarianMT; tokenizer.json, or vocab.txt, or vocab.json and merges.txt of the others, which need the extra
            `huggingface`.
        run: folder to make.
        format: "marian", "bert" or "gpt2"; left out, as config.json says.
        source_language: code of the language that is translated, if the folder does not say.
        target_language: code of the language that it is translated into, or of the text, if the folder does not say.
    """

    folder: tyro.conf.Positional[pathlib.Path]
    run: tyro.conf.Positional[pathlib.Path]
    format: Annotated[
        Literal["marian", "bert", "gpt2"] | None, default("as config.json says", "{marian,bert,gpt2}")
    ] = None
    source_language: Annotated[str, default("as the folder says")] = ""
    target_language: Annotated[str, default("as the folder says")] = ""


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    if arguments.run.exists():
        raise UserError(f"{arguments.run}: is there already; name a new folder")
    found = _READERS[arguments.format or _format(arguments.folder)](arguments.folder)
    given = arguments.source_language, arguments.target_language
    source, target = (mine or theirs for mine, theirs in zip(given, found.languages))
    if not found.translates and source:
        raise UserError(f"--source-language {source}: the model is of text in one language; leave it out")
    for side, language in (("source", source), ("target", target))[not found.translates :]:
        if not language:
            raise UserError(f"{arguments.folder}: does not say its {side} language; give it as --{side}-language")
    longest = found.max_length
    batching = BatchingConfig(row_length=longest, batch_tokens=max(8 * longest, BatchingConfig().batch_tokens))
    config = RunConfig(
        model=found.config,
        data=DataConfig(source, target, train=(), batching=batching),
        training=TrainingConfig(best_by="bleu" if found.translates else "loss"),
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


def _format(folder: pathlib.Path) -> str:
    """What a folder's config.json says.

    Raises:
        UserError: there is none, or it is of another kind of model.
    """
    kind = read_json(folder / "config.json").get("model_type", "marian")
    if kind not in _READERS:
        raise UserError(f"{folder / 'config.json'}: model_type is {kind!r}; what can be imported is marian, bert, gpt2")
    return kind
