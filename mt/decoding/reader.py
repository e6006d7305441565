"""What a model makes of translations that are there already."""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mt.data.tokenizers import Tokenizers
from mt.decoding.alignment import align, cross_attention, word_weights
from mt.decoding.batches import RowWorkers
from mt.decoding.beam_search import SearchConfig, length_penalty
from mt.decoding.coverage import log_coverage
from mt.decoding.document_scoring import score_documents
from mt.decoding.ensemble import Ensemble
from mt.decoding.fusion import Fused
from mt.decoding.remembering import remembers
from mt.decoding.scoring import Score, forced_batch, read_pairs, score_pairs
from mt.errors import UserError, nearest

# Of pairs that are there already, tokens of either side that a model takes at once, if it translates no longer ones.
_LONGEST = 1024
SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f]")


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


class Reader:
    """A model with its tokenizers, and what it says of pairs of texts. Threads may share it."""

    def __init__(self, model: Any, params: Any, tokenizers: Tokenizers, search: SearchConfig, max_source_length: int):
        """Args:
        model: a Flax module, or an `ensemble.Ensemble`.
        params: its parameters, on one device; may be replaced while training goes on. They are copied to all devices
            of this host, which share the sentences among them.
        tokenizers: of both sides.
        search: how to search, and to rank what is found, unless a call says otherwise.
        max_source_length: the longest source in tokens that it takes at once, eos included.
        """
        self._workers = RowWorkers(params)
        self._model = model
        self.tokenizers = tokenizers
        self.search = search
        self._max_source_length = max_source_length
        # A translation may be longer than its source.
        self._pair_lengths = program_lengths(max(_LONGEST, 2 * max_source_length))

    @property
    def longest(self) -> int:
        """The most tokens that either side of a pair may have for it to be scored or aligned, eos included."""
        return self._pair_lengths[-1]

    @property
    def params(self) -> Any:
        """The model's parameters, on one device."""
        return self._workers.params

    @params.setter
    def params(self, params: Any) -> None:
        self._workers.params = params

    def score(
        self, sources: Sequence[str], targets: Sequence[str], documents: Sequence[int] | None = None, **search: Any
    ) -> list[Score | None]:
        """How likely each target is as the translation of its source.

        Args:
            sources: one translation unit each.
            targets: of each source.
            documents: the number of the document that each pair is of. Each is scored with the memory of those of its
                document that stand before it; None is each by itself.
            search: fields of `SearchConfig` to change; those of the length penalty count.

        Returns:
            A score a pair; None for one of which either side has more tokens than `longest`.

        Raises:
            UserError: there are not as many targets as sources, the search has no such field, or the model remembers
                nothing of documents.
        """
        pairs, config = self._pairs(sources, targets), self._search_config(search)
        if documents is None:
            return self._scores(pairs, config)
        self.check_documents(documents, len(pairs))
        if config.coverage_penalty:
            raise UserError("coverage_penalty: is of each sentence by itself; set it to 0 for documents")
        start = self.tokenizers.start
        found = score_documents(self._workers, self._model, start, pairs, documents)
        return self._scored(pairs, [each for each, pair in zip(found, pairs) if self._fits(pair)], config)

    @property
    def remembers(self) -> bool:
        """Whether documents can be read with memory, see `score`."""
        return remembers(self._model)

    def check_documents(self, documents: Sequence[int], texts: int) -> None:
        """Raises UserError where texts are not to be read as documents."""
        if not self.remembers:
            raise UserError("documents: the model reads each sentence by itself; leave them out")
        if len(documents) != texts:
            raise UserError(f"documents: {len(documents)} for {texts} texts; give as many")

    def _scores(self, pairs: list[tuple[list[int], list[int]]], config: SearchConfig) -> list[Score | None]:
        """Of each by itself."""
        short, start = list(filter(self._fits, pairs)), self.tokenizers.start
        return self._scored(pairs, score_pairs(self._workers, self._model, start, short, self._pair_lengths), config)

    def _fits(self, pair: tuple[list[int], list[int]]) -> bool:
        return max(map(len, pair)) <= self.longest

    def _scored(
        self, pairs: list[tuple[list[int], list[int]]], short: list[list[float]], config: SearchConfig
    ) -> list[Score | None]:
        """Scores of pairs, given the log-probabilities of those that are not too long."""
        found = iter(short)
        attended = iter(self._attention(pairs, None)) if config.coverage_penalty else None
        scores: list[Score | None] = []
        for pair in pairs:
            if not self._fits(pair):
                scores.append(None)
                continue
            log_probs = next(found)
            total = math.fsum(log_probs)
            score = total / float(length_penalty(len(log_probs), config))
            if attended:
                score += config.coverage_penalty * log_coverage(next(attended)[: len(pair[1]), : len(pair[0])])
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
            space separates, counted from 0. None for a pair of which a side has more tokens than `longest`.

        Raises:
            UserError: see `word_weights`.
        """
        found = self.word_weights(sources, targets, layer)
        return [None if weights is None else align(weights) for weights in found]

    def word_weights(
        self, sources: Sequence[str], targets: Sequence[str], layer: int | None = None
    ) -> list[np.ndarray | None]:
        """How much the decoder looks at each source word as it writes each word of a translation.

        Args:
            sources: see `align`.
            targets: see `align`.
            layer: see `align`.

        Returns:
            Of each pair, [target words, source words], sums over their tokens. None for a pair of which a side has more
            tokens than `longest`.

        Raises:
            UserError: there are not as many targets as sources, or the model has no such layer.
        """
        pairs = self._pairs(sources, targets)
        found = iter(self._attention(pairs, layer))
        pieces = self.tokenizers.source.pieces, self.tokenizers.target.pieces
        return [
            word_weights(next(found), *(written(ids) for written, ids in zip(pieces, pair)))
            if self._fits(pair)
            else None
            for pair in pairs
        ]

    def _attention(self, pairs: list[tuple[list[int], list[int]]], layer: int | None) -> list[np.ndarray]:
        """Of those that are not too long, what `alignment.cross_attention` gives, padded."""
        model = self._model.translator if isinstance(self._model, Fused) else self._model
        members = model.members if isinstance(model, Ensemble) else [model]
        depth = min(getattr(member.config, "decoder_depth", 0) for member in members)
        if not depth:
            raise UserError("the model has no encoder-decoder attention, which tells what translations come from")
        if layer is not None and not 0 <= layer < depth:
            raise UserError(f"layer: {layer} is not from 0 to {depth - 1}, the decoder's last")
        weights = cross_attention(self._model, layer)
        name, start = f"cross-attention of layer {layer}", self.tokenizers.start

        def function(params: Any, rows: Any) -> Any:
            return weights(params, forced_batch(*rows))

        short = list(filter(self._fits, pairs))
        return read_pairs(self._workers, self._model, name, function, start, short, self._pair_lengths)

    def _pairs(self, sources: Sequence[str], targets: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Texts' ids, with eos."""
        if isinstance(sources, str) or isinstance(targets, str) or len(sources) != len(targets):
            raise UserError("sources and targets: give two lists of as many texts; put single ones into lists")
        source, target = (
            side.encode([characters(text) for text in texts])
            for side, texts in ((self.tokenizers.source, sources), (self.tokenizers.target, targets))
        )
        return list(zip(source, target))

    def _search_config(self, changes: dict[str, Any]) -> SearchConfig:
        fields = {field.name for field in dataclasses.fields(SearchConfig)}
        for name in changes.keys() - fields:
            raise UserError(f"search has no field {name!r}{nearest(name, fields)}; it has {', '.join(sorted(fields))}")
        return dataclasses.replace(self.search, **changes)

    def _single(self, source: str) -> list[int]:
        """A text's ids, if it is translated in one part."""
        ids = self.tokenizers.source.encode([source])[0]
        if not 2 <= len(ids) <= self._max_source_length:
            raise UserError(
                f"the text has {len(ids) - 1} tokens; give one sentence, of 1 to {self._max_source_length - 1}"
            )
        return ids


def characters(text: str) -> str:
    """A text without half surrogate pairs, which are no characters, and with spaces for control characters."""
    return _CONTROLS.sub(" ", SURROGATES.sub("\ufffd", text))


def program_lengths(longest: int) -> list[int]:
    """The lengths that programs are compiled for, up to that of the longest text there is: each takes the smallest that
    holds it."""
    lengths = [min(16, longest)]
    while lengths[-1] < longest:
        lengths.append(min(2 * lengths[-1], longest))
    return lengths
