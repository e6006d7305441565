"""Strings in, strings out."""

import dataclasses
import pathlib
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from mt import parallel, pretrained, tracing, trained
from mt.data.text import batched
from mt.data.tokenizers import Tokenizers
from mt.decoding.beam_search import Hypotheses, SearchConfig, search_rows
from mt.decoding.repetition import runs_in_circles
from mt.decoding.splitting import split_long
from mt.errors import UserError, nearest

# Source lengths, and rows a device, that programs are compiled for: each sentence takes the smallest that holds it. A
# single sentence has a program of its own, on one device. Greedy search takes twice the rows: products of 128 rows are
# near a CPU core's best, and a sentence that is done still takes its part of every step.
_LENGTHS = (16, 32, 64, 128, 256, 512, 1024)
_ROWS_A_DEVICE = (4, 32)
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
        self._devices = jax.local_devices()
        self.params = params
        self.tokenizers = tokenizers
        self.search = search
        self._max_source_length = max_source_length
        self._lengths = source_lengths(max_source_length)
        self._model = model
        self._programs: dict[Any, Any] = {}
        self._compiling = threading.Lock()

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
        return self._params

    @params.setter
    def params(self, params: Any) -> None:
        self._params = params
        self._everywhere = None if params is None else parallel.replicate(params)

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
        fields = {field.name for field in dataclasses.fields(SearchConfig)}
        for name in search.keys() - fields:
            raise UserError(f"search has no field {name!r}{nearest(name, fields)}; it has {', '.join(sorted(fields))}")
        config = dataclasses.replace(self.search, **search)
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
        order = sorted(range(len(sources)), key=lambda number: len(sources[number]))
        of_device = _ROWS_A_DEVICE + ((_MOST_GREEDY_ROWS,) if config.beam_size == 1 else ())
        bounds = (1, *(rows * len(self._devices) for rows in of_device))
        results: list[list[Translation]] = [[] for _ in sources]
        running: list[tuple[list[int], Any]] = []
        start = 0
        while start < len(order) or running:
            if start < len(order):
                length = next(bound for bound in self._lengths if len(sources[order[start]]) <= bound)
                same = [number for number in order[start : start + bounds[-1]] if len(sources[number]) <= length]
                rows = next(bound for bound in bounds if len(same) <= bound)
                running.append((same, self._run([sources[number] for number in same], rows, length, config, n)))
                start += len(same)
            # One is read while the devices are at the next.
            if len(running) > 1 or start == len(order):
                same, found = running.pop(0)
                read = self._read(parallel.fetch_rows(found), [sources[number] for number in same], config, n)
                for number, translations in zip(same, read):
                    results[number] = translations
        return results

    def _run(self, sources: list[list[int]], rows: int, length: int, config: SearchConfig, n: int) -> Any:
        """Begins to search for a batch's translations."""
        tokens = np.zeros((rows, length), np.int32)
        limits = np.zeros(rows, np.int32)  # rows that only fill the batch end at once
        for row, ids in enumerate(sources):
            tokens[row, : len(ids)] = ids
            limits[row] = max_target_length(len(ids) - 1, config)
        program = self._program(rows, length, config, n)
        return program(self._params if rows == 1 else self._everywhere, (tokens, limits))

    def _program(self, rows: int, length: int, config: SearchConfig, n: int) -> Any:
        """The search of so many sources, compiled for one device if it is a single one, or else for all."""
        key = rows, length, config, n
        with self._compiling:
            if key not in self._programs:
                self._programs[key] = self._compile(*key)
            return self._programs[key]

    def _compile(self, rows: int, length: int, config: SearchConfig, n: int) -> Any:
        devices = self._devices[:1] if rows == 1 else self._devices
        of_device = rows // len(devices)
        longest = max_target_length(length - 1, config)
        start = self.tokenizers.start
        search = tracing.program(
            search_rows(self._model, config, longest, n, start),
            self._model,
            repr((self._model, config, longest, n, start)),
            self._params,
            (jax.ShapeDtypeStruct((of_device, length), np.int32), jax.ShapeDtypeStruct((of_device,), np.int32)),
        )
        return parallel.row_parallel(search, devices)

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
