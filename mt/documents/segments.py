"""A piece of a document's text, and the markup within it."""

import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mt.decoding.keeping import pattern

# What a format writes in a segment's text for a part that is not text: a character for private use.
_FIRST = 0xE000


class Mark(NamedTuple):
    """Markup around a part of a text, or at a place in it.

    Attributes:
        begin: the first character within.
        end: the one after the last; `begin`, if the markup stands by itself.
        before: what is written in front of it.
        after: what is written behind it.
        parent: the number of the mark that it stands in; -1 is none.
    """

    begin: int
    end: int
    before: str
    after: str = ""
    parent: int = -1


class Segment(NamedTuple):
    """What is translated as one: a paragraph, a heading, a cell.

    Attributes:
        text: as one reads it.
        marks: its markup, in the source's order; those in the same parent do not overlap.
        raw: what is written as it is, say a line of code, by what stands for it in the text.
        kept: text that is not translated, by what stands for it.
    """

    text: str
    marks: tuple[Mark, ...] = ()
    raw: Mapping[str, str] = {}
    kept: Mapping[str, str] = {}

    def written(self, escape: Callable[[str], str]) -> str:
        """The text with its markup.

        Args:
            escape: makes text what means it in the document's format.
        """
        names = pattern([*self.raw, *self.kept]) if self.raw or self.kept else None

        def text(begin: int, end: int) -> str:
            written, place = [], begin
            for match in names.finditer(self.text, begin, end) if names else ():
                name = match[0]
                raw = self.raw[name] if name in self.raw else escape(self.kept[name])
                written += [escape(self.text[place : match.start()]), raw]
                place = match.end()
            return "".join([*written, escape(self.text[place:end])])

        def within(parent: int, begin: int, end: int) -> str:
            children = [(mark, number) for number, mark in enumerate(self.marks) if mark.parent == parent]
            written, place = [], begin
            for mark, number in sorted(children, key=lambda child: (child[0].begin, child[0].end, child[1])):
                first, last = (min(max(each, place), end) for each in mark[:2])
                written += [text(place, first), mark.before, within(number, first, last), mark.after]
                place = last
            return "".join([*written, text(place, end)])

        return within(-1, 0, len(self.text))


class Builder:
    """Takes down a segment as a document is read."""

    def __init__(self):
        self._text: list[str] = []
        self._length = 0
        self._marks: list[Mark] = []
        self._open: list[int] = []
        self._raw: dict[str, str] = {}
        self._names = (chr(number) for number in itertools.count(_FIRST))

    def write(self, text: str) -> None:
        """Adds text."""
        self._text.append(text)
        self._length += len(text)

    def keep(self, raw: str) -> None:
        """Adds what stands for something in the sentence but is not translated, such as a name in code."""
        name = next(self._names)
        self._raw[name] = raw
        self.write(name)

    def stand(self, raw: str) -> None:
        """Adds markup that stands by itself and says nothing, such as a picture."""
        self._marks.append(Mark(self._length, self._length, raw, "", self._parent))

    def open(self, before: str) -> None:
        """Begins markup around what comes next."""
        self._open.append(len(self._marks))
        self._marks.append(Mark(self._length, self._length, before, "", -1 if len(self._open) < 2 else self._open[-2]))

    def close(self, after: str) -> None:
        """Ends what was begun last."""
        number = self._open.pop()
        self._marks[number] = self._marks[number]._replace(end=self._length, after=after)

    @property
    def depth(self) -> int:
        """How much is begun and not ended."""
        return len(self._open)

    @property
    def _parent(self) -> int:
        return self._open[-1] if self._open else -1

    def segment(self) -> Segment:
        """What was taken down."""
        return Segment("".join(self._text), tuple(self._marks), self._raw)
