"""Where a translation has its source's markup: at the words that come from those that had it."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from mt.decoding.keeping import pattern
from mt.documents.segments import Mark


class Word(NamedTuple):
    """What stands between white space.

    Attributes:
        begin: its first character.
        end: the one after its last.
        core_begin: the first that is no punctuation; `begin` if it is nothing else.
        core_end: the one after the last.
        has_letters: whether there is anything else.
    """

    begin: int
    end: int
    core_begin: int
    core_end: int
    has_letters: bool

    def moved(self, by: int) -> "Word":
        """The same so many characters later."""
        begin, end, core_begin, core_end = (place + by for place in self[:4])
        return Word(begin, end, core_begin, core_end, self.has_letters)


class _Range(NamedTuple):
    """Words from `first` to before `last`, and their characters from `begin` to before `end`."""

    first: int
    last: int
    begin: int
    end: int


def words(text: str, names: Collection[str] = ()) -> list[Word]:
    """A text's words. Each of `names` counts as a letter, whatever it is written with."""
    letter = "|".join([*(re.escape(name) for name in sorted(names, key=len, reverse=True)), r"\w"])
    found = []
    for match in re.finditer(r"\S+", text):
        letters = [each.span() for each in re.finditer(letter, match[0])]
        begin, end = (letters[0][0], letters[-1][1]) if letters else (0, len(match[0]))
        found.append(Word(*match.span(), match.start() + begin, match.start() + end, bool(letters)))
    return found


def complete(source: str, translation: str, names: Collection[str], weights: np.ndarray) -> tuple[str, np.ndarray]:
    """A translation that has every name that its source has, and has it once: one that is missing stands in front of
    the word that comes most from its word, or at the end.

    Args:
        source: a sentence.
        translation: of it.
        names: what stands for what is kept.
        weights: see `project`.

    Returns:
        The translation, and its weights.
    """
    for name in names:
        place = pattern([name]).search(source)
        if not place:
            continue
        there = list(pattern([name]).finditer(translation))
        for match in reversed(there[1:]):
            translation = translation[: match.start()].rstrip() + translation[match.end() :]
        own, other = words(source, names), words(translation, names)
        if len(there) > 1:  # which words are gone is not known
            weights = normal(None, (len(other), len(own)))
        if not there:
            from_ = next(number for number, word in enumerate(own) if place.start() < word.end)
            looking = weights[:, from_]
            to = int(looking.argmax()) if looking.any() else len(other)
            begin = other[to].begin if to < len(other) else len(translation)
            translation = f"{translation[:begin].rstrip()} {name} {translation[begin:]}".strip()
            weights = np.insert(weights, to, np.eye(len(own))[from_], axis=0)
    return translation, weights


def normal(weights: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    """Weights whose rows' sums are 1; the diagonal where there are none, or of other words."""
    if weights is None or weights.shape != shape:
        weights = np.zeros(shape)
        if weights.size:
            rows = np.arange(shape[0])
            weights[rows, rows * shape[1] // shape[0]] = 1.0
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)


def project(
    marks: Sequence[Mark], source: Sequence[Word], target: Sequence[Word], weights: np.ndarray, length: int
) -> tuple[Mark, ...]:
    """The marks of a text as marks of its translation.

    Each mark is there once, around consecutive words: those for which most of the attention is on the words that it
    was around, less those for which it is not. Marks stay in their parents, and do not overlap.

    Args:
        marks: of the source.
        source: its words.
        target: the translation's words.
        weights: [target, source], how much each target word comes from each source word; the rows' sums are 1.
        length: characters of the translation.
    """
    projected = list(marks)
    around = {-1: _Range(0, len(target), 0, length)}

    def inside(number: int) -> list[int]:
        """The source words that a mark is around, or those of the whole text."""
        if number < 0:
            return list(range(len(source)))
        mark = marks[number]
        return [place for place, word in enumerate(source) if word.core_begin < mark.end and mark.begin < word.core_end]

    def children(parent: int) -> None:
        within, free = around[parent], [around[parent]]
        own = [number for number, mark in enumerate(marks) if mark.parent == parent]
        waiting = {number: inside(number) for number in own if inside(number)}
        everything = inside(parent)
        while waiting:
            best = max(
                (
                    _best_run(weights[:, covered].sum(axis=1) - 0.5, span, number, covered == everything)
                    for number, covered in waiting.items()
                    for span in free
                    if span.first < span.last
                ),
                default=None,
            )
            if best is None:  # more marks than words
                for number in waiting:
                    around[number] = _Range(within.last, within.last, within.end, within.end)
                break
            _, earlier, first, last = best
            number = -earlier
            around[number] = span = _characters(marks[number], waiting.pop(number), first, last, source, target, within)
            free = [part for each in free for part in _without(each, span)]
        places = {marks[number].begin: number for number in own}  # the last of those that stand at one place
        for number in own:
            mark = marks[number]
            if number not in around:
                place = _place(mark.begin, parent)
                around[number] = _Range(within.first, within.first, place, place)
                if place < within.end and places[mark.begin] == number and between_spaces(mark, parent):
                    mark = mark._replace(after=mark.after + " ")  # the translation's words have one space between them
            projected[number] = mark._replace(begin=around[number].begin, end=around[number].end)
            children(number)

    def between_spaces(mark: Mark, parent: int) -> bool:
        """Whether a mark that is around no word stands between two, and touches neither."""
        covered = [source[place] for place in inside(parent)]
        if not covered or any(word.begin <= mark.end and mark.begin <= word.end for word in covered):
            return False
        return covered[0].end < mark.begin and mark.end < covered[-1].begin

    def _place(position: int, parent: int) -> int:
        """Where a mark goes that is around no word."""
        within, covered = around[parent], inside(parent)
        before = [place for place in covered if source[place].core_begin < position]
        after = [place for place in covered if source[place].core_end > position]
        if not before or within.first == within.last:
            return within.begin
        if not after and source[before[-1]].end <= position:
            return within.end
        of = weights[within.first : within.last]
        if source[before[-1]].end >= position:  # it hangs at a word
            word = target[within.first + int(of[:, before[-1]].argmax())]
            return word.core_end if position <= source[before[-1]].core_end else word.end
        return target[within.first + int(of[:, after[0]].argmax())].begin

    children(-1)
    return tuple(projected)


def _best_run(gains: np.ndarray, span: _Range, number: int, everything: bool) -> tuple[float, int, int, int]:
    """Of a range's consecutive words, those with the greatest sum: it, less the mark's number, the first, the one
    after."""
    if everything:
        return (float("inf"), -number, span.first, span.last)
    sums = np.concatenate([[0.0], np.cumsum(gains[span.first : span.last])])
    runs = sums[None, 1:] - sums[:-1, None]  # [first, last]
    runs = np.where(np.tri(len(runs), k=-1, dtype=bool), -np.inf, runs)
    first, last = np.unravel_index(int(runs.argmax()), runs.shape)
    return float(runs[first, last]), -number, span.first + int(first), span.first + int(last) + 1


def _characters(
    mark: Mark,
    covered: Sequence[int],
    first: int,
    last: int,
    source: Sequence[Word],
    target: Sequence[Word],
    within: _Range,
) -> _Range:
    """Words with the punctuation around them where the mark was around the source's."""
    begins, ends = source[covered[0]], source[covered[-1]]
    while mark.end < ends.end and last - first > 1 and not target[last - 1].has_letters:
        last -= 1
    begin = target[first].begin if mark.begin <= begins.begin else target[first].core_begin
    end = target[last - 1].end if mark.end >= ends.end else target[last - 1].core_end
    return _Range(first, last, max(begin, within.begin), min(end, within.end))


def _without(span: _Range, taken: _Range) -> list[_Range]:
    """What is left of a range."""
    if taken.last <= span.first or span.last <= taken.first:
        return [span]
    left = _Range(span.first, taken.first, span.begin, taken.begin)
    right = _Range(taken.last, span.last, taken.end, span.end)
    return [each for each in (left, right) if each.first < each.last]
