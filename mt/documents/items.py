"""Text with tags as one reads it: what is between which tags, whatever the format."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mt.documents.segments import Builder, Segment

_TAG = re.compile(r"<(/?)([A-Za-z][\w:-]*)(?:\s[^<>]*?)?(/?)>|\{\\[^{}]*\}")


class Item(NamedTuple):
    """A part of a sentence.

    Attributes:
        kind: "text"; "start" or "end" of what is around text; "void", which stands by itself; or "code", which stands
            for something but is not translated.
        name: what a start has in common with its end.
        raw: as the document writes it; of text, as one reads it.
    """

    kind: str
    name: str
    raw: str


def tagged_segment(text: str) -> Segment:
    """Text that is written as it is, with tags in it as HTML has them, and subtitles' {\\an8}."""
    return segment(paired(_tagged(text)))


def _tagged(text: str) -> list[Item]:
    items, place = [], 0
    for match in _TAG.finditer(text):
        if match.start() > place:
            items.append(Item("text", "", text[place : match.start()]))
        kind = "void" if match[3] or not match[2] else "end" if match[1] else "start"
        items.append(Item(kind, (match[2] or "").lower(), match[0]))
        place = match.end()
    if place < len(text):
        items.append(Item("text", "", text[place:]))
    return items


def runs(items: Sequence[Item]) -> Iterator[list[Item] | str]:
    """Items among which each start has its end, and between them what has not its other half, as it is written. What
    overlaps with something else, as in <b>x<i>y</b>z</i>, stands by itself."""
    alone = _alone(items)
    halves = {(items[number].kind, items[number].name) for number in alone}
    crossing = {n for n in alone if {("start", items[n].name), ("end", items[n].name)} <= halves}
    if not alone - crossing:
        yield [item._replace(kind="void") if number in crossing else item for number, item in enumerate(items)]
        return
    first = 0
    for number in [*sorted(alone - crossing), len(items)]:
        yield from runs(items[first:number])  # which may have lost the other half of something too
        if number < len(items):
            yield items[number].raw
        first = number + 1


def paired(items: Sequence[Item]) -> list[Item]:
    """Items among which each start has its end; what has not its other half stands by itself."""
    alone = _alone(items)
    return [item._replace(kind="void") if number in alone else item for number, item in enumerate(items)]


def _alone(items: Sequence[Item]) -> set[int]:
    """The numbers of starts without their ends, and the other way round."""
    alone, waiting = set(), list[int]()
    for number, item in enumerate(items):
        if item.kind == "start":
            waiting.append(number)
        elif item.kind == "end":
            same = [place for place, other in enumerate(waiting) if items[other].name == item.name]
            if same:
                alone.update(waiting[same[-1] + 1 :])
                del waiting[same[-1] :]
            else:
                alone.add(number)
    return alone | set(waiting)


def segment(items: Sequence[Item]) -> Segment:
    """Items among which each start has its end, as a segment."""
    builder = Builder()
    take = {"text": builder.write, "code": builder.keep, "void": builder.stand}
    take |= {"start": builder.open, "end": builder.close}
    for item in items:
        take[item.kind](item.raw)
    return builder.segment()


def seen_length(text: str) -> int:
    """The length of a text without its tags."""
    return len(_TAG.sub("", text))


def has_letters(text: str) -> bool:
    """Whether there is anything to translate."""
    return any(character.isalpha() for character in text)
