"""`mt evaluate`: BLEU, chrF and TER of a run's translations."""

import dataclasses
import pathlib
import re
import sys
from typing import Annotated, Any, Literal

import tyro
from tqdm import tqdm

from mt import evaluation, parallel, pretrained, trained
from mt.arguments import default
from mt.commands.fusing import FusionOptions
from mt.commands.reporting import remembering, report_text, tell
from mt.commands.searching import SearchOptions
from mt.data.data_config import DataConfig
from mt.data.datasets import SPLIT_NAMES, read_aligned, read_pairs
from mt.data.document_order import apart, document_numbers, is_blank
from mt.data.tokenized import default_cache
from mt.decoding.translator import Translator
from mt.errors import UserError
from mt.files import check_output, write_atomically, write_json
from mt.serialization import from_json

_CHUNK = 512  # sentences that are translated before the progress bar moves


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Translates a test set and compares it with its reference: BLEU, chrF and TER by sacreBLEU on
    detokenised text (TER is lower-cased, as sacreBLEU has it), and BLEU of whole documents where blank lines part
    several. Of a language model, its perplexity on the test set.

    Attributes:
        run: the --workdir of a training, a bundle, or the name of a model that ships.
        split: of the run's corpora; "test" if left out. Pairs that are blank on both sides, which part documents, are
            left out.
        corpus: to take that split of, in place of the run's own: a folder or a TFDS name, as data.test has it.
        source: file to translate in place of a split, with --reference.
        reference: its reference translation, line by line.
        checkpoint: "best" by dev BLEU, "last", or a step.
        ensemble: further runs; a token's probability is the mean of all. RUN@STEP is a checkpoint of its own.
        json: file for the result; empty is evaluation-NAME.json in the run, or none for a model that ships or several
            together.
        translations: file for the translations; empty is none.
        moses: BLEU of lower-cased text cut by Moses' rules too, as papers on Multi30k give it; needs the extra `moses`.
        memory_length: tokens before that a model which remembers sees; the result's file has it in its name.
        split_sentences: translates each sentence of a text by itself, see mt translate.
        search: what to search for; left out, the run's config says.
        fusion: a language model that takes part in the search.
    """

    run: tyro.conf.Positional[pathlib.Path]
    split: Annotated[Literal["test", "dev", "train"] | None, default("test", "{test,dev,train}")] = None
    corpus: Annotated[str, default("the run's own")] = ""
    source: Annotated[pathlib.Path | None, default("the split", "PATH")] = None
    reference: Annotated[pathlib.Path | None, default("the split", "PATH")] = None
    checkpoint: str = "best"
    ensemble: Annotated[tuple[pathlib.Path, ...], default("none")] = ()
    json: Annotated[str, default("evaluation-NAME.json in the run")] = ""
    translations: Annotated[str, default("none")] = ""
    moses: bool = False
    split_sentences: bool = False
    search: tyro.conf.OmitArgPrefixes[SearchOptions] = SearchOptions()
    memory_length: Annotated[int | None, default("as in training", "INT")] = None
    fusion: tyro.conf.OmitArgPrefixes[FusionOptions] = FusionOptions()


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    run = pretrained.locate(arguments.run)
    parallel.use_cores_as_devices()
    parallel.use_compilation_cache(default_cache() / "xla")
    if (arguments.source is None) != (arguments.reference is None):
        raise UserError("--source and --reference: give both files, or neither and a --split")
    if arguments.source and (arguments.split or arguments.corpus):
        option = f"--split {arguments.split}" if arguments.split else f"--corpus {arguments.corpus}"
        raise UserError(f"{option}: is of a corpus; leave out either it or --source")
    outputs = {option: getattr(arguments, option) for option in ("json", "translations")}
    written = {option: check_output(pathlib.Path(path), f"--{option}") for option, path in outputs.items() if path}
    read = [path.resolve() for path in (arguments.source, arguments.reference) if path]
    if len({*read, *written.values()}) < len(read) + len(written):
        raise UserError("--json, --translations, --source and --reference: two of them are one file; name another")
    split = arguments.split or "test"
    if arguments.source and arguments.reference:
        pairs = list(read_aligned(arguments.source, arguments.reference))
        if not pairs:
            raise UserError(f"{arguments.source}: empty; there is nothing to evaluate on")
        numbers = document_numbers(map(is_blank, pairs))
        name = arguments.source.name
    else:
        name = "-".join(filter(None, (_short(arguments.corpus), split if arguments.split else ""))) or split
        pairs, numbers = read_split_in_documents(run, split, arguments.corpus)
    found = arguments.fusion.applied(trained.load_together([run, *arguments.ensemble], arguments.checkpoint))
    found = remembering(found, arguments.memory_length)
    if not found.languages.source:
        if wrong := [
            name for name in ("translations", "moses", "source", "split_sentences") if getattr(arguments, name)
        ]:
            raise UserError(
                f"--{wrong[0].replace('_', '-')}: {run} is a language model, which does not translate; leave it out"
            )
        result = report_text(name, run, found, arguments.corpus, split, [text for _, text in pairs])
    else:
        translator = Translator.of(found)
        sources = [source for source, _ in pairs]
        options = arguments.search.given() | {"split_sentences": arguments.split_sentences}
        together = None if arguments.memory_length == 0 else numbers
        translations = translate_all(translator, sources, options, together)
        moses = found.languages.target if arguments.moses else ""
        result = report(name, found.name, translations, pairs, numbers, moses)
        if "translations" in written:
            write_atomically(written["translations"], "".join(f"{line}\n" for line in translations).encode())
    remembered = arguments.memory_length
    own = (
        None
        if arguments.ensemble or arguments.fusion.language_model or pretrained.is_shipped(run)
        else run / f"evaluation-{name}{f'-memory-{remembered}' * (remembered is not None)}.json"
    )
    path = written.get("json", own)
    if path is not None:
        write_json(path, result)
        print(f"written to {path}", file=sys.stderr)


def _short(corpus: str) -> str:
    """What a file of a corpus' evaluation is named by: a TFDS name, or the last part of a path; the last two, if that
    alone could be a split's."""
    path = pathlib.Path(corpus.partition("[")[0].partition(",")[0])
    parts = [corpus]
    if corpus and path.exists():
        parts = [*path.resolve().parts[-1 if path.is_dir() and path.name not in SPLIT_NAMES else -2 :]]
        parts.append(corpus.partition("[")[2])
    return re.sub(r"\W+", "-", " ".join(parts)).strip("-")


def read_split(run: pathlib.Path, split: str, corpus: str = "") -> list[tuple[str, str]]:
    """The pairs of one of the splits that a run was configured with, or of another corpus of its languages."""
    return read_split_in_documents(run, split, corpus)[0]


def read_split_in_documents(run: pathlib.Path, split: str, corpus: str = "") -> tuple[list[tuple[str, str]], list[int]]:
    """As `read_split`, and the number of each pair's document."""
    where = str(run / trained.CONFIG)
    data = from_json(DataConfig, trained.read_config(run)["run"]["data"], where)
    if corpus:
        corpora: tuple[str, ...] = (corpus,)
    else:
        corpora = data.training_corpora if split == "train" else (data.corpus(split),)
    ended = [[*read_pairs(corpus, split, data.languages), ("", "")] for corpus in corpora]
    return apart(pair for corpus in ended for pair in corpus)


def translate_all(
    translator: Translator, sources: list[str], search: dict[str, Any], documents: list[int] | None = None
) -> list[str]:
    """The best translation of each source, with a progress bar.

    Args:
        translator: if it remembers, documents are translated as such.
        sources: translation units.
        search: see `Translator.translate`.
        documents: the number of each one's document.
    """
    translations: list[str] = []
    together = documents if documents and translator.remembers else None
    with tqdm(desc="translating", total=len(sources), unit=" sentences", mininterval=1, file=sys.stderr) as bar:
        while len(translations) < len(sources):
            start = len(translations)
            stop = min(start + _CHUNK, len(sources))
            while together and stop < len(sources) and together[stop] == together[stop - 1]:
                stop += 1
            own = together[start:stop] if together else None
            translations += translator.translate(sources[start:stop], documents=own, **search)
            bar.update(stop - start)
    return translations


def report(
    name: str,
    model: str,
    translations: list[str],
    pairs: list[tuple[str, str]],
    documents: list[int],
    moses: str = "",
) -> dict[str, Any]:
    """Prints the metrics as a table, and returns them with what they are of.

    Args:
        name: of the test set.
        model: what has translated.
        translations: of all pairs.
        pairs: sources and references.
        documents: the number of each pair's document; where there are several, BLEU of whole ones is among the metrics.
        moses: a language for BLEU by its rules too.
    """
    references = [reference for _, reference in pairs]
    metrics = evaluation.score(translations, references)
    if len({number for number, pair in zip(documents, pairs) if not is_blank(pair)}) > 1:
        metrics["document BLEU"] = evaluation.document_bleu(translations, references, documents)
    if moses:
        metrics["BLEU by Moses"] = evaluation.moses_bleu(translations, references, moses)
    return tell(name, model, len(pairs), metrics)
