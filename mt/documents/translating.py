"""Segments in, segments out: a sentence at a time, with the markup where it belongs."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np

from mt.decoding.constraints import Constraints
from mt.decoding.keeping import Hidden, Kind
from mt.decoding.splitting import sentences
from mt.decoding.translation import Translation, combine
from mt.decoding.translator import Translator
from mt.documents.document import Document
from mt.documents.projection import Word, complete, normal, project, words
from mt.documents.segments import Mark, Segment

Translate = Callable[[list[str], list[Constraints]], list[Translation]]


class Translated(NamedTuple):
    """A segment's translation.

    Attributes:
        segment: its text and its markup.
        translation: its text without, and the scores and warnings of all its sentences.
    """

    segment: Segment
    translation: Translation


class SegmentTranslator:
    """Translates the segments of documents."""

    def __init__(
        self,
        translator: Translator,
        keep: Collection[Kind] = (),
        constraints: Callable[[str], Constraints] = lambda sentence: Constraints(),
        translate: Translate | None = None,
    ):
        """Args:
        translator: what translates the sentences.
        keep: what is kept of their text, beside what a format keeps; see `keeping.find`.
        constraints: of each sentence.
        translate: gives each sentence's translation; left out, the best that the translator finds.
        """
        self._translator = translator
        self._keep = keep
        self._constraints = constraints
        self._translate = translate or self._best

    def _best(self, texts: list[str], constraints: list[Constraints]) -> list[Translation]:
        return [best for best, *_ in self._translator.n_best(texts, 1, constraints)]

    def document(self, document: Document) -> str:
        """Translates a document, see `formats.read`."""
        return document.filled([found.segment for found in self(document.segments)])

    def __call__(self, segments: Sequence[Segment]) -> list[Translated]:
        """Translates all of them together."""
        jobs = [_Job(segment, self._hide(segment)) for segment in segments]
        texts = [" ".join(text.split()) for job in jobs for text in job.sentences]
        asked = [self._asked(text, job.hidden) for job in jobs for text in job.sentences]
        found = iter(self._translate(texts, asked))
        translations = [[next(found) for _ in job.sentences] for job in jobs]
        pairs = [
            (text, translation.text)
            for job, its in zip(jobs, translations)
            if job.needs_weights(its)
            for text, translation in zip(job.sentences, its)
        ]
        weights = iter(self._translator.word_weights([text for text, _ in pairs], [said for _, said in pairs]))
        return [
            job.done(its, [next(weights) if job.needs_weights(its) else None for _ in its])
            for job, its in zip(jobs, translations)
        ]

    def _hide(self, segment: Segment) -> Hidden:
        kept = self._translator.kept(segment.text, self._keep, segment.raw)
        return self._translator.hide(segment.text, [*segment.raw, *kept])

    def _asked(self, sentence: str, hidden: Hidden) -> Constraints:
        asked = self._constraints(sentence)
        return dataclasses.replace(asked, keep=(*asked.keep, *hidden.parts))


class _Job:
    """A segment that is being translated.

    Attributes:
        segment: the segment.
        hidden: its text, with stand-ins for what is kept.
        sentences: those of that text.
    """

    def __init__(self, segment: Segment, hidden: Hidden):
        self.segment = segment
        self.hidden = hidden
        self._spans = sentences(hidden.text)
        self.sentences = [hidden.text[begin:end] for begin, end in self._spans]

    def needs_weights(self, translations: Sequence[Translation]) -> bool:
        """Whether something is to be put where it belongs."""
        return bool(self.segment.marks) or any("unmet" in each.warnings for each in translations)

    def done(self, translations: Sequence[Translation], weights: Sequence[np.ndarray | None]) -> Translated:
        """The segment's translation from that of its sentences.

        Args:
            translations: of each sentence.
            weights: of each sentence, see `Translator.word_weights`; asked for if `needs_weights`.
        """
        names, source, target, blocks = self.hidden.parts, list[Word](), list[Word](), []
        text, place = "", 0
        for (begin, end), sentence, translation, of_sentence in zip(self._spans, self.sentences, translations, weights):
            gap = self.hidden.text[place:begin]
            text += gap if place == 0 else gap and " "
            own, said = words(sentence, names), _ended_alike(sentence, translation.text)
            shape = len(words(said, names)), len(own)
            rows = None if of_sentence is None else of_sentence[: shape[0]]  # the full stop may have been a word
            said, block = complete(sentence, said, names, normal(rows, shape))
            source += [word.moved(begin) for word in own]
            target += [word.moved(len(text)) for word in words(said, names)]
            blocks.append(block)
            text, place = text + said, end
        text += self.hidden.text[place:]
        parts, raw = names, self.segment.raw
        found = Segment(
            text,
            project(self._moved_marks(), source, target, _block_diagonal(blocks), len(text)),
            {name: raw[part] for name, part in parts.items() if part in raw},
            {name: part for name, part in parts.items() if part not in raw},
        )
        return Translated(found, combine(text, translations))

    def _moved_marks(self) -> list[Mark]:
        """The marks where they are once the stand-ins are there."""
        move = self.hidden.moved
        return [mark._replace(begin=move(mark.begin), end=move(mark.end)) for mark in self.segment.marks]


def _ended_alike(source: str, translation: str) -> str:
    """A translation without the full stop that its source, a heading say, has not."""
    return translation[:-1].rstrip() if source[-1:].isalnum() and translation[-1:] in (".", "。") else translation


def _block_diagonal(blocks: Sequence[np.ndarray]) -> np.ndarray:
    joined = np.zeros([sum(block.shape[axis] for block in blocks) for axis in (0, 1)])
    row = column = 0
    for block in blocks:
        joined[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return joined
