"""`mt tune`: the beam and the length penalty that are best on the dev set."""

import dataclasses
import pathlib
import sys
import time
from typing import Any, Literal

import tyro

from mt import evaluation, parallel, pretrained, trained
from mt.bundles import is_bundle
from mt.commands.evaluate import read_split_in_documents, translate_all
from mt.data.tokenized import default_cache
from mt.decoding.beam_search import SearchConfig
from mt.decoding.translator import Translator
from mt.errors import UserError
from mt.files import write_json
from mt.serialization import to_json


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Translates the dev set under several settings of the search and says which is the best: first the length
    penalties with the run's own beam, then the beams with the best of the penalties.

    Attributes:
        run: the --workdir of a training, a bundle, or the name of a model that ships.
        beam_sizes: beams to try.
        length_penalties: exponents to try; 0 compares log-probabilities alone.
        metric: what is to be highest.
        sentences: how many of the dev set, evenly spread; 0 is all of them.
        checkpoint: "best" on the dev set, "last", or a step.
        save: whether to keep what was found in the run's config, for all that translates with it.
    """

    run: tyro.conf.Positional[pathlib.Path]
    beam_sizes: tuple[int, ...] = (1, 2, 4, 6, 8)
    length_penalties: tuple[float, ...] = (0.0, 0.3, 0.6, 0.8, 1.0, 1.2, 1.5)
    metric: Literal["BLEU", "chrF"] = "BLEU"
    sentences: int = 0
    checkpoint: str = "best"
    save: bool = False


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    arguments = dataclasses.replace(arguments, run=pretrained.locate(arguments.run))
    if arguments.save and is_bundle(arguments.run):
        raise UserError(f"--save: {arguments.run} is a bundle, which is not changed; tune the run, and export it again")
    if not arguments.beam_sizes or not arguments.length_penalties:
        raise UserError("--beam-sizes and --length-penalties: name at least one of each")
    if arguments.sentences < 0:
        raise UserError(f"--sentences {arguments.sentences}: is negative; 0 is all of them")
    parallel.use_cores_as_devices()
    parallel.use_compilation_cache(default_cache() / "xla")
    for number in arguments.beam_sizes:
        SearchConfig(beam_size=number)  # says what is out of range before any work
    for penalty in arguments.length_penalties:
        SearchConfig(length_penalty=penalty)
    pairs, numbers = read_split_in_documents(arguments.run, "dev")
    wanted = arguments.sentences or len(pairs)
    pairs = pairs[:: max(1, len(pairs) // wanted)][:wanted]
    found = trained.load(arguments.run, arguments.checkpoint)
    translator = Translator.of(found)
    print(f"dev: {len(pairs):,} sentences, by {found.name}")
    print(f"{'beam':>6}{'penalty':>9}{arguments.metric:>8}{'seconds':>9}")
    tried: dict[SearchConfig, float] = {}

    def attempt(**changes: Any) -> None:
        search = dataclasses.replace(found.search, **changes)
        if search in tried:
            return
        begin = time.perf_counter()
        translations = translate_all(translator, [source for source, _ in pairs], to_json(search))
        seconds = time.perf_counter() - begin
        tried[search] = evaluation.score_by(arguments.metric, translations, [target for _, target in pairs])
        print(f"{search.beam_size:6}{search.length_penalty:9.2f}{tried[search]:8.2f}{seconds:9.1f}", flush=True)

    widest = found.search.beam_size if found.search.beam_size > 1 else max(arguments.beam_sizes)
    for penalty in arguments.length_penalties:
        attempt(beam_size=widest, length_penalty=penalty)
    best = max(tried, key=tried.__getitem__)
    for number in arguments.beam_sizes:
        attempt(beam_size=number, length_penalty=best.length_penalty)
    best = max(tried, key=tried.__getitem__)
    print(f"best: --beam-size {best.beam_size} --length-penalty {best.length_penalty:g}")
    if arguments.save:
        described = trained.read_config(arguments.run)
        described.setdefault("search_before_tuning", described["run"]["search"])
        described["run"]["search"] = to_json(best)
        write_json(arguments.run / trained.CONFIG, described)
        print(f"kept in {arguments.run / trained.CONFIG}", file=sys.stderr)
