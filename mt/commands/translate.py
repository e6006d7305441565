"""`mt translate`: lines in, lines out."""

import dataclasses
import itertools
import pathlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import tyro
from tqdm import tqdm

from mt import parallel, pretrained
from mt.data.text import decode_lines, read_lines
from mt.data.tokenized import default_cache
from mt.decoding.translator import Translator
from mt.errors import UserError
from mt.files import check_output, write_atomically


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """What to search for; left out, the run's config says.

    Attributes:
        beam_size: hypotheses kept a sentence; 1 is greedy search.
        length_penalty: 0 compares log-probabilities alone, more favours longer translations.
        length_normalization: "gnmt" divides by ((5 + tokens) / 6) to the power of the penalty, "tokens" by the tokens'.
        min_length: tokens a translation has at least.
        max_length_factor: tokens a translation has at most, for each token of the source, ...
        max_length_offset: ... and in addition.
        no_repeat_ngram: so many tokens that stand in a translation do not follow each other there again; 0 is no such
            rule, 3 or 4 usual.
    """

    beam_size: int | None = None
    length_penalty: float | None = None
    length_normalization: Literal["gnmt", "tokens"] | None = None
    min_length: int | None = None
    max_length_factor: float | None = None
    max_length_offset: int | None = None
    no_repeat_ngram: int | None = None

    def given(self) -> dict[str, Any]:
        """Only the options that were set."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Translates text, a sentence or paragraph a line: as many lines out as in, in order.

    Attributes:
        run: the --workdir of a training, a bundle, or the name of a model that ships. Left out, also where the first
            name is a file's, it is en_fr_small, from English to French.
        input: files to translate, one after the other (.gz and .xz too); none is standard input.
        output: file to write, only once all is translated; empty is standard output.
        n_best: translations a line. With more than 1, lines are tab-separated: the input line's number, the score, the
            log-probability in nats, the translation.
        as_training_data: writes pairs of source, tab, target to train on, in place of translations. "forward" has the
            input as their source (knowledge distillation: a smaller model learns from this one's translations);
            "backward" has it as their target (back-translation, Sennrich et al. 2016: a model of the other direction
            learns from this one's translations of real text). Blank lines are left out.
        tag: stands before each source, say <BT> (Caswell et al. 2019); make it a piece of its own by the config's
            tokenizer.symbols.
        checkpoint: "best" on the dev set, "last", or a step.
        search: what to search for; left out, the run's config says.
    """

    run: tyro.conf.Positional[pathlib.Path | None] = None
    input: tyro.conf.Positional[tuple[pathlib.Path, ...]] = ()
    output: str = ""
    n_best: int = 1
    as_training_data: Literal["forward", "backward"] | None = None
    tag: str = ""
    checkpoint: str = "best"
    search: tyro.conf.OmitArgPrefixes[SearchOptions] = SearchOptions()


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    run = arguments.run
    if run is None or run.is_file():
        arguments = dataclasses.replace(arguments, input=(run, *arguments.input) if run else ())
        run = pathlib.Path(pretrained.DEFAULT)
        print(f"no run is named: translating with {run}, the English to French model that ships", file=sys.stderr)
    parallel.use_cores_as_devices()
    parallel.use_compilation_cache(default_cache() / "xla")
    for path in arguments.input:
        if not path.is_file():
            raise UserError(f"{path}: {'not a file' if path.exists() else 'no such file'}; check the path")
    output = check_output(pathlib.Path(arguments.output), "--output") if arguments.output else None
    if output in [path.resolve() for path in arguments.input]:
        raise UserError(f"--output {arguments.output}: is an input too, and would be lost; name another file")
    if arguments.tag and not arguments.as_training_data:
        raise UserError("--tag: goes with --as-training-data; leave it out, or say which")
    if set(arguments.tag) & set("\t\r\n"):
        raise UserError("--tag: has a tab or a line's end, which would be taken for the source's; leave it out")
    translator = Translator.load(run, arguments.checkpoint)
    lines: Iterable[str] = _translated(translator, arguments)
    # A bar beside translations on the same screen would only be in their way.
    quiet = not sys.stderr.isatty() or (sys.stdout.isatty() and output is None)
    lines = tqdm(lines, desc="translating", unit=" lines", disable=quiet, file=sys.stderr)
    if output is not None:
        write_atomically(output, "".join(f"{line}\n" for line in lines).encode())
        return
    for line in lines:
        sys.stdout.buffer.write(f"{line}\n".encode())
    sys.stdout.buffer.flush()


def _input(paths: tuple[pathlib.Path, ...]) -> Iterator[str]:
    if not paths:
        yield from decode_lines(sys.stdin.buffer, "standard input")
    for path in paths:
        yield from read_lines(path)


def _pairs(translator: Translator, arguments: Arguments) -> Iterator[str]:
    """Lines of source, tab, target."""
    inputs, kept = itertools.tee(" ".join(line.split("\t")).strip() for line in _input(arguments.input))
    found = translator.translate_lines(inputs, arguments.n_best, **arguments.search.given())
    for line, translations in zip(kept, found):
        for each in translations:
            if line and each.text:
                source, target = (line, each.text) if arguments.as_training_data == "forward" else (each.text, line)
                yield f"{arguments.tag} {source}".strip() + f"\t{target}"


def _translated(translator: Translator, arguments: Arguments) -> Iterator[str]:
    if arguments.as_training_data:
        yield from _pairs(translator, arguments)
        return
    found = translator.translate_lines(_input(arguments.input), arguments.n_best, **arguments.search.given())
    for number, translations in enumerate(found, 1):
        if arguments.n_best == 1:
            yield translations[0].text
        else:
            for each in translations:
                yield f"{number}\t{each.score:.6f}\t{each.log_prob:.6f}\t{each.text}"
