"""`mt align`: which words of a source its translation's words come from."""

import dataclasses
import pathlib
import sys
from typing import Annotated

import tyro

from mt import parallel
from mt.arguments import default
from mt.commands import lines, pairs
from mt.data.tokenized import default_cache
from mt.decoding.translator import Translator


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Tells which source word each target word comes from, by where the decoder looks as it writes it: a line a pair,
    of SOURCE-TARGET for each target word (Pharaoh's format); words are what white space separates, counted from 0. The
    line is empty for a pair that is blank on a side, or has more than 1,024 tokens on one, and than twice what the
    model has learned from.

    Attributes:
        run: the --workdir of a training, a bundle, or the name of a model that ships. Left out, also where the first
            name is a file's, it is en_fr_small, from English to French.
        input: a file of source, tab, target a line; or a file of sources and one of targets (.gz and .xz too). None is
            standard input, tab-separated.
        layer: of the decoder, from 0, whose heads are averaged; left out, the last but one.
        checkpoint: "best" on the dev set, "last", or a step.
    """

    run: tyro.conf.Positional[Annotated[pathlib.Path | None, default("en_fr_small", "RUN")]] = None
    input: tyro.conf.Positional[Annotated[tuple[pathlib.Path, ...], default("standard input")]] = ()
    layer: Annotated[int | None, default("the last but one", "INT")] = None
    checkpoint: str = "best"


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    run, files = lines.run_and_files(arguments.run, arguments.input)
    parallel.use_cores_as_devices()
    parallel.use_compilation_cache(default_cache() / "xla")
    pairs.check(files)
    translator = Translator.load(run, checkpoint=arguments.checkpoint)
    for chunk in pairs.worked_on(files, "aligning"):
        sources, targets = zip(*chunk)
        for found in translator.align(sources, targets, arguments.layer):
            sys.stdout.write(" ".join(f"{source}-{target}" for source, target in found or []) + "\n")
