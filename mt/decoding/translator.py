"""Strings in, strings out."""

import dataclasses
import math
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mt import pretrained, trained
from mt.data.text import batched
from mt.data.tokenizers import Tokenizers
from mt.decoding.batches import RowWorkers, bound, in_batches
from mt.decoding.beam_search import Hypotheses, SearchConfig, length_penalty, search_rows
from mt.decoding.repetition import runs_in_circles
from mt.decoding.scoring import Score, score_pairs
from mt.decoding.splitting import split_long
from mt.errors import UserError, nearest

# Source lengths that programs are compiled for: each sentence takes the smallest that holds it.
_LENGTHS = (16, 32, 64, 128, 256, 512, 1024)
# Greedy search takes twice the rows of other work: products of 128 rows are near a CPU core's best, and a sentence that
# is done still takes its part of every step.
_MOST_GREEDY_ROWS = 64
_CHUNK = 2048


# What ends a line or a column somewhere: str.splitlines's, and the tab.
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


class Translation(NamedTuple):
    """One way to translate a line.

    Attributes:
        text: the translation.
        score: what the search ranks by: `log_prob` over the length penalty, summed over the parts of a line that was
            too long to translate whole.
        log_prob: in nats, the end included.
        warnings: what looks wrong: "cut", if it is as long as it may be; "repeats", if it runs in circles, as the
            source does not.
    """

    text: str
    score: float
    log_prob: float
    warnings: tuple[str, ...] = ()


class Translator:
    """A model, its tokenizers and its search. The search's programs are compiled when they are first needed.

    Threads may share it.
    """

    def __init__(self, model: Any, params: Any, tokenizers: Tokenizers, search: SearchConfig, max_source_length: int):
        """Args:
        model: an `interface.Searchable`.
        params: its parameters, on one device; may be replaced while training goes on. They are copied to all devices
            of this host, which share the sentences among them.
        tokenizers: of both sides.
        search: how to search, unless a call says otherwise.
        max_source_length: the longest source in tokens, eos included; longer ones are split.
        """
        self._workers = RowWorkers(params)
        self.tokenizers = tokenizers
        self.search = search
        self._max_source_length = max_source_length
        self._lengths = source_lengths(max_source_length)
        self._model = model

    @classmethod
    def load(cls, run: str | pathlib.Path = pretrained.DEFAULT, checkpoint: str = "best") -> "Translator":
        """The translator that a run has trained.

        Args:
            run: its folder, a bundle's, or the name of a model that ships; left out, the English to French one.
            checkpoint: "best" by dev BLEU, "last", or a step.

        Raises:
            UserError: it is not a run, has no such checkpoint, or a file of it is damaged.
        """
        return cls.of(trained.load(pretrained.locate(run), checkpoint))

    @classmethod
    def of(cls, found: trained.Trained) -> "Translator":
        """The translator of a model that was read from disk."""
        return cls(found.model, found.params, found.tokenizers, found.search, found.max_source_length)

    @property
    def params(self) -> Any:
        """The model's parameters, on one device."""
        return self._workers.params

    @params.setter
    def params(self, params: Any) -> None:
        self._workers.params = params

    def translate(self, texts: Sequence[str], **search: Any) -> list[str]:
        """The best translation of each text.

        Args:
            texts: one translation unit each; an empty or blank one gives "". Half a surrogate pair counts as U+FFFD.
            search: fields of `SearchConfig` to change, say beam_size=1.
        """
        return [best.text for best, *_ in self.n_best(texts, 1, **search)]

    def n_best(self, texts: Sequence[str], n: int, **search: Any) -> list[list[Translation]]:
        """The n best translations of each text, best first; fewer where the search found fewer. None is blank, unless
        all are or `min_length` is 0.

        Raises:
            UserError: n is more than the beam, or the search has no such field.
        """
        if isinstance(texts, str):
            raise UserError("translate takes a list of texts; put a single one into a list")
        config = self._search_config(search)
        if not 1 <= n <= config.beam_size:
            raise UserError(f"n best: {n} is not between 1 and the beam size, which is {config.beam_size}")
        different = list(dict.fromkeys(texts))  # many a text is there more than once
        parts = self._split([_SURROGATES.sub("\ufffd", text) for text in different])
        flat = [ids for of_text in parts for ids in of_text]
        found = iter(self._search(flat, config, n))
        joined = {text: _join([next(found) for _ in of_text]) for text, of_text in zip(different, parts)}
        return [list(joined[text]) for text in texts]

    def translate_lines(self, lines: Iterable[str], n: int = 1, **search: Any) -> Iterator[list[Translation]]:
        """As `n_best`, of any number of lines, a chunk at a time."""
        for chunk in batched(lines, _CHUNK):
            yield from self.n_best(chunk, n, **search)

    def score(self, sources: Sequence[str], targets: Sequence[str], **search: Any) -> list[Score | None]:
        """How likely each target is as the translation of its source.

        Args:
            sources: one translation unit each.
            targets: of each source.
            search: fields of `SearchConfig` to change; those of the length penalty count.

        Returns:
            A score a pair; None for one of which either side has more than 1,024 tokens.

        Raises:
            UserError: there are not as many targets as sources, or the search has no such field.
        """
        if isinstance(sources, str) or isinstance(targets, str) or len(sources) != len(targets):
            raise UserError("score takes two lists of as many texts; put single ones into lists")
        config = self._search_config(search)
        encoded = [
            side.encode([_SURROGATES.sub("\ufffd", text) for text in texts])
            for side, texts in ((self.tokenizers.source, sources), (self.tokenizers.target, targets))
        ]
        pairs = list(zip(*encoded))
        short = [pair for pair in pairs if max(map(len, pair)) <= _LENGTHS[-1]]
        found = iter(score_pairs(self._workers, self._model, self.tokenizers.start, short, _LENGTHS))
        scores: list[Score | None] = []
        for pair in pairs:
            if max(map(len, pair)) > _LENGTHS[-1]:
                scores.append(None)
                continue
            log_probs = next(found)
            total = math.fsum(log_probs)
            score = total / float(length_penalty(len(log_probs), config))
            scores.append(Score(score, total, self.tokenizers.target.pieces(pair[1]), log_probs))
        return scores

    def _search_config(self, changes: dict[str, Any]) -> SearchConfig:
        fields = {field.name for field in dataclasses.fields(SearchConfig)}
        for name in changes.keys() - fields:
            raise UserError(f"search has no field {name!r}{nearest(name, fields)}; it has {', '.join(sorted(fields))}")
        return dataclasses.replace(self.search, **changes)

    def _split(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """Each text's parts as ids with eos: none of a blank one, several of one too long."""
        parts, encode = [], self.tokenizers.source.encode
        for text, whole in zip(texts, encode(texts)):
            ids = [whole]
            if len(whole) > self._max_source_length:
                ids = encode(split_long(text, self._max_source_length, lambda part: len(encode([part])[0])))
            parts.append([each for each in ids if len(each) > 1 and text.strip()])
        return parts

    def _search(self, sources: list[list[int]], config: SearchConfig, n: int) -> list[list[Translation]]:
        """Each source's translations, searched for in batches of like length."""
        rows = self._workers.rows(*[_MOST_GREEDY_ROWS] * (config.beam_size == 1))

        def begin(numbers: list[int], length: int) -> Any:
            batch = _padded([sources[number] for number in numbers], bound(len(numbers), rows), length, config)
            start, longest = self.tokenizers.start, max_target_length(length - 1, config)
            search = search_rows(self._model, config, longest, n, start)
            return self._workers.begin(search, self._model, (self._model, config, longest, n, start), batch)

        def end(numbers: list[int], found: Hypotheses) -> list[list[Translation]]:
            return self._read(found, [sources[number] for number in numbers], config, n)

        lengths = [len(source) for source in sources]
        return in_batches(lengths, lambda length: bound(length, self._lengths), rows[-1], begin, end)

    def _read(
        self, hypotheses: Hypotheses, sources: list[list[int]], config: SearchConfig, n: int
    ) -> list[list[Translation]]:
        """The n best of each source; rows after theirs only filled the batch."""
        rows = (values[: len(sources)].tolist() for values in hypotheses)
        found: list[list[Translation]] = []
        for source, tokens, lengths, *numbers in zip(sources, *rows):
            words = [ids[:length] for ids, length in zip(tokens, lengths)]
            # A line stays a line, and a column a column, though bytes may spell their ends.
            texts = [_BREAKS.sub(" ", text) for text in self.tokenizers.target.decode(words)]
            ranked = [each for rank, each in enumerate(zip(texts, *numbers, words)) if not rank or each[1] > -1e9]
            said = [each for each in ranked if each[0].strip()] if config.min_length else ranked
            best = (said or ranked)[:n]
            found.append(
                [
                    Translation(text, score, log_prob, _warnings(ids, source, config))
                    for text, score, log_prob, ids in best
                ]
            )
        return found


def _padded(sources: list[list[int]], rows: int, length: int, config: SearchConfig) -> tuple[np.ndarray, np.ndarray]:
    """Sources, [rows, length], and the most tokens of each one's translation; other rows, which fill the batch, end at
    once."""
    tokens = np.zeros((rows, length), np.int32)
    limits = np.zeros(rows, np.int32)
    for row, ids in enumerate(sources):
        tokens[row, : len(ids)] = ids
        limits[row] = max_target_length(len(ids) - 1, config)
    return tokens, limits


def _warnings(tokens: list[int], source: list[int], config: SearchConfig) -> tuple[str, ...]:
    cut = len(tokens) == max_target_length(len(source) - 1, config)
    repeats = runs_in_circles(tokens) and not runs_in_circles(source)
    return ("cut",) * cut + ("repeats",) * repeats


def source_lengths(longest: int) -> list[int]:
    """The lengths that programs are compiled for, up to that of the longest source there is."""
    return sorted({min(length, longest) for length in (*_LENGTHS, longest)})


def max_target_length(source_length: int, config: SearchConfig) -> int:
    """The most tokens a translation of so many may have; neither counts eos."""
    return max(int(config.max_length_factor * source_length) + config.max_length_offset, config.min_length)


def _join(parts: list[list[Translation]]) -> list[Translation]:
    """A line's translations from those of its parts: the k-th best of each, joined."""
    if not parts:
        return [Translation("", 0.0, 0.0)]
    if len(parts) == 1:
        return parts[0]
    joined = []
    for rank in range(min(len(part) for part in parts)):
        chosen = [part[rank] for part in parts]
        text = " ".join(each.text for each in chosen)
        score, log_prob = (sum(getattr(each, name) for each in chosen) for name in ("score", "log_prob"))
        warnings = dict.fromkeys(warning for each in chosen for warning in each.warnings)
        joined.append(Translation(text, score, log_prob, tuple(warnings)))
    return joined
