"""`mt translate`: lines in, lines out."""

import collections
import contextlib
import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from mt import parallel, pretrained, trained
from mt.arguments import default
from mt.commands import documents, lines
from mt.commands.constraining import ConstraintOptions, LineConstraints
from mt.commands.fusing import FusionOptions
from mt.commands.requests import Request, read_request
from mt.commands.sampling import SamplingOptions
from mt.commands.searching import Search, SearchOptions
from mt.data.document_order import document_numbers
from mt.data.text import read_lines
from mt.data.tokenized import default_cache
from mt.decoding.constraints import Constraints
from mt.decoding.translation import Translation, ranked_lines
from mt.decoding.translator import Translator
from mt.documents import formats
from mt.documents.translating import SegmentTranslator
from mt.errors import UserError
from mt.files import atomic_file, check_output, parse_json


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Translates text, a sentence or paragraph a line: as many lines out as in, in order. Or whole documents, of which
    all but the text stays as it is.

    Attributes:
        run: the --workdir of a training, a bundle, or the name of a model that ships. Left out, also where the first
            name is a file's, it is en_fr_small, from English to French.
        input: files to translate, one after the other (.gz and .xz too); none is standard input.
        output: file to write, only once all is translated; empty is standard output. Of several documents it is a
            folder, where each has its own name.
        format: "lines"; "jsonl", an object a line, with "source" and, of that line alone, "prefix", "require" and
            "forbid" (lists; a list within is of alternatives) and "keep" (a list of what stays as it is); or a document
            of "text" (paragraphs, wrapped or not), "markdown", "html", "srt" (subtitles), "po" (of gettext: messages
            without a translation are given one) or "tmx" (units without the target language are given it). Left out,
            it is as the file's name ends: .md, .html, .srt, .po, .tmx; of any other, lines.
        n_best: translations a line. With more than 1, lines are tab-separated: the input line's number, the score, the
            log-probability in nats, the translation.
        json: writes a JSON object a line: "line", its number; "source"; and "translations", each with "text", "score",
            "log_prob" in nats, and "warnings": "cut" if it is as long as it may be, "repeats" if it runs in circles,
            "unmet" if it does not keep to what is asked. What else a line of --format jsonl has comes out with it.
        invalid: what becomes of bytes that are not UTF-8: "refuse" ends with a sentence before anything is translated,
            "replace" puts U+FFFD in their place and says so. Left out, a file is refused, and what comes down a pipe,
            whose translations go out as its lines come in, is replaced.
        documents: lines are of documents with blank lines between them, and each is translated with the memory of those
            before it, by a model that remembers (model.architecture document_transformer).
        split_sentences: translates each sentence of a line by itself, and not only those of a line that is too long for
            the model. Models that have seen one sentence at a time leave out some of many.
        stream: translates each line by itself as soon as it is there, in place of many together, which is faster. On a
            terminal it is so anyway.
        as_training_data: writes pairs of source, tab, target to train on, in place of translations. "forward" has the
            input as their source (knowledge distillation: a smaller model learns from this one's translations);
            "backward" has it as their target (back-translation, Sennrich et al. 2016: a model of the other direction
            learns from this one's translations of real text). Blank lines are left out.
        tag: stands before each source, say <BT> (Caswell et al. 2019); make it a piece of its own by the config's
            tokenizer.symbols.
        checkpoint: "best" on the dev set, "last", or a step.
        ensemble: further runs; a token's probability is the mean of all. RUN@STEP is a checkpoint of its own.
        search: what to search for; left out, the run's config says.
        constraints: what translations must say, and must not.
        sampling: translations drawn at random, in place of those that are searched for.
        fusion: a language model that takes part in the search.
    """

    run: tyro.conf.Positional[Annotated[pathlib.Path | None, default("en_fr_small", "RUN")]] = None
    input: tyro.conf.Positional[Annotated[tuple[pathlib.Path, ...], default("standard input")]] = ()
    output: Annotated[str, default("standard output")] = ""
    format: Annotated[
        Literal["lines", "jsonl"] | formats.Format | None,
        default("as the file's name says", "{lines,jsonl,text,markdown,html,srt,po,tmx}"),
    ] = None
    n_best: int = 1
    json: bool = False
    invalid: Annotated[
        Literal["refuse", "replace"] | None, default("refuse in files, replace down a pipe", "{refuse,replace}")
    ] = None
    documents: bool = False
    split_sentences: bool = False
    stream: bool = False
    as_training_data: Annotated[
        Literal["forward", "backward"] | None, default("translations alone", "{forward,backward}")
    ] = None
    tag: Annotated[str, default("none")] = ""
    checkpoint: str = "best"
    ensemble: Annotated[tuple[pathlib.Path, ...], default("none")] = ()
    search: tyro.conf.OmitArgPrefixes[SearchOptions] = SearchOptions()
    constraints: tyro.conf.OmitArgPrefixes[ConstraintOptions] = ConstraintOptions()
    sampling: tyro.conf.OmitArgPrefixes[SamplingOptions] = SamplingOptions()
    fusion: tyro.conf.OmitArgPrefixes[FusionOptions] = FusionOptions()


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    run, files = lines.run_and_files(arguments.run, arguments.input)
    arguments = dataclasses.replace(arguments, input=files)
    parallel.use_cores_as_devices()
    parallel.use_compilation_cache(default_cache() / "xla")
    _check(arguments)
    lines.check_existence(arguments.input)
    constraints = LineConstraints(arguments.constraints)
    if _are_documents(arguments):
        _translate_documents(run, arguments, constraints)
    else:
        _translate_lines(run, arguments, constraints)


def _check(arguments: Arguments) -> None:
    """Says which options do not go together."""
    if arguments.tag and not arguments.as_training_data:
        raise UserError("--tag: goes with --as-training-data; leave it out, or say which")
    if arguments.json and arguments.as_training_data:
        raise UserError("--json: --as-training-data writes tab-separated pairs; leave one of them out")
    if set(arguments.tag) & set("\t\r\n"):
        raise UserError("--tag: has a tab or a line's end, which would be taken for the source's; leave it out")
    if "tags" in (arguments.constraints.keep or ()) and arguments.n_best > 1:
        raise UserError("--keep tags: goes with one translation a line; leave --n-best out")
    if "tags" in (arguments.constraints.keep or ()) and arguments.format == "jsonl":
        raise UserError("--keep tags: is for lines of HTML, and those of --format jsonl are not; leave one of them out")
    if arguments.documents:
        alone = {
            "--stream": arguments.stream,
            "--split-sentences": arguments.split_sentences,
            "--least-risk": arguments.sampling.least_risk,
            "--keep tags": "tags" in (arguments.constraints.keep or ()),
        }
        for option in (option for option, is_set in alone.items() if is_set):
            raise UserError(f"{option}: is of each line by itself, and does not go with --documents; leave one out")
    arguments.sampling.config()


def _are_documents(arguments: Arguments) -> bool:
    """Whether the input is documents, and not lines."""
    if arguments.format:
        return arguments.format not in ("lines", "jsonl")
    found = {formats.of_name(path) is not None for path in arguments.input}
    if len(found) > 1:
        raise UserError("some of the files are documents, and some lines; translate them apart, or say --format")
    return True in found


def _translate_documents(run: pathlib.Path, arguments: Arguments, constraints: LineConstraints) -> None:
    of_lines = {
        "--json": arguments.json,
        "--stream": arguments.stream,
        "--documents": arguments.documents,
        "--as-training-data": arguments.as_training_data,
        "--n-best": arguments.n_best > 1,
        "--prefix": arguments.constraints.prefix,
    }
    for option in (option for option, is_set in of_lines.items() if is_set):
        raise UserError(f"{option}: is for lines, and this is a document; leave it out, or say --format lines")
    replaced = lines.Replaced()
    found = arguments.fusion.applied(trained.load_together([run, *arguments.ensemble], arguments.checkpoint))
    format_ = None if arguments.format == "lines" or arguments.format == "jsonl" else arguments.format
    jobs = documents.read(arguments.input, format_, arguments.output, found.languages, arguments.invalid, replaced)
    translator = Translator.of(found)
    search = Search(translator, 1, arguments.search, arguments.sampling)
    keep = arguments.constraints.keep
    kinds = documents.KEPT if keep is None else [kind for kind in keep if kind != "tags"]
    documents.translate(jobs, SegmentTranslator(translator, kinds, constraints.of, search.best))
    replaced.report()


def _translate_lines(run: pathlib.Path, arguments: Arguments, constraints: LineConstraints) -> None:
    output = check_output(pathlib.Path(arguments.output), "--output") if arguments.output else None
    if output in [path.resolve() for path in arguments.input]:
        raise UserError(f"--output {arguments.output}: is an input too, and would be lost; name another file")
    total = lines.check(arguments.input, arguments.invalid)
    if arguments.format == "jsonl":
        for path in arguments.input:
            for number, line in enumerate(read_lines(path, lambda what: None), 1):
                read_request(line, f"{path}, line {number}", arguments.invalid == "replace")
    found = trained.load_together([pretrained.locate(run), *arguments.ensemble], arguments.checkpoint)
    translator = Translator.of(arguments.fusion.applied(found))
    if arguments.documents and not translator.remembers:
        reads = "reads each line by itself;"
        if found.languages.whole_documents:
            reads = "reads a whole document a line; join each one's lines, and"
        raise UserError(f"--documents: {found.name} {reads} leave the option out")
    replaced, suspects = lines.Replaced(), _Suspects()
    chunks = lines.chunks(arguments.input, arguments.invalid, replaced, arguments.stream)
    chunks = lines.whole_documents(chunks, lambda line: not line.strip()) if arguments.documents else chunks
    # A bar beside translations on the same screen would only be in their way, and nobody waits for a pipe's.
    on_screen = sys.stderr.isatty()
    quiet = sys.stdout.isatty() and output is None if on_screen else output is None
    every = 0.1 if on_screen else 10
    bar = tqdm(desc="translating", total=total, unit=" lines", disable=quiet, file=sys.stderr, mininterval=every)
    with atomic_file(output) if output else contextlib.nullcontext(sys.stdout.buffer) as file, bar:
        for out in _translated(translator, chunks, arguments, constraints, suspects):
            file.write("".join(f"{line}\n" for line in out).encode())
            file.flush()
            bar.update(len(out))
    replaced.report()
    suspects.report()


class _Suspects:
    """The lines whose translations look wrong."""

    # Of a translation with one of these warnings: what is the matter, and what may help.
    _SAID = {
        ("cut", "repeats"): (
            "look wrong, as they run in circles, or to the most tokens that they may have",
            "--json says which; --no-repeat-ngram 4 may help",
        ),
        ("unmet",): ("do not keep to what is asked, as none was found that does", "--beam-size 20 may help"),
    }

    def __init__(self):
        self._counts = collections.Counter[tuple[str, ...]]()
        self._first: dict[tuple[str, ...], list[int]] = {kinds: [] for kinds in self._SAID}

    def add(self, number: int, warnings: tuple[str, ...]) -> None:
        for kinds, first in self._first.items():
            if set(kinds) & set(warnings):
                self._counts[kinds] += 1
                if len(first) < lines.SHOWN:
                    first.append(number)

    def report(self) -> None:
        for kinds, count in self._counts.items():
            matter, help_ = self._SAID[kinds]
            shown = ", ".join(map(str, self._first[kinds])) + (", ..." if count > lines.SHOWN else "")
            print(f"{count:,} of the translations {matter} (lines {shown}; {help_})", file=sys.stderr)


class _Remembered:
    """The translations of the last lines: one that keeps coming is translated once."""

    _MOST = 10_000

    def __init__(self, translate: Callable[[list[Request]], list[list[Translation]]]):
        self._translate = translate
        self._known: collections.OrderedDict[Request, list[Translation]] = collections.OrderedDict()

    def translate(self, chunk: list[Request]) -> list[list[Translation]]:
        different = list(dict.fromkeys(chunk))
        if new := [request for request in different if request not in self._known]:
            self._known.update(zip(new, self._translate(new)))
        for request in different:
            self._known.move_to_end(request)
        found = [self._known[request] for request in chunk]
        while len(self._known) > self._MOST:
            self._known.popitem(last=False)
        return found


def _translated(
    translator: Translator,
    chunks: Iterator[list[str]],
    arguments: Arguments,
    constraints: LineConstraints,
    suspects: _Suspects,
) -> Iterator[list[str]]:
    """Of each list of lines that comes in, the lines that go out."""
    own = {"split_sentences": arguments.split_sentences}
    search, number = Search(translator, arguments.n_best, arguments.search, arguments.sampling, **own), 0
    keep = arguments.constraints.keep or ()
    kinds = [kind for kind in keep if kind != "tags"]
    replace = arguments.invalid == "replace" or (arguments.invalid is None and not arguments.input)

    def asked(request: Request) -> Constraints:
        own = constraints.of(request.source).joined(request.constraints)
        return dataclasses.replace(own, keep=(*own.keep, *translator.kept(request.source, kinds)))

    def translate(different: list[Request]) -> list[list[Translation]]:
        texts = [request.source for request in different]
        if "tags" in keep:
            return documents.tagged(texts, SegmentTranslator(translator, kinds, constraints.of, search.best))
        return search.n_best(texts, [asked(request) for request in different])

    remembered = _Remembered(translate)
    for chunk in chunks:
        if arguments.format == "jsonl":
            requests = [read_request(line, f"line {number + place}", replace) for place, line in enumerate(chunk, 1)]
        elif arguments.as_training_data:
            requests = [Request(" ".join(line.split("\t")).strip()) for line in chunk]
        else:
            requests = [Request(line) for line in chunk]
        if arguments.documents:
            numbers = document_numbers(not request.source.strip() for request in requests)
            found = search.n_best([request.source for request in requests], [asked(each) for each in requests], numbers)
        else:
            found = remembered.translate(requests)
        out = []
        for request, translations in zip(requests, found):
            number += 1
            suspects.add(number, translations[0].warnings)
            out += _lines(number, request, translations, arguments)
        yield out


def _lines(number: int, request: Request, translations: list[Translation], arguments: Arguments) -> list[str]:
    """What is written of a line and its translations."""
    if arguments.as_training_data:
        pairs = [(request.source, each.text) for each in translations if request.source and each.text]
        if arguments.as_training_data == "backward":
            pairs = [pair[::-1] for pair in pairs]
        return [f"{arguments.tag} {source}".strip() + f"\t{target}" for source, target in pairs]
    if arguments.json:
        found = {"line": number, "source": request.source, "translations": [each._asdict() for each in translations]}
        return [json.dumps(parse_json(request.others) | found, ensure_ascii=False)]
    if arguments.n_best == 1:
        return [translations[0].text]
    return ranked_lines(number, translations)
