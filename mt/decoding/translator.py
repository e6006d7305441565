"""Strings in, strings out."""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from mt import pretrained, trained
from mt.data.text import batched
from mt.data.tokenizers import Tokenizers
from mt.decoding.batched_search import Hypothesis, Source, max_target_length, search_sources
from mt.decoding.beam_search import WIDEST, SearchConfig, trace
from mt.decoding.constraints import Constrainer, Constraints
from mt.decoding.ensemble import Ensemble
from mt.decoding.fusion import DEFAULT_WEIGHT, Fused
from mt.decoding.keeping import Hidden, Kind, find, says_nothing
from mt.decoding.minimum_risk import expected_utilities
from mt.decoding.reader import Attention, Reader, characters, program_lengths
from mt.decoding.sampling import SamplingConfig
from mt.decoding.scoring import attention_maps
from mt.decoding.splitting import split
from mt.decoding.translation import Translation, join, read
from mt.decoding.turns import in_turns
from mt.errors import UserError

_CHUNK = 2048


class _Asked(NamedTuple):
    """What a translation must be of: the same of the same, unless it has a place of its own."""

    text: str
    says_nothing: bool
    wanted: Constraints
    place: int | None


class Translator(Reader):
    """A model, its tokenizers and its search. The search's programs are compiled when they are first needed.

    Threads may share it.
    """

    def __init__(
        self,
        model: Any,
        params: Any,
        tokenizers: Tokenizers,
        search: SearchConfig,
        max_source_length: int,
        whole_documents: bool = False,
    ):
        """See `Reader`. Longer sources than `max_source_length` are split: into sentences, or where the model has
        learned from whole documents, into stretches as long as may be."""
        super().__init__(model, params, tokenizers, search, max_source_length)
        self._whole_documents = whole_documents
        self._constrainer = Constrainer(tokenizers.target)
        self._lengths = program_lengths(max_source_length)

    @classmethod
    def load(
        cls,
        *runs: str | pathlib.Path,
        checkpoint: str = "best",
        language_model: str | pathlib.Path | None = None,
        weight: float = DEFAULT_WEIGHT,
    ) -> "Translator":
        """The translator that a run has trained, or several as an ensemble: each token's probability is their mean.

        Args:
            runs: a folder, a bundle's, or the name of a model that ships; none is the English to French one. RUN@STEP
                is a checkpoint of its own.
            checkpoint: "best" by dev BLEU, "last", or a step.
            language_model: a run of a language model of the target, for shallow fusion; None is without.
            weight: what its log-probabilities count, beside the translator's.

        Raises:
            UserError: one is not a run, has no such checkpoint, or a file of it is damaged; or several do not share
                their vocabularies.
        """
        found = trained.load_together([pathlib.Path(run) for run in runs or (pretrained.DEFAULT,)], checkpoint)
        return cls.of(trained.fused(found, pathlib.Path(language_model), weight) if language_model else found)

    @classmethod
    def of(cls, found: trained.Trained) -> "Translator":
        """The translator of a model that was read from disk.

        Raises:
            UserError: it does not translate.
        """
        trained.check_translates(found)
        whole = found.languages.whole_documents
        return cls(found.model, found.params, found.tokenizers, found.search, found.max_source_length, whole)

    def translate(
        self, texts: Sequence[str], constraints: Sequence[Constraints] | None = None, **search: Any
    ) -> list[str]:
        """The best translation of each text.

        Args:
            texts: one translation unit each; an empty or blank one gives "", and one of which the vocabulary has
                nothing itself. Half a surrogate pair counts as U+FFFD, a control character as a space.
            constraints: see `n_best`.
            search: fields of `SearchConfig` to change, say beam_size=1, and `n_best`'s other arguments.
        """
        return [best.text for best, *_ in self.n_best(texts, 1, constraints, **search)]

    def n_best(
        self,
        texts: Sequence[str],
        n: int,
        constraints: Sequence[Constraints] | None = None,
        sampling: SamplingConfig | None = None,
        documents: Sequence[int] | None = None,
        split_sentences: bool = False,
        **search: Any,
    ) -> list[list[Translation]]:
        """The n best translations of each text, best first; fewer where the search found fewer. None is blank, unless
        all are or `min_length` is 0.

        Args:
            texts: see `translate`.
            n: how many.
            constraints: what each translation must say or not. Of a text that is translated in parts, the first begins
                with the prefix and has what is required, and terms are where their source is. Where no translation
                keeps to them, there is one that does not, with the warning "unmet".
            sampling: draws n translations so, in place of the search; they may be alike.
            documents: the number of the document that each text is of. Texts of one are translated in their order, each
                with the memory of those before it and of their best translations; None is each by itself.
            split_sentences: translates each sentence of a text by itself, and not only those of one that is too long.
            search: fields of `SearchConfig` to change.

        Raises:
            UserError: a text is no string, n is more than the beam, the search has no such field, a constraint cannot
                be kept, or the model remembers nothing of documents.
        """
        if isinstance(texts, str | bytes | Mapping):
            raise UserError("translate takes a list of texts; put a single one into a list")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise UserError(f"text {number}: {type(text).__name__}, not str")
        config = self._search_config(search)
        if sampling and not 1 <= n <= WIDEST:
            raise UserError(f"samples: {n} of a text are not between 1 and {WIDEST}")
        if not sampling and not 1 <= n <= config.beam_size:
            raise UserError(f"n best: {n} is not between 1 and the beam size, which is {config.beam_size}")
        if constraints is not None and len(constraints) != len(texts):
            raise UserError(f"constraints: {len(constraints)} for {len(texts)} texts; give as many")
        if documents is not None:
            self.check_documents(documents, len(texts))
        hidden, asked = [], []
        for number, (text, wanted) in enumerate(zip(texts, constraints or itertools.repeat(Constraints()))):
            hidden.append(self.hide(text, wanted.keep))
            wanted = dataclasses.replace(wanted, keep=tuple(hidden[-1].parts))
            asked.append(_Asked(hidden[-1].text, hidden[-1].says_nothing, wanted, number if documents else None))
        different = list(dict.fromkeys(asked))  # many a text is there more than once
        parts = self._split(["" if each.says_nothing else each.text for each in different], split_sentences)
        sources = [
            [
                None if says_nothing(part, own.keep) else Source(ids, tuple(self._constrainer.automata(own)))
                for (part, ids), own in zip(of_text, each.wanted.shared_out([part for part, _ in of_text]))
            ]
            for of_text, each in zip(parts, different)
        ]
        every = [source for of_text in sources for source in of_text if source]
        if documents is None:
            found = iter(self._search(every, config, n, sampling))
        else:
            numbers = [number for number, of_text in zip(documents, sources) for source in of_text if source]
            found = iter(self._search_in_turns(every, config, n, sampling, numbers))
        joined = {}
        for each, of_text, own in zip(different, parts, sources):
            as_it_is = ([Translation(part, 0.0, 0.0)] * n for part, _ in of_text)
            both = [next(found) if source else same for source, same in zip(own, as_it_is)]
            joined[each] = join(each.text, both)
        for each in different:
            if each.says_nothing:
                joined[each] = [Translation(each.text, 0.0, 0.0)]
        return [[best._replace(text=each.shown(best.text)) for best in joined[key]] for each, key in zip(hidden, asked)]

    def kept(self, text: str, kinds: Collection[Kind], beside: Collection[str] = ()) -> tuple[str, ...]:
        """The parts of a text that `Constraints.keep` would keep of these kinds; see `keeping.find`."""
        return find(text, kinds, self._is_unknown, beside)

    def _is_unknown(self, word: str) -> bool:
        pieces = self.tokenizers.source.pieces(self.tokenizers.source.encode([word])[0])
        return any(re.fullmatch("<unk>|<0x[0-9A-F]{2}>", piece) for piece in pieces)

    def hide(self, text: str, parts: Sequence[str]) -> Hidden:
        """A text as `n_best` sees it where some of its parts are to be kept; see `keeping.hide`."""
        return self._constrainer.hide(characters(text), parts)

    def _search_in_turns(
        self,
        sources: list[Source],
        config: SearchConfig,
        n: int,
        sampling: SamplingConfig | None,
        documents: Sequence[int],
    ) -> list[list[Translation]]:
        """As `_search`, each source with the memory of those of its document that stand before it."""
        found: list[list[Translation]] = [[] for _ in sources]

        def work(turn: list[int], carries: list[Any]) -> list[tuple[list[int], list[int]]]:
            own = [sources[number] for number in turn]
            for number, translations in zip(turn, self._search(own, config, n, sampling, carries)):
                found[number] = translations
            targets = self.tokenizers.target.encode([found[number][0].text for number in turn])
            return [(source.ids, ids) for source, ids in zip(own, targets)]

        in_turns(self._workers, self._model, self.tokenizers.start, documents, work)
        return found

    def _search(
        self,
        sources: list[Source],
        config: SearchConfig,
        n: int,
        sampling: SamplingConfig | None,
        carries: Sequence[Any] | None = None,
    ) -> list[list[Translation]]:
        """Each source's translations; where none keeps to its rules, as if there were none."""

        def search(sources: list[Source], carries: Sequence[Any] | None) -> list[list[Hypothesis]]:
            start = self.tokenizers.start
            return search_sources(
                self._workers, self._model, start, sources, config, n, self._lengths, sampling, carries
            )

        found = search(sources, carries)
        unmet = [number for number, hypotheses in enumerate(found) if not hypotheses]
        own = None if carries is None else [carries[number] for number in unmet]
        for number, hypotheses in zip(unmet, search([Source(sources[number].ids) for number in unmet], own)):
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

    def attention(self, source: str, target: str | None = None) -> Attention:
        """Where each of the model's attention heads looks.

        Args:
            source: a translation unit of one token at least.
            target: its translation; left out, the best that the search finds.

        Raises:
            UserError: the source is blank or too long, or several models translate together.
        """
        if isinstance(self._model, Ensemble | Fused):
            raise UserError("attention: is of one model, not of several; name a single run")
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

    def _split(self, texts: Sequence[str], into_sentences: bool) -> list[list[tuple[str, list[int]]]]:
        """Each text's parts, also as ids with eos: none of a blank one, several of one too long, or of sentences."""
        parts, encode = [], self.tokenizers.source.encode
        for text, whole in zip(texts, encode(texts)):
            of_text = [(text, whole)]
            if into_sentences or len(whole) > self._max_source_length:
                together = self._whole_documents and not into_sentences
                pieces = split(text, self._max_source_length, lambda part: len(encode([part])[0]), together)
                of_text = list(zip(pieces, encode(pieces)))
            parts.append([(part, ids) for part, ids in of_text if len(ids) > 1 and text.strip()])
        return parts
