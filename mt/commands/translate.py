"""`mt translate`: lines in, lines out."""

import collections
import contextlib
import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

import tyro
from tqdm import tqdm

from mt import parallel
from mt.commands import lines
from mt.commands.constraining import ConstraintOptions, LineConstraints
from mt.commands.sampling import SamplingOptions
from mt.data.tokenized import default_cache
from mt.decoding.translation import Translation
from mt.decoding.translator import Translator
from mt.errors import UserError
from mt.files import atomic_file, check_output


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
        diversity_groups: parts of the beam that search one after the other, each for other words than those before it;
            must divide the beam. With --n-best, the best of every part come first. 1 is one beam.
        diversity_strength: what a token costs in nats for each time that the parts before have chosen it in this step.
    """

    beam_size: int | None = None
    length_penalty: float | None = None
    length_normalization: Literal["gnmt", "tokens"] | None = None
    min_length: int | None = None
    max_length_factor: float | None = None
    max_length_offset: int | None = None
    no_repeat_ngram: int | None = None
    diversity_groups: int | None = None
    diversity_strength: float | None = None

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
        json: writes a JSON object a line: "line", its number; "source"; and "translations", each with "text", "score",
            "log_prob" in nats, and "warnings": "cut" if it is as long as it may be, "repeats" if it runs in circles,
            "unmet" if it does not keep to what is asked.
        invalid: what becomes of bytes that are not UTF-8: "refuse" ends with a sentence before anything is translated,
            "replace" puts U+FFFD in their place and says so. Left out, a file is refused, and what comes down a pipe,
            whose translations go out as its lines come in, is replaced.
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
    """

    run: tyro.conf.Positional[pathlib.Path | None] = None
    input: tyro.conf.Positional[tuple[pathlib.Path, ...]] = ()
    output: str = ""
    n_best: int = 1
    json: bool = False
    invalid: Literal["refuse", "replace"] | None = None
    stream: bool = False
    as_training_data: Literal["forward", "backward"] | None = None
    tag: str = ""
    checkpoint: str = "best"
    ensemble: tuple[pathlib.Path, ...] = ()
    search: tyro.conf.OmitArgPrefixes[SearchOptions] = SearchOptions()
    constraints: tyro.conf.OmitArgPrefixes[ConstraintOptions] = ConstraintOptions()
    sampling: tyro.conf.OmitArgPrefixes[SamplingOptions] = SamplingOptions()


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    run, files = lines.run_and_files(arguments.run, arguments.input)
    arguments = dataclasses.replace(arguments, input=files)
    parallel.use_cores_as_devices()
    parallel.use_compilation_cache(default_cache() / "xla")
    output = check_output(pathlib.Path(arguments.output), "--output") if arguments.output else None
    if output in [path.resolve() for path in arguments.input]:
        raise UserError(f"--output {arguments.output}: is an input too, and would be lost; name another file")
    if arguments.tag and not arguments.as_training_data:
        raise UserError("--tag: goes with --as-training-data; leave it out, or say which")
    if arguments.json and arguments.as_training_data:
        raise UserError("--json: --as-training-data writes tab-separated pairs; leave one of them out")
    if set(arguments.tag) & set("\t\r\n"):
        raise UserError("--tag: has a tab or a line's end, which would be taken for the source's; leave it out")
    arguments.sampling.config()
    lines.check(arguments.input, arguments.invalid)
    constraints = LineConstraints(arguments.constraints)
    translator = Translator.load(run, *arguments.ensemble, checkpoint=arguments.checkpoint)
    replaced, suspects = lines.Replaced(), _Suspects()
    chunks = lines.chunks(arguments.input, arguments.invalid, replaced, arguments.stream)
    # A bar beside translations on the same screen would only be in their way.
    quiet = not sys.stderr.isatty() or (sys.stdout.isatty() and output is None)
    bar = tqdm(desc="translating", unit=" lines", disable=quiet, file=sys.stderr)
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

    def __init__(self, translate: Callable[[list[str]], list[list[Translation]]]):
        self._translate = translate
        self._known: collections.OrderedDict[str, list[Translation]] = collections.OrderedDict()

    def translate(self, chunk: list[str]) -> list[list[Translation]]:
        different = list(dict.fromkeys(chunk))
        if new := [line for line in different if line not in self._known]:
            self._known.update(zip(new, self._translate(new)))
        for line in different:
            self._known.move_to_end(line)
        found = [self._known[line] for line in chunk]
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
    search, number = arguments.search.given(), 0
    sampling, least_risk = arguments.sampling.config(), arguments.sampling.least_risk

    def translate(different: list[str]) -> list[list[Translation]]:
        wanted = [constraints.of(line) for line in different]
        if least_risk and sampling:
            found = translator.least_risk(different, least_risk, sampling, wanted, **search)
            return [translations[: arguments.n_best] for translations in found]
        return translator.n_best(different, arguments.n_best, wanted, sampling, **search)

    remembered = _Remembered(translate)
    for chunk in chunks:
        if arguments.as_training_data:
            chunk = [" ".join(line.split("\t")).strip() for line in chunk]
        out = []
        for line, translations in zip(chunk, remembered.translate(chunk)):
            number += 1
            suspects.add(number, translations[0].warnings)
            out += _lines(number, line, translations, arguments)
        yield out


def _lines(number: int, line: str, translations: list[Translation], arguments: Arguments) -> list[str]:
    """What is written of a line and its translations."""
    if arguments.as_training_data:
        pairs = [(line, each.text) for each in translations if line and each.text]
        if arguments.as_training_data == "backward":
            pairs = [pair[::-1] for pair in pairs]
        return [f"{arguments.tag} {source}".strip() + f"\t{target}" for source, target in pairs]
    if arguments.json:
        found = {"line": number, "source": line, "translations": [each._asdict() for each in translations]}
        return [json.dumps(found, ensure_ascii=False)]
    if arguments.n_best == 1:
        return [translations[0].text]
    return [f"{number}\t{each.score:.6f}\t{each.log_prob:.6f}\t{each.text}" for each in translations]
