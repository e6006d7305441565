"""`mt score`: how likely a model finds translations that are there already."""

import dataclasses
import itertools
import json
import math
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import tyro

from mt import parallel, pretrained, trained
from mt.arguments import default
from mt.commands import lines, pairs
from mt.commands.fusing import FusionOptions
from mt.commands.searching import SearchOptions
from mt.data.document_order import document_numbers, is_blank
from mt.data.tokenized import default_cache
from mt.decoding.generator import Generator
from mt.decoding.scoring import Score
from mt.decoding.translator import Translator
from mt.errors import UserError


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Tells how likely each target is as the translation of its source: a line a pair, in order, of the score by which
    the search ranks, a tab, and the log-probability in nats, the end included; "nan" twice for a pair of which a side
    has more than 1,024 tokens, and than twice what the model has learned from. By a language model, how likely each
    line of text is.

    Attributes:
        run: the --workdir of a training, a bundle, or the name of a model that ships. Left out, also where the first
            name is a file's, it is en_fr_small, from English to French.
        input: a file of source, tab, target a line; or a file of sources and one of targets (.gz and .xz too). None is
            standard input, tab-separated. Of text, files of lines.
        json: writes a JSON object a line: "line", its number; "source"; "target"; "score"; "log_prob" in nats; and
            "tokens", each of the target's with its log-probability. Numbers are null where they would be nan.
        documents: pairs are of documents with blank pairs between them, and each is scored with the memory of those
            before it, by a model that remembers (model.architecture document_transformer). Of blank ones both numbers
            are 0, and they do not count.
        checkpoint: "best" on the dev set, "last", or a step.
        ensemble: further runs; a token's probability is the mean of all. RUN@STEP is a checkpoint of its own.
        search: whose length penalty counts; left out, the run's config says.
        fusion: a language model that takes part in the search.
    """

    run: tyro.conf.Positional[Annotated[pathlib.Path | None, default("en_fr_small", "RUN")]] = None
    input: tyro.conf.Positional[Annotated[tuple[pathlib.Path, ...], default("standard input")]] = ()
    json: bool = False
    documents: bool = False
    checkpoint: str = "best"
    ensemble: Annotated[tuple[pathlib.Path, ...], default("none")] = ()
    search: tyro.conf.OmitArgPrefixes[SearchOptions] = SearchOptions()
    fusion: tyro.conf.OmitArgPrefixes[FusionOptions] = FusionOptions()


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    run, files = lines.run_and_files(arguments.run, arguments.input)
    parallel.use_cores_as_devices()
    parallel.use_compilation_cache(default_cache() / "xla")
    found = trained.load_together([pretrained.locate(run), *arguments.ensemble], arguments.checkpoint)
    found = arguments.fusion.applied(found)
    reader = Translator.of(found) if found.languages.source else Generator.of(found)
    numbers, tokens, total, long = itertools.count(1), 0, 0.0, 0
    for chunk, scores in _scored(reader, found.name, files, arguments.documents, arguments.search.given()):
        for pair, score, number in zip(chunk, scores, numbers):  # the endless one last, or it would lose a number
            sys.stdout.write(_line(number, pair, score, arguments.json) + "\n")
            if score is None:
                long += 1
            else:
                tokens, total = tokens + len(score.log_probs), total + score.log_prob
    if long:
        pairs_have = "pairs have" if long > 1 else "pair has"
        remembered = ", though it is remembered where others follow" * arguments.documents
        longest = f"{reader.longest:,} tokens on a side"
        print(f"{long:,} {pairs_have} more than {longest}, and no score{remembered}", file=sys.stderr)
    if tokens:
        print(
            f"{tokens:,} target tokens: {-total / tokens:.4f} nats each, perplexity {math.exp(-total / tokens):.3f}",
            file=sys.stderr,
        )


def _scored(
    reader: Translator | Generator, name: str, files: tuple[pathlib.Path, ...], documents: bool, search: dict[str, Any]
) -> Iterator[tuple[Sequence[pairs.Pair], list[Score | None]]]:
    """Pairs, or text with nothing as its source, a list at a time, each with its score."""
    if isinstance(reader, Translator):
        pairs.check(files)
        if documents and not reader.remembers:
            raise UserError(f"--documents: {name} reads each sentence by itself; leave the option out")
        for chunk in pairs.worked_on(files, "scoring", documents):
            sources, targets = map(list, zip(*chunk))
            if documents:
                yield chunk, _of_documents(reader, chunk, search)
            else:
                yield chunk, reader.score(sources, targets, **search)
        return
    if documents:
        raise UserError(f"--documents: {name} reads text alone; leave the option out")
    lines.check(files, "refuse")
    replaced = lines.Replaced()
    for texts in lines.chunks(files, None, replaced):
        yield [("", text) for text in texts], reader.likelihoods(texts, **search)
    replaced.report()


def _of_documents(translator: Translator, chunk: Sequence[pairs.Pair], search: dict[str, Any]) -> list[Score | None]:
    """Blank pairs only part documents: nothing is counted of them."""
    found: list[Score | None] = [Score(0.0, 0.0, [], []) for _ in chunk]
    numbers = document_numbers(map(is_blank, chunk))
    places = [place for place, pair in enumerate(chunk) if not is_blank(pair)]
    sources, targets = ([chunk[place][side] for place in places] for side in range(2))
    scores = translator.score(sources, targets, [numbers[place] for place in places], **search)
    for place, score in zip(places, scores):
        found[place] = score
    return found


def _line(number: int, pair: pairs.Pair, score: Score | None, as_json: bool) -> str:
    if not as_json:
        return "nan\tnan" if score is None else f"{score.score:.6f}\t{score.log_prob:.6f}"
    found = {"line": number, "source": pair[0], "target": pair[1], "score": None, "log_prob": None, "tokens": None}
    if score is not None:
        tokens = [[piece, round(log_prob, 6)] for piece, log_prob in zip(score.pieces, score.log_probs)]
        found |= {"score": score.score, "log_prob": score.log_prob, "tokens": tokens}
    return json.dumps(found, ensure_ascii=False)
