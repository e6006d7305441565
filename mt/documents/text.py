"""Plain text: paragraphs are translated, and wrapped again where they were; blank lines, indents and bullets stay."""

import functools
import re
from collections.abc import Callable, Sequence

from mt.documents.items import has_letters
from mt.documents.segments import Segment
from mt.documents.template import Template
from mt.documents.wrapping import wrapped

# What stands before a line's first word: its indent, and bullets or numbers of items.
_BEGINNING = re.compile(r"\s*(?:(?:[-*+•‣–—>]|\(?\d{1,3}[.)])\s+)*")

_NARROWEST = 40  # text is not wrapped to less; shorter lines are lines


def read(text: str, template: Template | None = None, segment: Callable[[str], Segment] = Segment) -> Template:
    """Reads a document, or a part of one into the template of the whole.

    Args:
        text: the document.
        template: what it is written to.
        segment: makes a paragraph's text a segment.
    """
    template = template or Template()
    lines = text.replace("\0", "\ufffd").split("\n")
    width, first = _width(lines), 0
    while first < len(lines):
        last = first + 1
        while last < len(lines) and _goes_on(lines[last - 1], lines[last], width):
            last += 1
        _paragraph(lines[first:last], template, segment)
        if last < len(lines):
            template.write("\n")
        first = last
    return template


def _width(lines: Sequence[str]) -> int:
    """The width that most lines that another follows stay within, which is that of wrapped text if there is any."""
    lengths = sorted(len(line.rstrip()) for line, after in zip(lines, lines[1:]) if line.strip() and after.strip())
    return lengths[len(lengths) * 9 // 10] if lengths else 0


def _goes_on(line: str, after: str, width: int) -> bool:
    """Whether a line is the rest of a paragraph that was wrapped: its first word had no room on the line before."""
    if width < _NARROWEST or not line.strip() or not after.strip() or _beginning(after).strip():
        return False
    return len(line.rstrip()) + 1 + len(after.split()[0]) > width


def _paragraph(lines: Sequence[str], template: Template, segment: Callable[[str], Segment]) -> None:
    start = _beginning(lines[0])
    text = " ".join([lines[0][len(start) :].strip(), *(line.strip() for line in lines[1:])])
    if not has_letters(text):
        template.write("\n".join(lines))
        return
    indent = lines[1][: len(lines[1]) - len(lines[1].lstrip())] if len(lines) > 1 else ""
    width = max(len(line.rstrip()) for line in lines) if len(lines) > 1 else None
    template.write(start)
    template.add(segment(text), functools.partial(_written, start, indent, width))
    template.write(lines[-1][len(lines[-1].rstrip()) :])


def _beginning(line: str) -> str:
    found = _BEGINNING.match(line)
    return found[0] if found else ""


def _written(start: str, indent: str, width: int | None, translated: Segment) -> str:
    return wrapped(translated.written(str), start, indent, width)
