"""Beam search for many sources of many lengths, each with rules of its own or none: ids in, ids out."""

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mt.decoding.automata import Automaton
from mt.decoding.batches import RowWorkers, bound, in_batches
from mt.decoding.beam_search import Hypotheses, SearchConfig, search_rows
from mt.decoding.remembering import after, stacked
from mt.decoding.rules import stack
from mt.decoding.sampling import SamplingConfig, sample_rows
from mt.decoding.selection import NEVER
from mt.models.interface import Searchable

# Greedy search takes twice the rows of other work: products of 128 rows are near a CPU core's best, and a sentence that
# is done still takes its part of every step.
_MOST_GREEDY_ROWS = 64
_WIDEST_FOR_RULES = 64
_WORD = 0xFFFFFFFF


class Source(NamedTuple):
    """What is to be translated.

    Attributes:
        ids: with eos.
        rules: that the translation keeps to.
        room: tokens that the translation may have at most, whatever the config says; -1 is what that says.
    """

    ids: list[int]
    rules: tuple[Automaton, ...] = ()
    room: int = -1


class Hypothesis(NamedTuple):
    """A translation.

    Attributes:
        tokens: without eos.
        score: see `Hypotheses`.
        log_prob: in nats, eos included.
        cut: whether it is as long as it may be.
    """

    tokens: list[int]
    score: float
    log_prob: float
    cut: bool


class _Shape(NamedTuple):
    """What sources have in common that one program searches for."""

    rules: tuple[int, ...]  # automata, states and classes; none without rules
    beam: int
    more: int  # tokens that a translation may be longer, for what the rules want
    length: int


def search_sources(
    workers: RowWorkers,
    model: Searchable,
    start: int,
    sources: Sequence[Source],
    config: SearchConfig,
    n: int,
    lengths: Sequence[int],
    sampling: SamplingConfig | None = None,
    carries: Sequence[Any] | None = None,
) -> list[list[Hypothesis]]:
    """The n best translations of each source, and some more, best first; none if none that was found keeps to its
    rules. Or n samples of each.

    Args:
        workers: have the parameters.
        model: what to search.
        start: the token that the decoder begins with.
        sources: none longer than the last of `lengths`.
        config: of the search. Rules that want something said may widen the beam, and lengthen what may be said.
        n: see `beam_search.beam_search`.
        lengths: of sources, that programs are compiled for.
        sampling: how to draw samples, in place of a search.
        carries: what is remembered before each source, see `remembering.After`; None is nothing.
    """
    if sampling:
        config = dataclasses.replace(config, beam_size=n, diversity_groups=1)
    heights = workers.rows(*[_MOST_GREEDY_ROWS] * (config.beam_size == 1))

    def limit(source: Source) -> int:
        most = max_target_length(len(source.ids) - 1, config) + _more(source)
        return most if source.room < 0 else min(most, source.room)

    def begin(numbers: list[int], shape: _Shape, height: int) -> Any:
        chosen = [sources[number] for number in numbers]
        tokens, limits = np.zeros((height, shape.length), np.int32), np.zeros(height, np.int32)
        for row, source in enumerate(chosen):  # other rows, which fill the batch, end at once
            tokens[row, : len(source.ids)] = source.ids
            limits[row] = limit(source)
        batch: Any = tokens, limits
        if sampling:
            ids = [np.array(source.ids, np.int32) for source in chosen] + [tokens[0, :0]] * (height - len(chosen))
            batch = *batch, np.array([zlib.crc32(each.tobytes(), sampling.seed & _WORD) for each in ids], np.uint32)
        if shape.rules:
            rules = [source.rules for source in chosen] + [()] * (height - len(chosen))
            batch = *batch, stack(rules, shape.rules, len(chosen[0].rules[0].classes))
        longest = max_target_length(shape.length - 1, config) + shape.more
        own = dataclasses.replace(config, beam_size=shape.beam)
        how = dataclasses.replace(sampling, seed=0) if sampling else None  # the seed is an argument

        def work(model: Searchable) -> Callable[[Any, Any], Hypotheses]:
            return sample_rows(model, own, how, longest, start) if how else search_rows(model, own, longest, n, start)

        identity = model, own, how, longest, n, start
        if carries is None:
            return workers.begin(work(model), model, identity, batch)
        carry = stacked([carries[number] for number in numbers], height)
        return workers.begin(after(model, work), model, ("after", *identity), (carry, *batch))

    def end(numbers: list[int], found: Hypotheses) -> list[list[Hypothesis]]:
        columns = (values[: len(numbers)].tolist() for values in found)
        once = config.diversity_groups > 1
        return [_read(sources[number], limit(sources[number]), row, once) for number, *row in zip(numbers, *columns)]

    sizes = [(_shape(source, config, lengths, not sampling), len(source.ids)) for source in sources]
    return in_batches(sizes, lambda size: size[0], lambda _: heights, begin, end)


def max_target_length(source_length: int, config: SearchConfig) -> int:
    """The most tokens a translation of so many may have; neither counts eos."""
    return max(int(config.max_length_factor * source_length) + config.max_length_offset, config.min_length)


def _read(source: Source, limit: int, row: list[list[Any]], once: bool) -> list[Hypothesis]:
    """A row of hypotheses, each once if so it shall be: the parts of a diverse beam may find the same."""
    ranked = [
        Hypothesis(tokens[:length], score, log_prob, length == limit)
        for tokens, length, score, log_prob in zip(*row)
        if score > NEVER
    ]
    if once:
        ranked = list({tuple(each.tokens): each for each in reversed(ranked)}.values())[::-1]
    return ranked if ranked or source.rules else [Hypothesis([], NEVER, NEVER, False)]


def _shape(source: Source, config: SearchConfig, lengths: Sequence[int], widen: bool) -> _Shape:
    length = bound(len(source.ids), lengths)
    if not source.rules:
        return _Shape((), config.beam_size, 0, length)
    # Programs are few: each takes seconds to compile.
    states, classes = (max(size) for size in zip(*(rule.table.shape for rule in source.rules)))
    automata = _power_of_two(len(source.rules), 1)
    stages = 1 + sum(int(rule.tokens_left[0]) for rule in source.rules if rule.wanted)
    beam = config.beam_size
    if widen and stages > 1:
        beam = max(beam, min(_power_of_two(stages, 8), _WIDEST_FOR_RULES) * config.diversity_groups)
    rules = automata, _power_of_two(states, 32), _power_of_two(classes, 64)
    return _Shape(rules, beam, _power_of_two(_more(source), 16), length)


def _more(source: Source) -> int:
    return sum(int(rule.tokens_left[0]) for rule in source.rules)


def _power_of_two(number: int, least: int) -> int:
    return max(least, 1 << max(number - 1, 0).bit_length())
