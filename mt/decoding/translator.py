"""Strings in, strings out."""

import dataclasses
import itertools
import math
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mt import pretrained, trained
from mt.data.text import batched
from mt.data.tokenizers import Tokenizers
from mt.decoding.alignment import align, cross_attention
from mt.decoding.batched_search import Hypothesis, Source, max_target_length, search_sources
from mt.decoding.batches import RowWorkers
from mt.decoding.beam_search import SearchConfig, length_penalty, trace
from mt.decoding.constraints import Constrainer, Constraints
from mt.decoding.ensemble import Ensemble
from mt.decoding.minimum_risk import expected_utilities
from mt.decoding.sampling import SamplingConfig
from mt.decoding.scoring import Score, attention_maps, forced_batch, read_pairs, score_pairs
from mt.decoding.splitting import split_long
from mt.decoding.translation import Translation, join, read
from mt.errors import UserError, nearest

# Source lengths that programs are compiled for: each sentence takes the smallest that holds it.
_LENGTHS = (16, 32, 64, 128, 256, 512, 1024)
_CHUNK = 2048
_SURROGATES = re.compile("[\ud800-\udfff]")


class Attention(NamedTuple):
    """Where a model's attention looks, as a source is translated.

    Attributes:
        source: the source's tokens as the tokenizer writes them.
        inputs: those that the decoder reads, its start first.
        target: those that it writes, each after the input at the same place.
        maps: float32 [layers, heads, query, key] by the attention's name, see `attention_maps.with_attention`.
    """

    source: list[str]
    inputs: list[str]
    target: list[str]
    maps: dict[str, np.ndarray]


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
        self._constrainer = Constrainer(tokenizers.target)
        self._lengths = source_lengths(max_source_length)
        self._model = model

    @classmethod
    def load(cls, *runs: str | pathlib.Path, checkpoint: str = "best") -> "Translator":
        """The translator that a run has trained, or several as an ensemble: each token's probability is their mean.

        Args:
            runs: a folder, a bundle's, or the name of a model that ships; none is the English to French one. RUN@STEP
                is a checkpoint of its own.
            checkpoint: "best" by dev BLEU, "last", or a step.

        Raises:
            UserError: one is not a run, has no such checkpoint, or a file of it is damaged; or several do not share
                their vocabularies.
        """
        return cls.of(trained.load_together([pathlib.Path(run) for run in runs or (pretrained.DEFAULT,)], checkpoint))

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

    def translate(
        self, texts: Sequence[str], constraints: Sequence[Constraints] | None = None, **search: Any
    ) -> list[str]:
        """The best translation of each text.

        Args:
            texts: one translation unit each; an empty or blank one gives "". Half a surrogate pair counts as U+FFFD.
            constraints: see `n_best`.
            search: fields of `SearchConfig` to change, say beam_size=1.
        """
        return [best.text for best, *_ in self.n_best(texts, 1, constraints, **search)]

    def n_best(
        self,
        texts: Sequence[str],
        n: int,
        constraints: Sequence[Constraints] | None = None,
        sampling: SamplingConfig | None = None,
        **search: Any,
    ) -> list[list[Translation]]:
        """The n best translations of each text, best first; fewer where the search found fewer. None is blank, unless
        all are or `min_length` is 0.

        Args:
            texts: see `translate`.
            n: how many.
            constraints: what each translation must say or not. Of a text that is translated in parts, the first begins
                with the prefix, and has what is required. Where no translation keeps to them, there is one that does
                not, with the warning "unmet".
            sampling: draws n translations so, in place of the search; they may be alike.
            search: fields of `SearchConfig` to change.

        Raises:
            UserError: n is more than the beam, the search has no such field, or a constraint cannot be kept.
        """
        if isinstance(texts, str):
            raise UserError("translate takes a list of texts; put a single one into a list")
        config = self._search_config(search)
        if not sampling and not 1 <= n <= config.beam_size:
            raise UserError(f"n best: {n} is not between 1 and the beam size, which is {config.beam_size}")
        if constraints is not None and len(constraints) != len(texts):
            raise UserError(f"constraints: {len(constraints)} for {len(texts)} texts; give as many")
        asked = list(zip(texts, constraints or itertools.repeat(Constraints())))
        different = list(dict.fromkeys(asked))  # many a text is there more than once
        parts = self._split([_SURROGATES.sub("\ufffd", text) for text, _ in different])
        sources = [
            [self._source(ids, wanted, first) for ids, first in zip(of_text, (True, *[False] * len(of_text)))]
            for of_text, (_, wanted) in zip(parts, different)
        ]
        found = iter(self._search([source for of_text in sources for source in of_text], config, n, sampling))
        joined = {key: join([next(found) for _ in of_text]) for key, of_text in zip(different, sources)}
        return [list(joined[key]) for key in asked]

    def _source(self, ids: list[int], wanted: Constraints, first: bool) -> Source:
        if not first:
            wanted = Constraints(forbidden=wanted.forbidden)
        return Source(ids, tuple(self._constrainer.automata(wanted)))

    def _search(
        self, sources: list[Source], config: SearchConfig, n: int, sampling: SamplingConfig | None
    ) -> list[list[Translation]]:
        """Each source's translations; where none keeps to its rules, as if there were none."""

        def search(sources: list[Source]) -> list[list[Hypothesis]]:
            start = self.tokenizers.start
            return search_sources(self._workers, self._model, start, sources, config, n, self._lengths, sampling)

        found = search(sources)
        unmet = [number for number, hypotheses in enumerate(found) if not hypotheses]
        for number, hypotheses in zip(unmet, search([Source(sources[number].ids) for number in unmet])):
            found[number] = hypotheses
        target, least = self.tokenizers.target, config.min_length
        translations = [read(target, source, each, n, least) for source, each in zip(sources, found)]
        for number in unmet:
            translations[number] = [each._replace(warnings=(*each.warnings, "unmet")) for each in translations[number]]
        return translations

    def least_risk(
        self,
        texts: Sequence[str],
        samples: int,
        sampling: SamplingConfig | None = None,
        constraints: Sequence[Constraints] | None = None,
        **search: Any,
    ) -> list[list[Translation]]:
        """The different ones among each text's samples, by their mean chrF2 against all of them (Eikema and Aziz 2020,
        "Is MAP Decoding All You Need?"), which is their `score`, from 0 to 1; the best first.

        Args:
            texts: see `n_best`.
            samples: how many to draw of each.
            sampling: how; left out, by the model's own probabilities.
            constraints: see `n_best`.
            search: see `n_best`.
        """
        found = []
        for drawn in self.n_best(texts, samples, constraints, sampling or SamplingConfig(), **search):
            utilities = expected_utilities([each.text for each in drawn])
            different = {each.text: each._replace(score=utility) for each, utility in zip(drawn, utilities)}
            found.append(sorted(different.values(), key=lambda each: -each.score))
        return found

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
        config, pairs = self._search_config(search), self._pairs(sources, targets)
        found = iter(score_pairs(self._workers, self._model, self.tokenizers.start, _short(pairs), _LENGTHS))
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

    def align(
        self, sources: Sequence[str], targets: Sequence[str], layer: int | None = None
    ) -> list[list[tuple[int, int]] | None]:
        """Which word of its source each word of a translation comes from, by where the decoder looks.

        Args:
            sources: one translation unit each.
            targets: of each source.
            layer: see `alignment.cross_attention`.

        Returns:
            Of each pair, the numbers of a source word and of a target word, for each target word; words are what white
            space separates, counted from 0. None for a pair of which a side has more than 1,024 tokens.

        Raises:
            UserError: there are not as many targets as sources, the model has no such layer, or it is an ensemble.
        """
        if isinstance(self._model, Ensemble):
            raise UserError("align: is of one model, not of an ensemble; name a single run")
        depth = self._model.config.decoder_depth
        if layer is not None and not 0 <= layer < depth:
            raise UserError(f"layer: {layer} is not from 0 to {depth - 1}, the decoder's last")
        weights, pairs = cross_attention(self._model, layer), self._pairs(sources, targets)
        name, start = f"cross-attention of layer {layer}", self.tokenizers.start

        def function(params: Any, rows: Any) -> Any:
            return weights(params, forced_batch(*rows))

        found = iter(read_pairs(self._workers, self._model, name, function, start, _short(pairs), _LENGTHS))
        pieces = self.tokenizers.source.pieces, self.tokenizers.target.pieces
        return [
            None
            if max(map(len, pair)) > _LENGTHS[-1]
            else align(next(found), *(written(ids) for written, ids in zip(pieces, pair)))
            for pair in pairs
        ]

    def _pairs(self, sources: Sequence[str], targets: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Texts' ids, with eos."""
        if isinstance(sources, str) or isinstance(targets, str) or len(sources) != len(targets):
            raise UserError("sources and targets: give two lists of as many texts; put single ones into lists")
        source, target = (
            side.encode([_SURROGATES.sub("\ufffd", text) for text in texts])
            for side, texts in ((self.tokenizers.source, sources), (self.tokenizers.target, targets))
        )
        return list(zip(source, target))

    def attention(self, source: str, target: str | None = None) -> Attention:
        """Where each of the model's attention heads looks.

        Args:
            source: a translation unit of one token at least.
            target: its translation; left out, the best that the search finds.

        Raises:
            UserError: the source is blank or too long, or several models translate together.
        """
        if isinstance(self._model, Ensemble):
            raise UserError("attention: is of one model, not of an ensemble; name a single run")
        ids = self._single(source)
        if target is None:
            target = self.translate([source])[0]
        answer = self.tokenizers.target.encode([target])[0]
        inputs = [self.tokenizers.start, *answer[:-1]]
        maps = attention_maps(self._model, self.params, ids, inputs, answer)
        pieces = self.tokenizers.target.pieces
        return Attention(self.tokenizers.source.pieces(ids), pieces(inputs), pieces(answer), maps)

    def trace(
        self, source: str, **search: Any
    ) -> list[tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]]:
        """What the search has in its beam after each step: hypotheses that go on, with their log-probabilities, and the
        best that have ended, with their scores. Each is its tokens as the tokenizer writes them.

        Args:
            source: a translation unit.
            search: fields of `SearchConfig` to change.

        Raises:
            UserError: the source is blank or too long, or the search has no such field.
        """
        config, ids = self._search_config(search), self._single(source)
        longest, start = max_target_length(len(ids) - 1, config), self.tokenizers.start
        steps = trace(self._model, self.params, jnp.array([ids]), config, longest, start=start)
        pieces = self.tokenizers.target.pieces

        def written(part: dict[tuple[int, ...], float]) -> dict[tuple[str, ...], float]:
            return {tuple(pieces(tokens)): value for tokens, value in part.items()}

        return [(written(step.live), written(step.finished)) for step in steps]

    def _single(self, source: str) -> list[int]:
        """A text's ids, if it is translated in one part."""
        ids = self.tokenizers.source.encode([source])[0]
        if not 2 <= len(ids) <= self._max_source_length:
            raise UserError(
                f"the text has {len(ids) - 1} tokens; give one sentence, of 1 to {self._max_source_length - 1}"
            )
        return ids

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


def _short(pairs: list[tuple[list[int], list[int]]]) -> list[tuple[list[int], list[int]]]:
    return [pair for pair in pairs if max(map(len, pair)) <= _LENGTHS[-1]]


def source_lengths(longest: int) -> list[int]:
    """The lengths that programs are compiled for, up to that of the longest source there is."""
    return sorted({min(length, longest) for length in (*_LENGTHS, longest)})
