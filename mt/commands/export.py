"""`mt export`: a trained model for inference elsewhere."""

import dataclasses
import pathlib
import sys
from typing import Annotated, Literal

import tyro

from mt import pretrained, trained
from mt.arguments import default
from mt.commands.sampling import SamplingOptions
from mt.commands.searching import SearchOptions
from mt.data.text import read_lines
from mt.errors import UserError
from mt.exporting.model_card import evaluations, model_card
from mt.files import atomic_folder, write_atomically
from mt.models.interface import writes
from mt.models.transformer import TransformerConfig

_DTYPES = {
    "bundle": ("float32", "bfloat16", "int8"),
    "stablehlo": ("float32",),
    "saved_model": ("float32",),
    "marian": ("float32",),
    "ctranslate2": ("float32", "float16", "bfloat16", "int8"),
}
_USES = {
    "text": """```
mt generate {out} '{example}'
```""",
    "hidden": """```
mt train CONFIG --workdir RUN --encoder-from {out}
```""",
    "bundle": """```
echo '{example}' | mt translate {out}
```

Or from Python:

```python
from mt import Translator

translator = Translator.load("{out}")
print(translator.translate(["{example}"]))
```""",
    "stablehlo": """```
pip install jax sentencepiece
echo '{example}' | python {out}/translate.py
```""",
    "saved_model": """```
tensorflow_model_server --model_name=mt --model_base_path=$PWD/{out}
```

Its input "source" is of ids as pieces.json has them, each row ended by 2 and padded with 0.""",
    "marian": """```python
from transformers import MarianMTModel, MarianTokenizer

tokenizer, model = MarianTokenizer.from_pretrained("{out}"), MarianMTModel.from_pretrained("{out}")
print(tokenizer.batch_decode(model.generate(**tokenizer(["{example}"], return_tensors="pt")), skip_special_tokens=True))
```""",
    "ctranslate2": """```python
import ctranslate2
import sentencepiece

source, target = (sentencepiece.SentencePieceProcessor(f"{out}/{{side}}.spm") for side in ("source", "target"))
best = ctranslate2.Translator("{out}").translate_batch([source.encode("{example}", out_type=str)])[0].hypotheses[0]
print(target.decode(best))
```""",
}
_EXAMPLE = "Hello, how are you?"
_SEARCHING = ("stablehlo", "saved_model")  # the search is part of them


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Writes a trained model into a new folder, for translating with `mt` or without.

    Attributes:
        run: the --workdir of a training, a bundle, or the name of a model that ships.
        out: folder to make.
        format: "bundle" is all that mt translate takes, verified when it is loaded; "stablehlo" the beam search as
            programs for CPU, CUDA and TPU, run by JAX alone; "saved_model" the same for TensorFlow Serving; "marian" a
            Hugging Face MarianMT folder; "ctranslate2" a CTranslate2 folder.
        dtype: of the parameters. A bundle takes float32, bfloat16 or int8; CTranslate2 float16 too; the others float32.
        checkpoint: "best" by dev BLEU, "last", or a step.
        license: of the model, for its card.
        notes: file of Markdown that the card ends with, on what else is to be known: where the data comes from, what
            the model is bad at.
        n_best: translations a sentence that are to be had ("stablehlo" and "saved_model").
        search: how to search ("stablehlo" and "saved_model"); left out, the run's config says.
        sampling: programs that draw translations at random, in place of those that search ("stablehlo").
    """

    run: tyro.conf.Positional[pathlib.Path]
    out: tyro.conf.Positional[pathlib.Path]
    format: Literal["bundle", "stablehlo", "saved_model", "marian", "ctranslate2"] = "bundle"
    dtype: Literal["float32", "float16", "bfloat16", "int8"] = "float32"
    checkpoint: str = "best"
    license: str = "unknown"
    notes: Annotated[pathlib.Path | None, default("none", "PATH")] = None
    n_best: int = 1
    search: tyro.conf.OmitArgPrefixes[SearchOptions] = SearchOptions()
    sampling: tyro.conf.OmitArgPrefixes[SamplingOptions] = SamplingOptions()


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    arguments = dataclasses.replace(arguments, run=pretrained.locate(arguments.run))
    if arguments.dtype not in _DTYPES[arguments.format]:
        allowed = " or ".join(_DTYPES[arguments.format])
        raise UserError(f"--dtype {arguments.dtype}: --format {arguments.format} takes {allowed}")
    given = arguments.search.given()
    if arguments.format not in _SEARCHING and (given or arguments.n_best != 1):
        named = next(iter(given), "n_best").replace("_", "-")
        raise UserError(
            f"--{named}: goes with --format {' or '.join(_SEARCHING)}; of others, whoever runs them says it"
        )
    sampling = arguments.sampling.config()
    if arguments.sampling.least_risk:
        raise UserError("--least-risk: is not exported; --sample --n-best 32 is, and whoever calls chooses")
    if sampling and arguments.format != "stablehlo":
        raise UserError("--sample: goes with --format stablehlo")
    out = arguments.out.resolve()
    if out.exists():
        raise UserError(f"{arguments.out}: is there already; name a new folder")
    notes = "\n".join(read_lines(arguments.notes)) if arguments.notes else ""
    found = trained.load(arguments.run, arguments.checkpoint)
    if arguments.format in ("marian", "ctranslate2") and not isinstance(found.model.config, TransformerConfig):
        raise UserError(
            f"--format {arguments.format}: is for a transformer, and {arguments.run} is a "
            f"{found.model.config.architecture}; give it another --format, such as bundle"
        )
    if arguments.format != "bundle":
        trained.check_translates(found, f"--format {arguments.format}: ")
    search = dataclasses.replace(found.search, **given)
    if not 1 <= arguments.n_best <= (1000 if sampling else search.beam_size):
        raise UserError(f"--n-best {arguments.n_best}: is not between 1 and the beam size, which is {search.beam_size}")
    # Where the run lay is nobody's business elsewhere.
    found = found._replace(name=found.name.replace(str(arguments.run), arguments.run.resolve().name))
    described = trained.read_config(arguments.run)
    sections = described["run"]
    places = [(sections, field) for field in ("start_from", "encoder_from", "decoder_from")]
    for section, field in (*places, (sections["tokenizer"], "path"), (sections["data"], "cache")):
        section[field] = ""
    kind: str = arguments.format
    if found.languages.alone:
        kind = "text" if writes(found.model) else "hidden"
    use = _USES[kind].format(out=out.name, example=_EXAMPLE)
    scores = evaluations(arguments.run, found.name)
    card = model_card(found, described, scores, arguments.dtype, arguments.license, use, notes)
    with atomic_folder(out) as folder:
        write_atomically(folder / "README.md", card.encode())
        # Each imports only what it needs.
        if arguments.format == "bundle":
            from mt.exporting import bundle

            bundle.write(found, described, arguments.dtype, folder)
        elif arguments.format == "stablehlo":
            from mt.exporting import stablehlo

            stablehlo.write(found, search, arguments.n_best, sampling, folder)
        elif arguments.format == "saved_model":
            from mt.exporting import saved_model

            saved_model.write(found, search, arguments.n_best, folder)
        elif arguments.format == "marian":
            from mt.exporting import marian

            marian.write(found, folder)
        else:
            from mt.exporting import ctranslate2

            ctranslate2.write(found, arguments.dtype, folder)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{found.name} as {arguments.format} in {arguments.out}: {size / 1e6:.1f} MB", file=sys.stderr)
