"""`mt generate`: how text goes on."""

import dataclasses
import itertools
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Annotated

import tyro

from mt import parallel, pretrained
from mt.arguments import default
from mt.commands import lines
from mt.commands.sampling import DrawingOptions
from mt.commands.searching import BeamOptions
from mt.data.tokenized import default_cache
from mt.decoding.generator import Generator
from mt.decoding.translation import Translation, ranked_lines
from mt.errors import UserError


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Goes on with text by a language model: a run of a decoder alone whose data.source_language is empty. As many
    lines out as texts in, in order, each the text with what follows it.

    Attributes:
        run: the --workdir of a training, or a bundle.
        text: beginnings, each in quotes; an empty one is that of any text. None is standard input, one a line.
        max_tokens: added at most; less where the model has learnt from shorter text.
        n_best: ways a text goes on. With more than 1, lines are tab-separated: the text's number, the score, the
            log-probability in nats of what was added, the text.
        json: writes a JSON object a line: "line", its number; "text"; and "continuations", each with "text", "score",
            "log_prob" in nats, and "warnings": "cut" if it is as long as it may be, "repeats" if it runs in circles.
        checkpoint: "best" on the dev set, "last", or a step.
        beam: what the beam holds; left out, the run's config says.
        drawing: texts drawn at random, in place of those that are searched for.
    """

    run: tyro.conf.Positional[pathlib.Path]
    text: tyro.conf.Positional[Annotated[tuple[str, ...], default("standard input")]] = ()
    max_tokens: int = 100
    n_best: int = 1
    json: bool = False
    checkpoint: str = "best"
    beam: tyro.conf.OmitArgPrefixes[BeamOptions] = BeamOptions()
    drawing: tyro.conf.OmitArgPrefixes[DrawingOptions] = DrawingOptions()


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    if arguments.max_tokens < 1:
        raise UserError(f"--max-tokens {arguments.max_tokens}: is not positive")
    sampling = arguments.drawing.config()
    parallel.use_cores_as_devices()
    parallel.use_compilation_cache(default_cache() / "xla")
    generator = Generator.load(pretrained.locate(arguments.run), arguments.checkpoint)
    replaced, numbers = lines.Replaced(), itertools.count(1)
    for chunk in [list(arguments.text)] if arguments.text else lines.chunks((), None, replaced):
        found = generator.generate(chunk, arguments.n_best, arguments.max_tokens, sampling, **arguments.beam.given())
        for text, ways, number in zip(chunk, found, numbers):
            sys.stdout.writelines(f"{line}\n" for line in _lines(number, text, ways, arguments))
        sys.stdout.flush()
    replaced.report()


def _lines(number: int, text: str, ways: list[Translation], arguments: Arguments) -> Iterator[str]:
    """What is written of a text and how it goes on."""
    if arguments.json:
        found = {"line": number, "text": text, "continuations": [way._asdict() for way in ways]}
        yield json.dumps(found, ensure_ascii=False)
    elif arguments.n_best == 1:
        yield ways[0].text
    else:
        yield from ranked_lines(number, ways)
