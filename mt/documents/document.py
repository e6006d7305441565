"""A document that can be read and written, whatever its format."""

from collections.abc import Sequence
from typing import Protocol

from mt.documents.segments import Segment


class Document(Protocol):
    """Its text in segments."""

    segments: list[Segment]

    def filled(self, translations: Sequence[Segment]) -> str:
        """The document with these segments in place of its own, in the same order."""
        ...
