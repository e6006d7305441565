"""A document with blanks where its text was."""

import re
from collections.abc import Callable, Sequence

from mt.documents.segments import Segment

# What stands where a segment is to be written: its number between characters that no document has.
_BLANK = re.compile("\0([0-9]+)\0")
Write = Callable[[Segment], str]


class Template:
    """What stays of a document as it is, and the segments between."""

    def __init__(self):
        self.segments: list[Segment] = []
        self._writes: list[Write] = []
        self._parts: list[str] = []

    def write(self, raw: str) -> None:
        """Adds what stays."""
        self._parts.append(raw)

    def add(self, segment: Segment, write: Write) -> None:
        """Adds a segment, and how it is written down."""
        self.write(self.blank(segment, write))

    def blank(self, segment: Segment, write: Write) -> str:
        """What to write where a segment is to be, for markup within another one."""
        self.segments.append(segment)
        self._writes.append(write)
        return f"\0{len(self.segments) - 1}\0"

    def filled(self, translations: Sequence[Segment]) -> str:
        """The document with these segments in place of its own, in the same order."""

        def written(match: re.Match[str]) -> str:
            number = int(match[1])
            return _BLANK.sub(written, self._writes[number](translations[number]))

        return _BLANK.sub(written, "".join(self._parts))
